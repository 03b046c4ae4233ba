import fc from 'fast-check';
import { parseUsd } from '../../../lambdas/domain/money.ts';
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

test('cache tokens are priced once each, by their own kinds', () => {
  // Sonnet 4.6 by its price list of 2026-11: input 3.00, read 0.30, write 3.75 and 6.00, output 15.00 dollars a million.
  const rates = {
    ...tier(0, 3_000_000n, 300_000n, 15_000_000n),
    cacheWriteInputPicoUsd: 3_750_000n,
    cacheWriteHourInputPicoUsd: 6_000_000n,
  };
  const sonnet = price({ tiers: [rates] });
  const usage = {
    inputTokens: 410_000,
    cachedInputTokens: 200_000,
    cacheWriteInputTokens: 100_000,
    cacheWriteHourInputTokens: 10_000,
    outputTokens: 1_000,
  };
  // 100,000 fresh 0.30, 200,000 read 0.06, 100,000 written 0.375, 10,000 for an hour 0.06, output 0.015.
  expect(costNanoUsd(sonnet, usage)).toBe(parseUsd('0.81'));
  // Who does not say what it wrote may have written all that it did not read.
  const silent = { inputTokens: 300_000, cachedInputTokens: 200_000, outputTokens: 0 };
  expect(costNanoUsd(sonnet, silent)).toBe(parseUsd('0.06') + parseUsd('0.375'));
  expect(costNanoUsd(sonnet, { ...silent, cacheWriteInputTokens: 0 })).toBe(parseUsd('0.06') + parseUsd('0.30'));
  expect(costNanoUsd(price(), silent)).toBe(costNanoUsd(price(), { ...silent, cacheWriteInputTokens: 0 }));
});

test('kinds of input that add up to more than all of it cost no more than all of it, the dearest first', () => {
  const rates = { ...tier(0, 1_000n, 100n, 0n), cacheWriteInputPicoUsd: 2_000n, cacheWriteHourInputPicoUsd: 3_000n };
  const usage = {
    inputTokens: 10,
    cachedInputTokens: 10,
    cacheWriteInputTokens: 10,
    cacheWriteHourInputTokens: 4,
    outputTokens: 0,
  };
  expect(costNanoUsd(price({ tiers: [rates] }), usage)).toBe(4n * 3n + 6n * 2n);
});

test('a bound holds cache writes only where the request asks for them', () => {
  const rates = { ...tier(0, 1_000n, 100n, 0n), cacheWriteInputPicoUsd: 2_000n, cacheWriteHourInputPicoUsd: 3_000n };
  const one = price({ tiers: [rates] });
  expect(boundNanoUsd(one, 10, 0, 'none')).toBe(10n);
  expect(boundNanoUsd(one, 10, 0, 'minutes')).toBe(20n);
  expect(boundNanoUsd(one, 10, 0, 'hour')).toBe(30n);
  // Where the provider decides, it may write for minutes.
  expect(boundNanoUsd(one, 10, 0)).toBe(20n);
  expect(boundNanoUsd(price(), 10, 0, 'hour')).toBe(boundNanoUsd(price(), 10, 0, 'none'));
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
