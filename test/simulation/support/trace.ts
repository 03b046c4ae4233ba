/** What happened, in lines that a person can follow: virtual time, process, operation, outcome; money in nano-USD. */
import type { LaneState } from '../../../lambdas/domain/pots.ts';
import type { Engine } from './engine.ts';

function isLane(value: object): value is LaneState {
  return 'holds' in value && 'escrowNanoUsd' in value;
}

/** Notes events of a run. Off, it costs nothing: a failing seed is run again with it on. */
export class Trace {
  readonly lines: string[] = [];
  readonly on: boolean;
  private readonly engine: Engine;

  constructor(engine: Engine, on: boolean) {
    this.engine = engine;
    this.on = on;
  }

  note(who: string, what: () => string): void {
    if (!this.on) return;
    const at = new Date(this.engine.now).toISOString().slice(5, 23).replace('T', ' ');
    this.lines.push(`${at}  ${who.padEnd(12)} ${what()}`);
  }

  /** The last lines, and of all lines before them those that name one of the subjects. */
  about(subjects: readonly string[], last: number): readonly string[] {
    const cut = Math.max(0, this.lines.length - last);
    const named = this.lines.slice(0, cut).filter((line) => subjects.some((subject) => subject !== '' && line.includes(subject)));
    return [...named.slice(-300), ...(named.length > 0 ? ['          …'] : []), ...this.lines.slice(cut)];
  }
}

/** A value in one short line: bigints as digits, holds and lanes by name. */
export function brief(value: unknown, depth = 0): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return value;
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${String(key)}: ${brief(item, depth + 1)}`).join(', ')}}`;
  if (Array.isArray(value)) return `[${value.map((item) => brief(item, depth + 1)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (depth > 3) return '…';
  if (isLane(value)) {
    const holds = [...value.holds].map(([hid, hold]) => `${hid}: ${hold.estimateNanoUsd}`).join(' ');
    const { id, idleNanoUsd, unflushedNanoUsd, escrowNanoUsd } = value;
    return `lane ${brief(id)}{idle ${idleNanoUsd}, unflushed ${unflushedNanoUsd}, escrow ${escrowNanoUsd}, holds [${holds}]}`;
  }
  if ('chainHash' in value && 'n' in value) return `${String(value.chainHash)}#${String(value.n)}`;
  if ('hash' in value && 'limits' in value) return String(value.hash);
  const hidden = new Set([
    'thresholds',
    'window',
    'price',
    'policy',
    'detail',
    'dry',
    'nowEpochMs',
    'atEpochMs',
    'kind',
    'scope',
    'owner',
  ]);
  const fields = Object.entries(value)
    .filter(([name, item]) => item !== undefined && !hidden.has(name))
    .map(([name, item]) => `${name.replace(/(NanoUsd|EpochMs)$/, '')} ${brief(item, depth + 1)}`);
  return fields.length === 1 ? (fields[0] ?? '') : `{${fields.join(', ')}}`;
}
