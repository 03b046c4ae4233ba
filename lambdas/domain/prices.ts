/** What tokens cost: exact integer rates, an upper bound before the call and the true cost after it. */
import { type NanoUsd, type PicoUsd, maxOf, picoToNanoCeil } from './money.ts';

/** Pico-USD per token. */
export interface Rates {
  readonly inputPicoUsd: PicoUsd;
  readonly cachedInputPicoUsd: PicoUsd;
  readonly outputPicoUsd: PicoUsd;
}

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

/** Tokens of one answer. Cached tokens are part of the input, reasoning tokens part of the output. */
export interface Usage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens?: number;
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
 */
export function boundNanoUsd(price: Price, inputTokens: number, outputTokens: number): NanoUsd {
  const dearest = price.tiers.map(
    (tier) => BigInt(inputTokens) * maxOf(tier.inputPicoUsd, tier.cachedInputPicoUsd) + BigInt(outputTokens) * tier.outputPicoUsd,
  );
  return picoToNanoCeil(maxOf(0n, ...dearest));
}

/** What the tokens of an answer cost, rounded up to a nano-dollar once. */
export function costNanoUsd(price: Price, usage: Usage): NanoUsd {
  const tier = price.tiers.findLast((candidate) => usage.inputTokens > candidate.aboveInputTokens) ?? price.tiers[0];
  if (tier === undefined) throw new RangeError(`price of ${price.provider}/${price.model} has no tier`);
  const cached = BigInt(Math.min(usage.cachedInputTokens, usage.inputTokens));
  const fresh = BigInt(usage.inputTokens) - cached;
  return picoToNanoCeil(
    fresh * tier.inputPicoUsd + cached * tier.cachedInputPicoUsd + BigInt(usage.outputTokens) * tier.outputPicoUsd,
  );
}
