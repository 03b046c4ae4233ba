/**
 * Why an answer ended, in the words of either API.
 * @see https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons, read 2026-11-24
 */

const FINISH_REASONS: ReadonlyMap<unknown, string> = new Map([
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
]);

const STOP_REASONS: ReadonlyMap<unknown, string> = new Map([
  ['length', 'max_tokens'],
  ['content_filter', 'refusal'],
  ['tool_calls', 'tool_use'],
  ['function_call', 'tool_use'],
]);

/** OpenAI's word for Anthropic's. A natural end, a stop sequence and a paused turn are all `stop`. */
export function finishReason(stop: unknown): string {
  return FINISH_REASONS.get(stop) ?? 'stop';
}

/**
 * Anthropic's word for OpenAI's, which does not tell a stop sequence from a natural end. A model that was made to call one
 * function ends with `stop`; the call says more than the word.
 */
export function stopReason(finish: unknown, saw: { readonly toolCalls: boolean; readonly refusal: boolean }): string {
  const reason = STOP_REASONS.get(finish);
  if (reason !== undefined && reason !== 'tool_use') return reason;
  if (saw.toolCalls) return 'tool_use';
  return saw.refusal ? 'refusal' : (reason ?? 'end_turn');
}
