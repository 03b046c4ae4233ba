import * as fc from 'fast-check';
import { costFromBytes, estimate, outputCapTokens } from '../../lambdas/domain/estimate.ts';
import { type Price, costNanoUsd } from '../../lambdas/domain/prices.ts';

const rate = fc.bigInt(0n, 100_000_000n);
const tier = fc.record({ inputPicoUsd: rate, cachedInputPicoUsd: rate, outputPicoUsd: rate });
const anyPrice: fc.Arbitrary<Price> = fc.array(tier, { minLength: 1, maxLength: 3 }).map((tiers) => ({
  provider: 'p',
  model: 'm',
  fromEpochMs: 0,
  source: 'policy',
  tiers: tiers.map((rates, index) => ({ ...rates, aboveInputTokens: index * 1_000 })),
}));

test('no usage within the bound of bytes and output costs more than the bound, whatever the tiers and cache prices', () => {
  fc.assert(
    fc.property(
      anyPrice,
      fc.nat(5_000),
      fc.integer({ min: 1, max: 4_000 }),
      fc.integer({ min: 1, max: 8 }),
      fc.tuple(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
      ),
      (price, bytes, cap, answers, [input, cached, output]) => {
        const bound = estimate(price, bytes, cap, answers);
        const inputTokens = Math.floor(bound.inputTokens * input);
        const usage = {
          inputTokens,
          cachedInputTokens: Math.floor(inputTokens * cached),
          outputTokens: Math.floor(cap * answers * output),
        };
        expect(costNanoUsd(price, usage) <= bound.nanoUsd).toBe(true);
      },
    ),
  );
});

test('a cost from bytes is never above the bound, and never nothing where the price is not', () => {
  fc.assert(
    fc.property(anyPrice, fc.nat(5_000), fc.integer({ min: 1, max: 4_000 }), fc.nat(1_000_000), (price, bytes, cap, seen) => {
      const bound = estimate(price, bytes, cap, 1);
      const { nanoUsd } = costFromBytes(price, bound, seen);
      expect(nanoUsd <= bound.nanoUsd).toBe(true);
      const dearest = price.tiers.every((one) => one.inputPicoUsd > 0n);
      if (dearest) expect(nanoUsd > 0n).toBe(true);
    }),
  );
});

test("the cap is the group's, unless the caller asks for less", () => {
  expect(outputCapTokens(undefined, 1_024)).toBe(1_024);
  expect(outputCapTokens(5, 1_024)).toBe(5);
  expect(outputCapTokens(5_000, 1_024)).toBe(1_024);
});
