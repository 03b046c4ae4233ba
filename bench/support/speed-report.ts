/** The figures of the speed part: medians over rounds, what each gateway adds to the mock provider, and whether the aims are met. */
import type { LoadResult } from './load.ts';
import { median, percentile, table } from './report.ts';
import { INJECTED_LATENCY_MS } from './slow-ledger-store.ts';

export type SystemName = 'mock' | 'portkey' | 'memory' | 'database';

/** One round of one system. */
export interface Figures {
  readonly answersPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  /** Processor time of the answering process alone, microseconds a call: the figure that a busy machine changes least. */
  readonly cpuMicros: number;
}

/** All rounds of one system at one load. */
export interface Cell {
  readonly system: SystemName;
  readonly stream: boolean;
  readonly connections: number;
  readonly rounds: readonly Figures[];
}

const LABELS: Readonly<Record<SystemName, string>> = {
  mock: 'mock provider alone',
  portkey: 'Portkey, pass-through',
  memory: `Tollgate, in-memory store + ${INJECTED_LATENCY_MS} ms a call`,
  database: 'Tollgate, embedded database (an emulator)',
};

const AIM_RATIO = 5;

/** One round's figures. */
export function figuresOf({ answers, seconds, failures, latenciesMs }: LoadResult, cpuSeconds: number): Figures {
  return {
    answersPerSecond: answers / seconds,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
    failures,
    cpuMicros: (cpuSeconds * 1e6) / answers,
  };
}

/** The section's Markdown. */
export function speedReport(cells: readonly Cell[], measuredOn: string): string {
  const of = (system: SystemName, stream: boolean, connections: number): Figures | undefined => {
    const cell = cells.find((one) => one.system === system && one.stream === stream && one.connections === connections);
    return cell && middleOf(cell.rounds);
  };
  const tables = [false, true].map((stream) => {
    const rows = cells
      .filter((cell) => cell.stream === stream)
      .map(({ system, connections, rounds }) => {
        const mine = middleOf(rounds);
        const mock = of('mock', stream, connections);
        const peer = of('portkey', stream, connections);
        return [
          LABELS[system],
          String(connections),
          mine.answersPerSecond.toFixed(0),
          system === 'mock' || peer === undefined ? '' : (mine.answersPerSecond / peer.answersPerSecond).toFixed(2),
          ms(mine.p50Ms),
          ms(mine.p99Ms),
          system === 'mock' || mock === undefined ? '' : ms(mine.p50Ms - mock.p50Ms),
          mine.cpuMicros.toFixed(0),
          String(mine.failures),
        ];
      });
    const head = ['', 'connections', 'answers/s', '× Portkey', 'p50 ms', 'p99 ms', 'added p50 ms', 'CPU µs/call', 'failures'];
    return `${stream ? 'Streamed (36 events):' : 'Not streamed:'}\n\n${table(head, rows)}`;
  });
  const verdicts = [false, true].flatMap((stream) => {
    const kind = stream ? 'streamed' : 'not streamed';
    const added = (system: SystemName): number =>
      (of(system, stream, 16)?.p50Ms ?? Number.NaN) - (of('mock', stream, 16)?.p50Ms ?? Number.NaN);
    const ratio =
      (of('memory', stream, 64)?.answersPerSecond ?? Number.NaN) / (of('portkey', stream, 64)?.answersPerSecond ?? Number.NaN);
    const beyond = added('memory') - INJECTED_LATENCY_MS;
    const share = beyond / added('portkey');
    return [
      [`answers/s at 64 connections, ${kind}`, `≥ ${AIM_RATIO} × Portkey`, `${ratio.toFixed(2)} ×`, word(ratio >= AIM_RATIO)],
      [
        `added p50 at 16 connections beyond the injected latency, ${kind}`,
        `≤ ${(1 / AIM_RATIO).toFixed(2)} × Portkey's`,
        `${ms(beyond)} ms of ${ms(added('portkey'))} ms: ${share.toFixed(2)} ×`,
        word(share <= 1 / AIM_RATIO),
      ],
    ];
  });
  return [measuredOn, ...tables, `Aims (in-memory store):\n\n${table(['', 'aim', 'measured', ''], verdicts)}`].join('\n\n');
}

function middleOf(rounds: readonly Figures[]): Figures {
  const over = (pick: (figures: Figures) => number): number => median(rounds.map(pick));
  return {
    answersPerSecond: over((figures) => figures.answersPerSecond),
    p50Ms: over((figures) => figures.p50Ms),
    p99Ms: over((figures) => figures.p99Ms),
    cpuMicros: over((figures) => figures.cpuMicros),
    failures: rounds.reduce((sum, { failures }) => sum + failures, 0),
  };
}

function ms(value: number): string {
  return value.toFixed(2);
}

function word(met: boolean): string {
  return met ? 'met' : '**missed**';
}
