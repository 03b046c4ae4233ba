import * as fc from 'fast-check';
import { costFromBytes, estimate, outputCapTokens } from '../../lambdas/domain/estimate.ts';
import { type CacheWrites, type Price, type Usage, costNanoUsd } from '../../lambdas/domain/prices.ts';

const rate = fc.bigInt(0n, 100_000_000n);
/** Cache writes cost no less than other input, and none less for an hour than for minutes; neither need be stated. */
const tier = fc
  .record({ inputPicoUsd: rate, cachedInputPicoUsd: rate, outputPicoUsd: rate, minutes: fc.option(rate), hour: fc.option(rate) })
  .map(({ minutes, hour, ...rates }) => ({
    ...rates,
    ...(minutes === null ? {} : { cacheWriteInputPicoUsd: rates.inputPicoUsd + minutes }),
    ...(hour === null ? {} : { cacheWriteHourInputPicoUsd: rates.inputPicoUsd + (minutes ?? 0n) + hour }),
  }));
const anyWrites = fc.constantFrom<CacheWrites[]>('none', 'minutes', 'hour');
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

test('no cache writes that a request asks for, in whatever mix, cost more than its bound', () => {
  fc.assert(
    fc.property(
      anyPrice,
      fc.nat(5_000),
      anyWrites,
      fc.array(fc.nat(1_000), { minLength: 4, maxLength: 4 }),
      fc.nat(100),
      (price, bytes, cacheWrites, [read = 0, minutes = 0, hour = 0, rest = 0], output) => {
        const bound = estimate(price, bytes, 100, 1, 0, 0, cacheWrites);
        const parts = [read, cacheWrites === 'none' ? 0 : minutes, cacheWrites === 'hour' ? hour : 0, rest];
        const whole = Math.max(1, parts[0]! + parts[1]! + parts[2]! + parts[3]!);
        const [cached, short, long, fresh] = parts.map((part) => Math.floor((part * bound.inputTokens) / whole));
        const usage: Usage = {
          inputTokens: cached! + short! + long! + fresh!,
          cachedInputTokens: cached!,
          cacheWriteInputTokens: short!,
          cacheWriteHourInputTokens: long!,
          outputTokens: output,
        };
        expect(costNanoUsd(price, usage) <= bound.nanoUsd).toBe(true);
        // A provider that does not say what it wrote may have written all of it, for minutes.
        const { cacheWriteInputTokens: _, ...silent } = usage;
        if (cacheWrites === 'minutes') expect(costNanoUsd(price, silent) <= bound.nanoUsd).toBe(true);
      },
    ),
  );
});

test('a cost from bytes covers the dearest that the request asked for', () => {
  fc.assert(
    fc.property(anyPrice, fc.nat(5_000), anyWrites, fc.nat(200), (price, bytes, cacheWrites, seen) => {
      const bound = estimate(price, bytes, 100, 1, 0, 0, cacheWrites);
      const { nanoUsd, usage } = costFromBytes(price, bound, seen);
      expect(nanoUsd <= bound.nanoUsd).toBe(true);
      const written = {
        none: { cacheWriteInputTokens: 0 },
        minutes: { cacheWriteInputTokens: usage.inputTokens },
        hour: { cacheWriteHourInputTokens: usage.inputTokens },
      }[cacheWrites];
      const { inputTokens, outputTokens } = usage;
      const truth = costNanoUsd(price, { inputTokens, outputTokens, cachedInputTokens: 0, ...written });
      expect(nanoUsd >= truth).toBe(true);
    }),
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
