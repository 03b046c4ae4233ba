/**
 * Usage as OpenAI-compatible providers report it, read with suspicion: what is not a plausible count is no usage, and
 * the call is then priced from the bytes seen.
 */
import type { Usage } from './prices.ts';
import { utf8Length } from './json-edits.ts';

/**
 * Reads the `usage` of an answer or of a stream's chunk. Cached and cache write tokens stand inside the input, reasoning
 * tokens inside the output; where a provider counts its reasoning only in the total, the total decides.
 * @param outputBytes bytes of generated text seen so far: a report of no output beside text is not believed
 */
export function readUsage(answer: unknown, outputBytes: number): Usage | undefined {
  return readCounts(field(answer, 'usage'), CHAT_WORDS, outputBytes);
}

/** The same for the `usage` of a response, which has other words for it. */
export function readResponseUsage(response: unknown, outputBytes: number): Usage | undefined {
  return readCounts(field(response, 'usage'), RESPONSE_WORDS, outputBytes);
}

/** The `usage` of embeddings: they generate nothing, and an input of no tokens is not believed. */
export function readEmbeddingUsage(answer: unknown): Usage | undefined {
  const usage = field(answer, 'usage');
  const inputTokens = Math.max(count(field(usage, 'prompt_tokens')) ?? 0, count(field(usage, 'total_tokens')) ?? 0);
  return inputTokens === 0 ? undefined : { inputTokens, cachedInputTokens: 0, outputTokens: 0 };
}

interface Words {
  readonly input: string;
  readonly output: string;
}

const CHAT_WORDS: Words = { input: 'prompt_tokens', output: 'completion_tokens' };
const RESPONSE_WORDS: Words = { input: 'input_tokens', output: 'output_tokens' };

function readCounts(usage: unknown, words: Words, outputBytes: number): Usage | undefined {
  const inputTokens = count(field(usage, words.input));
  const reported = count(field(usage, words.output));
  if (inputTokens === undefined || reported === undefined) return undefined;
  const total = count(field(usage, 'total_tokens')) ?? 0;
  const reasoningTokens = count(field(field(usage, `${words.output}_details`), 'reasoning_tokens'));
  // More reasoning than output was counted beside it.
  const beside = reasoningTokens !== undefined && reasoningTokens > reported ? reasoningTokens : 0;
  const outputTokens = Math.max(Math.min(reported + beside, Number.MAX_SAFE_INTEGER), total - inputTokens);
  if (outputTokens === 0 && (outputBytes > 0 || inputTokens === 0)) return undefined;
  const details = field(usage, `${words.input}_details`);
  return {
    inputTokens,
    cachedInputTokens: Math.min(count(field(details, 'cached_tokens')) ?? 0, inputTokens),
    outputTokens,
    reasoningTokens,
    cacheWriteInputTokens: count(field(details, 'cache_write_tokens')),
  };
}

/** Of two reports of one stream the larger counts: those of the input together, and those of the output. */
export function largerUsage(one: Usage | undefined, other: Usage): Usage {
  if (one === undefined) return other;
  const input = one.inputTokens > other.inputTokens ? one : other;
  const { outputTokens, reasoningTokens } = one.outputTokens > other.outputTokens ? one : other;
  return { ...input, outputTokens, reasoningTokens };
}

/** A stream's chunk that only carries usage: `choices` is there and empty. */
export function isUsageChunk(chunk: unknown): boolean {
  const choices = field(chunk, 'choices');
  const usage = field(chunk, 'usage');
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
}

/**
 * UTF-8 bytes of the text that an answer or a chunk generated: of every text in its choices. Of another shape every text
 * counts, its usage aside: what a provider sent may have been billed.
 */
export function generatedBytes(answer: unknown): number {
  const choices = field(answer, 'choices');
  if (!Array.isArray(choices)) return textBytes(answer);
  let bytes = 0;
  for (const choice of choices as readonly unknown[]) {
    bytes += textBytes(field(choice, 'delta')) + textBytes(field(choice, 'message')) + textBytes(field(choice, 'text'));
  }
  return bytes;
}

/** Names of members that say what an object is, and are no text that was generated. */
export const UNCOUNTED: ReadonlySet<string> = new Set(['role', 'type', 'usage', 'id', 'object', 'model']);

/** UTF-8 bytes of every text in a value, members that say what it is aside. */
export function textBytes(value: unknown, uncounted: ReadonlySet<string> = UNCOUNTED, depth = 0): number {
  if (typeof value === 'string') return utf8Length(value);
  if (typeof value !== 'object' || value === null || depth > 8) return 0;
  let bytes = 0;
  for (const [name, inner] of Object.entries(value)) if (!uncounted.has(name)) bytes += textBytes(inner, uncounted, depth + 1);
  return bytes;
}

/** A member of an object; undefined where there is none. */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** A count of tokens. One past all reason stays a report, so that it shows as overage and not as silence. */
export function count(value: unknown): number | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) return undefined;
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}
