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
