/** What tokens cost: exact integer rates, an upper bound before the call and the true cost after it. */
import { type NanoUsd, type PicoUsd, maxOf, minOf, picoToNanoCeil } from './money.ts';

/** Pico-USD per token. */
export interface Rates {
  readonly inputPicoUsd: PicoUsd;
  readonly cachedInputPicoUsd: PicoUsd;
  readonly outputPicoUsd: PicoUsd;
  /** Input that is written into a cache for some minutes; absent: as other input. */
  readonly cacheWriteInputPicoUsd?: PicoUsd;
  /** Input that is written into a cache for an hour; absent: as a cache write of minutes. */
  readonly cacheWriteHourInputPicoUsd?: PicoUsd;
}

/** The dearest cache write that a request may be billed for. */
export type CacheWrites = 'none' | 'minutes' | 'hour';

/** A tier holds for the whole request once its input has more than `aboveInputTokens`. */
export interface PriceTier extends Rates {
  readonly aboveInputTokens: number;
}

/** The price of one provider's model from one day on. */
export interface Price {
  readonly provider: string;
  readonly model: string;
  /** Inclusive; `0` means always. */
  readonly fromEpochMs: number;
  /** Where it stands, such as `policy` or `catalogue 0.1.8`. */
  readonly source: string;
  /** It has no output side: it pays for calls that generate nothing, and for no others. */
  readonly inputOnly?: true;
  /** Ascending by `aboveInputTokens`; the first is above 0. Never empty. */
  readonly tiers: readonly PriceTier[];
}

/** Tokens of one answer. Cached and cache write tokens are parts of the input, reasoning tokens part of the output. */
export interface Usage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens?: number;
  /** Written for some minutes; absent: the provider does not say, so any input that was not cached may have been. */
  readonly cacheWriteInputTokens?: number;
  /** Written for an hour, beside those for minutes; absent: none. */
  readonly cacheWriteHourInputTokens?: number;
}

/** The price in force at an instant; undefined when the model has none. Policy prices stand before the catalogue's. */
export function findPrice(prices: readonly Price[], provider: string, model: string, atEpochMs: number): Price | undefined {
  const dated = prices.filter((price) => price.provider === provider && price.model === model && price.fromEpochMs <= atEpochMs);
  const own = dated.filter((price) => price.source === 'policy');
  const pool = own.length > 0 ? own : dated;
  return pool.reduce<Price | undefined>(
    (latest, price) => (latest === undefined || price.fromEpochMs > latest.fromEpochMs ? price : latest),
    undefined,
  );
}

/**
 * The most that a call can cost: the dearest rate of any tier, no cache discount, every output token used.
 * @param inputTokens an upper bound of the prompt's tokens
 * @param outputTokens the cap written into the request, times the answers asked for
 * @param cacheWrites the dearest that the request may be billed for; what it does not ask for is not in the bound
 */
export function boundNanoUsd(
  price: Price,
  inputTokens: number,
  outputTokens: number,
  cacheWrites: CacheWrites = 'minutes',
): NanoUsd {
  const dearest = price.tiers.map(
    (tier) => BigInt(inputTokens) * dearestInput(tier, cacheWrites) + BigInt(outputTokens) * tier.outputPicoUsd,
  );
  return picoToNanoCeil(maxOf(0n, ...dearest));
}

/** What the tokens of an answer cost, rounded up to a nano-dollar once. */
export function costNanoUsd(price: Price, usage: Usage): NanoUsd {
  const tier = price.tiers.findLast((candidate) => usage.inputTokens > candidate.aboveInputTokens) ?? price.tiers[0];
  if (tier === undefined) throw new RangeError(`price of ${price.provider}/${price.model} has no tier`);
  // Parts of the input never add up to more than all of it, whatever is reported: the dearest kind is taken first.
  let rest = BigInt(usage.inputTokens);
  const take = (tokens: number): bigint => {
    const taken = minOf(BigInt(tokens), rest);
    rest -= taken;
    return taken;
  };
  const { minutes, hour } = writeRates(tier);
  const hourWrites = take(usage.cacheWriteHourInputTokens ?? 0);
  const writes = take(usage.cacheWriteInputTokens ?? 0);
  const cached = take(usage.cachedInputTokens);
  const fresh = usage.cacheWriteInputTokens === undefined ? maxOf(tier.inputPicoUsd, minutes) : tier.inputPicoUsd;
  return picoToNanoCeil(
    hourWrites * hour +
      writes * minutes +
      cached * tier.cachedInputPicoUsd +
      rest * fresh +
      BigInt(usage.outputTokens) * tier.outputPicoUsd,
  );
}

function writeRates(rates: Rates): { readonly minutes: PicoUsd; readonly hour: PicoUsd } {
  const minutes = rates.cacheWriteInputPicoUsd ?? rates.inputPicoUsd;
  return { minutes, hour: rates.cacheWriteHourInputPicoUsd ?? minutes };
}

function dearestInput(rates: Rates, cacheWrites: CacheWrites): PicoUsd {
  const { minutes, hour } = writeRates(rates);
  const writes = { none: [], minutes: [minutes], hour: [minutes, hour] }[cacheWrites];
  return maxOf(rates.inputPicoUsd, rates.cachedInputPicoUsd, ...writes);
}
