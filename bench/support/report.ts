/** The sections of `docs/performance.md`: each part rewrites what stands between its own markers, and nothing else. */
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export interface PartOptions {
  /** Shorter and rougher. */
  readonly quick: boolean;
  /** A directory for CPU profiles of the gateways, which makes them slower. */
  readonly profile?: string;
  /** Only what has this text in its name. */
  readonly only?: string;
}

/** Measures, and gives the Markdown of its section. */
export type Part = (options: PartOptions) => Promise<string>;

const FILE = path.join(import.meta.dirname, '..', '..', 'docs', 'performance.md');

/** Puts a part's text between `<!-- name -->` and `<!-- /name -->`. @throws when the page has no such markers */
export async function writeSection(name: string, text: string): Promise<void> {
  const page = await readFile(FILE, 'utf8');
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no ${open} … ${close}`);
  await writeFile(FILE, `${page.slice(0, from + open.length)}\n\n${text.trim()}\n\n${page.slice(to)}`);
}

/** Where and when something was measured: processor, cores, memory, versions, date. No names. */
export function measuredOn(versions: Readonly<Record<string, string>>): string {
  const cpus = os.cpus();
  const memoryGib = Math.round(os.totalmem() / 2 ** 30);
  const named = Object.entries({ Node: process.versions.node, ...versions }).map(([name, version]) => `${name} ${version}`);
  const machine = `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown processor'}, ${memoryGib} GiB, ${os.type()}`;
  return `Measured ${new Date().toISOString().slice(0, 10)} on ${machine}; ${named.join(', ')}.`;
}

/** A Markdown table; the first column is text, the others are figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = line(head.map((_, column) => (column === 0 ? '---' : '---:')));
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** The middle one; of two the mean. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The value that so many percent do not exceed. */
export function percentile(ascending: readonly number[], percent: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil((ascending.length * percent) / 100) - 1)] ?? Number.NaN;
}
