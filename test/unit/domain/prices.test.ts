import fc from 'fast-check';
import { type Price, type Usage, boundNanoUsd, costNanoUsd, findPrice } from '../../../lambdas/domain/prices.ts';

const tier = (aboveInputTokens: number, input: bigint, cached: bigint, output: bigint) => ({
  aboveInputTokens,
  inputPicoUsd: input,
  cachedInputPicoUsd: cached,
  outputPicoUsd: output,
});

function price(more: Partial<Price> = {}): Price {
  return {
    provider: 'p',
    model: 'm',
    fromEpochMs: 0,
    source: 'catalogue',
    tiers: [tier(0, 250_000n, 25_000n, 2_000_000n)],
    ...more,
  };
}

test('tokens are priced by class, and rounded up once', () => {
  // 900 fresh × 0.25 + 100 cached × 0.025 + 50 out × 2.00 dollars a million = 0.0003275
  expect(costNanoUsd(price(), { inputTokens: 1_000, cachedInputTokens: 100, outputTokens: 50 })).toBe(327_500n);
  expect(costNanoUsd(price({ tiers: [tier(0, 1n, 1n, 1n)] }), { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 })).toBe(
    1n,
  );
});

test('a long prompt is bound by the dearest tier that could apply, and pays the tier it reached', () => {
  const tiered = price({ tiers: [tier(0, 1_000n, 1_000n, 2_000n), tier(200_000, 2_000n, 2_000n, 3_000n)] });
  expect(boundNanoUsd(tiered, 1_000, 10)).toBe(2_030n);
  expect(costNanoUsd(tiered, { inputTokens: 200_000, cachedInputTokens: 0, outputTokens: 10 })).toBe(200_020n);
  expect(costNanoUsd(tiered, { inputTokens: 200_001, cachedInputTokens: 0, outputTokens: 10 })).toBe(400_032n);
});

test('no answer within the bound’s tokens costs more than the bound', () => {
  const rate = fc.bigInt({ min: 0n, max: 10n ** 9n });
  const anyTier = fc.record({
    aboveInputTokens: fc.nat(300_000),
    inputPicoUsd: rate,
    cachedInputPicoUsd: rate,
    outputPicoUsd: rate,
  });
  fc.assert(
    fc.property(
      fc.array(anyTier, { minLength: 1, maxLength: 4 }),
      fc.nat(500_000),
      fc.nat(500_000),
      fc.nat(50_000),
      fc.nat(50_000),
      (tiers, input, cached, output, spare) => {
        const sorted = tiers.toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens);
        const usage: Usage = { inputTokens: input, cachedInputTokens: cached, outputTokens: output };
        expect(
          costNanoUsd(price({ tiers: sorted }), usage) <= boundNanoUsd(price({ tiers: sorted }), input + spare, output + spare),
        ).toBe(true);
      },
    ),
  );
});

test('the policy’s price stands before the catalogue’s, and a dated one counts from its day on', () => {
  const prices = [
    price(),
    price({ source: 'policy', fromEpochMs: 1_000, tiers: [tier(0, 1n, 1n, 1n)] }),
    price({ source: 'policy', fromEpochMs: 2_000, tiers: [tier(0, 2n, 2n, 2n)] }),
  ];
  expect(findPrice(prices, 'p', 'm', 999)?.source).toBe('catalogue');
  expect(findPrice(prices, 'p', 'm', 1_999)?.tiers[0]?.inputPicoUsd).toBe(1n);
  expect(findPrice(prices, 'p', 'm', 2_000)?.tiers[0]?.inputPicoUsd).toBe(2n);
  expect(findPrice(prices, 'p', 'unknown', 2_000)).toBeUndefined();
});
