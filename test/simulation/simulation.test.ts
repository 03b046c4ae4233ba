/**
 * The production ledger under a simulated network, clocks, crashes and operators: a million store operations in every
 * test run, more on demand (`npm run simulate`). Seeds that once failed are in regressions.ts.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REGRESSIONS } from './regressions.ts';
import { PROFILES } from './support/profile.ts';
import { simulate, simulateAndExplain } from './support/simulation.ts';

const run = promisify(execFile);
const PROGRAM = join(import.meta.dirname, 'run.ts');

function profile(name: string) {
  const found = PROFILES[name];
  if (found === undefined) throw new RangeError(`there is no profile '${name}'`);
  return found;
}

test('over a million store operations under faults, no pot passes its limit, money is conserved, every call is charged once, alerts are told and nothing is stranded', async () => {
  const { stdout, stderr } = await run(process.execPath, [PROGRAM, '--operations', '1000000', '--seed', '1', '--json'], {
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => {
    const { stderr: trace } = error as { readonly stderr?: string };
    throw new Error(trace ?? String(error));
  });
  const report = JSON.parse(stdout) as { readonly operations: number; readonly violations: number; readonly profiles: object };
  expect([report.violations, stderr]).toEqual([0, '']);
  expect(report.operations).toBeGreaterThanOrEqual(1_000_000);
  expect(Object.keys(report.profiles).toSorted()).toEqual(Object.keys(PROFILES).toSorted());
}, 240_000);

test.each(REGRESSIONS)('seed $seed of $name, which once failed ($why), holds', async ({ name, seed }) => {
  const { violation, trace } = await simulateAndExplain({ profile: profile(name), seed });
  expect([violation?.message, trace]).toEqual([undefined, undefined]);
});

test('a seed decides a run to the last event: the same seed is the same run', async () => {
  const first = await simulate({ profile: profile('chaos'), seed: 7 });
  const second = await simulate({ profile: profile('chaos'), seed: 7, trace: true });
  expect(second).toEqual(first);
  expect((await simulate({ profile: profile('chaos'), seed: 8 })).events).not.toBe(first.events);
}, 60_000);

test('a run has what it is for: loss, repetition, lateness, stale reads, crashes, every outcome of a hold', async () => {
  const result = await simulate({ profile: profile('late'), seed: 3 });
  const { lost, repeated, late, stale, notApplied, crashes, refused, entries, alerts } = result;
  for (const count of [lost, repeated, late, stale, notApplied, crashes, refused, alerts]) expect(count).toBeGreaterThan(0);
  for (const status of ['FINAL', 'VOID', 'LATE', 'LOST']) expect([status, (entries[status] ?? 0) > 0]).toEqual([status, true]);
}, 60_000);

test('without faults a refusal is exact: of a burst as many calls are let through as the money is for', async () => {
  const { admitted, refused, violation } = await simulate({ profile: profile('calm'), seed: 1 });
  expect(violation).toBeUndefined();
  expect(Math.min(admitted, refused)).toBeGreaterThan(0);
});
