/** The loop around the keeper. */
import type { KeeperReport } from '../../../lambdas/application/keeper.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { startKeeperLoop } from '../../../lambdas/local/keeper-loop.ts';

const NOTHING: KeeperReport = {
  lanes: 0,
  settled: 0,
  released: 0,
  charged: 0,
  flushed: 0,
  closed: 0,
  drifted: 0,
  unfinished: 0,
  complete: true,
};
const policies = { current: async () => ({}) as Policy };
const clock = { now: () => 1_000 };

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test('two passes never run at once, and none begins after the stop', async () => {
  let running = 0;
  let most = 0;
  let passes = 0;
  const keeper = {
    pass: async () => {
      running += 1;
      passes += 1;
      most = Math.max(most, running);
      await pause(15);
      running -= 1;
      return NOTHING;
    },
  };
  const reporter = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const loop = startKeeperLoop({ keeper, policies, clock, reporter, everyMs: 1 });
  await pause(80);
  await loop.stop();
  const atStop = passes;
  await pause(30);
  expect([most, running]).toEqual([1, 0]);
  expect(atStop).toBeGreaterThan(1);
  expect(passes).toBe(atStop);
});

test('a pass is bounded, and one that fails is reported while the next goes on', async () => {
  const untils: (number | undefined)[] = [];
  const errors: string[] = [];
  const keeper = {
    pass: async (_policy: Policy, until?: number) => {
      untils.push(until);
      if (untils.length === 1) throw new RangeError('broken');
      return NOTHING;
    },
  };
  const reporter = { info: () => undefined, warn: () => undefined, error: (message: string) => void errors.push(message) };
  const loop = startKeeperLoop({ keeper, policies, clock, reporter, everyMs: 1 });
  await pause(40);
  await loop.stop();
  expect(errors).toHaveLength(1);
  expect(untils.length).toBeGreaterThan(1);
  expect(untils[0]).toBe(51_000);
});
