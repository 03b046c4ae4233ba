import { MAX_HOLDS_PER_LANE, heldNanoUsd } from '../../../lambdas/domain/pots.ts';

test('held is the sum of the holds, and sixteen of them fill a lane', () => {
  expect(heldNanoUsd({ holds: new Map() })).toBe(0n);
  const hold = (estimateNanoUsd: bigint) => ({ estimateNanoUsd, direct: [] });
  expect(
    heldNanoUsd({
      holds: new Map([
        ['a', hold(3n)],
        ['b', hold(4n)],
      ]),
    }),
  ).toBe(7n);
  expect(MAX_HOLDS_PER_LANE).toBe(16);
});
