/** What an answer cost: from the provider's usage where it reports some, from the bytes seen where not, and never above what can be believed. */
import { costFromBytes } from '../domain/estimate.ts';
import { type NanoUsd, minOf } from '../domain/money.ts';
import { type Usage, costNanoUsd } from '../domain/prices.ts';
import type { PricedTarget } from './attempt.ts';

const decoder = new TextDecoder();

/** The true cost of an answer, or the most that it can have been. */
export interface Cost {
  readonly nanoUsd: NanoUsd;
  readonly usage: Usage;
  /** Some of it was not reported. */
  readonly estimated?: boolean;
  /** The provider says that it failed, with a status of success. */
  readonly failed?: boolean;
}

type Priced = Pick<PricedTarget, 'price' | 'bound' | 'upstream'>;

/**
 * What was used by a reading of usage; without one, by the bytes that were generated.
 * @param reading its usage, and whether some of it is our estimate
 */
export function costOf(
  candidate: Priced,
  reading: { readonly usage: Usage; readonly estimated: boolean } | undefined,
  outputBytes: number,
): Cost {
  if (reading === undefined) return { ...costFromBytes(candidate.price, candidate.bound, outputBytes), estimated: true };
  const { usage, estimated } = reading;
  const nanoUsd = costNanoUsd(candidate.price, usage);
  // Only what a provider reports can be overage; what we add to it by estimate stays within the bound.
  return estimated ? { usage, nanoUsd: minOf(nanoUsd, candidate.bound.nanoUsd), estimated } : { usage, nanoUsd };
}

/** What a whole answer cost; what is not JSON counts in full. */
export function costOfAnswer(candidate: Priced, body: Uint8Array): Cost {
  if (candidate.upstream.costs === 'free')
    return { nanoUsd: 0n, usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 } };
  try {
    const parsed: unknown = JSON.parse(decoder.decode(body));
    const { generatedBytes, usage, end } = candidate.upstream.readAnswer(parsed);
    return { ...costOf(candidate, usage && { usage, estimated: false }, generatedBytes), failed: end === 'failed' };
  } catch {
    return costOf(candidate, undefined, body.length);
  }
}

/** An answer that was compressed without being asked for cannot be read on its way: it costs the most that it can. */
export function costOfBound({ bound }: Priced): Cost {
  const { inputTokens, outputTokens, nanoUsd } = bound;
  return { nanoUsd, usage: { inputTokens, cachedInputTokens: 0, outputTokens }, estimated: true };
}

/** Whether the bytes are compressed, so that nobody reads them on their way. */
export function isEncoded(headers: ReadonlyMap<string, string>): boolean {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  return encoding !== '' && encoding !== 'identity';
}
