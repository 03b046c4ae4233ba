/**
 * Usage as the other API tells it. Anthropic's cache tokens stand beside its input tokens, OpenAI's inside. This is what
 * the caller reads; what a call costs comes from the provider's own words.
 * @see https://platform.claude.com/docs/en/api/messages, https://platform.openai.com/docs/api-reference/chat, read 2026-11-24
 */
import { isObject } from '../field-checks.ts';
import { type Json, compact, member } from './translation-checks.ts';

/** OpenAI's usage from Anthropic's; undefined when there is none. */
export function chatUsage(usage: unknown): Json | undefined {
  if (!isObject(usage)) return undefined;
  const read = count(usage.cache_read_input_tokens);
  const written = count(usage.cache_creation_input_tokens);
  const prompt = count(usage.input_tokens) + read + written;
  const completion = count(usage.output_tokens);
  const thinking = member(usage.output_tokens_details, 'thinking_tokens');
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: compact({ cached_tokens: read, cache_write_tokens: written > 0 ? written : undefined }),
    ...(thinking === undefined ? {} : { completion_tokens_details: { reasoning_tokens: count(thinking) } }),
  };
}

/** Anthropic's usage from OpenAI's; zeros when there is none, since that shape must have numbers. */
export function messagesUsage(usage: unknown): Json {
  const details = member(usage, 'prompt_tokens_details');
  const prompt = count(member(usage, 'prompt_tokens'));
  const read = Math.min(count(member(details, 'cached_tokens')), prompt);
  const written = Math.min(count(member(details, 'cache_write_tokens')), prompt - read);
  const reasoning = member(member(usage, 'completion_tokens_details'), 'reasoning_tokens');
  return {
    input_tokens: prompt - read - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    // Some providers count their reasoning in the total only.
    output_tokens: Math.max(count(member(usage, 'completion_tokens')), count(member(usage, 'total_tokens')) - prompt),
    output_tokens_details: reasoning === undefined ? null : { thinking_tokens: count(reasoning) },
    server_tool_use: null,
  };
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
