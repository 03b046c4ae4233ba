import { PREAMBLE_TOKENS, costFromBytes, estimate, inputBoundTokens, outputCapTokens } from '../../../lambdas/domain/estimate.ts';
import type { Price } from '../../../lambdas/domain/prices.ts';

const PRICE: Price = {
  provider: 'p',
  model: 'm',
  fromEpochMs: 0,
  source: 'policy',
  tiers: [{ aboveInputTokens: 0, inputPicoUsd: 1_000n, cachedInputPicoUsd: 500n, outputPicoUsd: 10_000n }],
};

test('every byte may be a token, and the provider may add its own', () => {
  expect(PREAMBLE_TOKENS).toBe(256);
  expect(inputBoundTokens(44)).toBe(300);
});

test("the cap is the group's, unless the caller asks for less", () => {
  expect([undefined, 5, 100, 101].map((asked) => outputCapTokens(asked, 100))).toEqual([100, 5, 100, 100]);
});

test('answers multiply the output and not the prompt', () => {
  expect(estimate(PRICE, 44, 10, 3)).toEqual({ inputTokens: 300, outputTokens: 30, nanoUsd: 600n });
});

test('without usage every byte counts as a token, up to the bound', () => {
  const bound = estimate(PRICE, 44, 10, 1);
  expect(costFromBytes(PRICE, bound, 7)).toEqual({
    usage: { inputTokens: 300, cachedInputTokens: 0, outputTokens: 7 },
    nanoUsd: 370n,
  });
  expect(costFromBytes(PRICE, bound, 11).nanoUsd).toBe(bound.nanoUsd);
});

const WRITES: Price = {
  ...PRICE,
  tiers: [
    {
      aboveInputTokens: 0,
      inputPicoUsd: 1_000n,
      cachedInputPicoUsd: 100n,
      cacheWriteInputPicoUsd: 1_250n,
      cacheWriteHourInputPicoUsd: 2_000n,
      outputPicoUsd: 10_000n,
    },
  ],
};

test.each([
  ['none', 1_000n],
  ['minutes', 1_250n],
  ['hour', 2_000n],
] as const)('a bound holds the cache writes that the request asks for (%s), and no dearer ones', (cacheWrites, inputPicoUsd) => {
  const bound = estimate(WRITES, 44, 10, 1, 0, 0, cacheWrites);
  expect(bound).toEqual({
    inputTokens: 300,
    outputTokens: 10,
    nanoUsd: (300n * inputPicoUsd + 100_000n) / 1_000n,
    cacheWrites,
  });
  // Without usage the whole input is priced as the dearest that was asked for, so the bound is what it costs at most.
  expect(costFromBytes(WRITES, bound, 10).nanoUsd).toBe(bound.nanoUsd);
});

test('a bound that says nothing of cache writes leaves it to the provider', () => {
  expect(Object.keys(estimate(WRITES, 44, 10, 1))).toEqual(['inputTokens', 'outputTokens', 'nanoUsd']);
  expect(estimate(WRITES, 44, 10, 1).nanoUsd).toBe(475n);
});
