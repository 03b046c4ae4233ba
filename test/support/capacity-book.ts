/** Tables of measured units, as docs/costs.md shows them: a test measures, writes its table down here, and the document must agree. */
import { readFileSync, writeFileSync } from 'node:fs';
import { USD_PER_MILLION } from './capacity.ts';
import { type MeteredCall, sumUnits } from './capacity-meter.ts';

const DOCUMENT = new URL('../../docs/costs.md', import.meta.url);

/** The rows of one table of docs/costs.md. */
export class CapacityBook {
  private readonly rows: string[] = [];
  private readonly section: string;
  private readonly heading: string;

  /** @param heading what a row is: the title of the first column */
  constructor(section: string, heading: string) {
    this.section = section;
    this.heading = heading;
  }

  /** Adds a row: units of all `calls` divided by `times`, and what a million of them cost. Gives the units a time. */
  add(name: string, calls: readonly MeteredCall[], times = 1): { readonly writes: number; readonly reads: number } {
    const units = sumUnits(calls);
    const writes = (units.writes + units.indexWrites) / times;
    const reads = units.reads / times;
    const usd = writes * USD_PER_MILLION.write + reads * USD_PER_MILLION.read;
    this.rows.push(`| ${name} | ${figure(writes)} | ${figure(reads)} | ${usd.toFixed(2)} |`);
    return { writes, reads };
  }

  /** The table as Markdown. */
  table(): string {
    return [`| ${this.heading} | write units | read units | USD a million |`, '|---|---|---|---|', ...this.rows].join('\n');
  }

  /** The same table as the document has it. With `TOLLGATE_WRITE_DOCS=1` in the environment it is written there first. */
  documented(): string {
    const text = readFileSync(DOCUMENT, 'utf8');
    const [from, to] = [`<!-- ${this.section} -->\n`, `\n<!-- /${this.section} -->`];
    const [start, end] = [text.indexOf(from) + from.length, text.indexOf(to)];
    if (start < from.length || end < 0) throw new Error(`docs/costs.md has no section ${this.section}`);
    if (process.env.TOLLGATE_WRITE_DOCS === '1') {
      writeFileSync(DOCUMENT, `${text.slice(0, start)}${this.table()}${text.slice(end)}`);
      return this.table();
    }
    return text.slice(start, end);
  }
}

function figure(units: number): string {
  return String(Math.round(units * 100) / 100);
}
