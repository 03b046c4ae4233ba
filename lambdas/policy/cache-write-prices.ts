/** What input costs that a provider writes into its cache, where a price list does not say it all. */
import { type PicoUsd, maxOf } from '../domain/money.ts';
import type { Rates } from '../domain/prices.ts';

/**
 * The rates of cache writes. Who charges for them at all charges at least the input price, and for an hour Anthropic
 * charges twice the input price (1.25 times for five minutes).
 * @param minutes 0: not stated, and writes cost what other input costs
 * @param hour 0: not stated
 * @see https://platform.claude.com/docs/en/about-claude/pricing#prompt-caching (2026-11-24)
 */
export function cacheWriteRates(
  input: PicoUsd,
  minutes: PicoUsd,
  hour: PicoUsd,
): Pick<Rates, 'cacheWriteInputPicoUsd' | 'cacheWriteHourInputPicoUsd'> {
  if (minutes === 0n && hour === 0n) return {};
  const cacheWriteInputPicoUsd = minutes === 0n ? input : minutes;
  return {
    cacheWriteInputPicoUsd,
    cacheWriteHourInputPicoUsd: hour === 0n ? maxOf(2n * input, cacheWriteInputPicoUsd) : hour,
  };
}

/** Cache writes of five minutes by Anthropic's rule, for a price that states none: 1.25 times the input price, rounded up. */
export function anthropicCacheWrite(input: PicoUsd): PicoUsd {
  return (input * 5n + 3n) / 4n;
}
