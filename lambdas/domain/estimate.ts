/**
 * The upper bound of a request, before it is sent: no tokenizer makes more tokens than there are bytes, and the output
 * cap is written into the request itself. The dearest price that could apply prices both.
 */
import type { NanoUsd } from './money.ts';
import { type CacheWrites, type Price, type Usage, boundNanoUsd, costNanoUsd } from './prices.ts';

/** Tokens that a provider may put around a prompt by itself (roles, tool syntax, its own preamble). */
export const PREAMBLE_TOKENS = 256;

export interface Bound {
  readonly inputTokens: number;
  /** The cap times the answers asked for. */
  readonly outputTokens: number;
  readonly nanoUsd: NanoUsd;
  /** The dearest cache write that it covers; absent: the provider decides. */
  readonly cacheWrites?: CacheWrites;
}

/** At most this many input tokens can stand in a forwarded body of so many UTF-8 bytes. */
export function inputBoundTokens(bodyBytes: number): number {
  return bodyBytes + PREAMBLE_TOKENS;
}

/** What one answer may generate: what the caller asked for, never more than its group's cap, which is the default too. */
export function outputCapTokens(requested: number | undefined, maxOutputTokens: number): number {
  return Math.min(requested ?? maxOutputTokens, maxOutputTokens);
}

/**
 * Bounds a request on one target.
 * @param bodyBytes UTF-8 bytes of the body as it will be forwarded
 * @param capTokens the cap written into it
 * @param answers `n`
 * @param mediaTokens the most that images and files of the request can count
 * @param mediaBytes bytes of the body that are those images and files, so that they are no text
 * @param cacheWrites the dearest cache write that the request asks for
 */
export function estimate(
  price: Price,
  bodyBytes: number,
  capTokens: number,
  answers: number,
  mediaTokens = 0,
  mediaBytes = 0,
  cacheWrites?: CacheWrites,
): Bound {
  const inputTokens = inputBoundTokens(Math.max(0, bodyBytes - mediaBytes)) + mediaTokens;
  const outputTokens = capTokens * answers;
  const nanoUsd = boundNanoUsd(price, inputTokens, outputTokens, cacheWrites);
  return { inputTokens, outputTokens, nanoUsd, ...(cacheWrites === undefined ? {} : { cacheWrites }) };
}

/**
 * The cost of an answer that came without usage: every byte that was sent or seen counts as a token, never above the
 * bound and never nothing.
 * @param outputBytes bytes of generated text that were seen
 */
export function costFromBytes(
  price: Price,
  bound: Bound,
  outputBytes: number,
): { readonly usage: Usage; readonly nanoUsd: NanoUsd } {
  const usage: Usage = {
    inputTokens: bound.inputTokens,
    cachedInputTokens: 0,
    outputTokens: Math.min(outputBytes, bound.outputTokens),
    ...(bound.cacheWrites === 'none' ? { cacheWriteInputTokens: 0 } : {}),
    ...(bound.cacheWrites === 'hour' ? { cacheWriteHourInputTokens: bound.inputTokens } : {}),
  };
  return { usage, nanoUsd: costNanoUsd(price, usage) };
}
