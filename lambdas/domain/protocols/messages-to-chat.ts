/** Anthropic's messages for apps, on a provider that serves OpenAI's chat completions. */
import type { Translation } from './api.ts';
import { MessageEvents } from './messages-to-chat-events.ts';
import { messagesToChat } from './messages-to-chat-request.ts';
import { stopReason } from './stop-reasons.ts';
import { messagesError, readError } from './told-errors.ts';
import { messagesUsage } from './told-usage.ts';
import { inputOf } from './tool-input.ts';
import { type Json, listOf, member, textOf, translateOrRefuse } from './translation-checks.ts';

export const MESSAGES_TO_CHAT: Translation = {
  from: 'messages',
  to: 'chat_completions',
  request: (body) => translateOrRefuse(() => messagesToChat(body)),
  answer(answer, { model }) {
    const [choice] = listOf(member(answer, 'choices'));
    if (choice === undefined) return messagesError(readError(answer), 502);
    const message = member(choice, 'message');
    const refusal = textOf(member(message, 'refusal'));
    const calls = listOf(member(message, 'tool_calls'));
    return {
      id: member(answer, 'id'),
      type: 'message',
      role: 'assistant',
      model: textOf(member(answer, 'model')) ?? model,
      content: contentOf(member(message, 'content'), refusal, calls),
      stop_reason: stopReason(member(choice, 'finish_reason'), { toolCalls: calls.length > 0, refusal: refusal !== undefined }),
      stop_sequence: null,
      usage: messagesUsage(member(answer, 'usage')),
    };
  },
  error: (body, status) => messagesError(readError(body, status), status),
  events: (told) => new MessageEvents(told),
};

function contentOf(content: unknown, refusal: string | undefined, calls: readonly unknown[]): readonly Json[] {
  // Some compatible providers answer in parts.
  const texts = typeof content === 'string' ? [content] : listOf(content).map((part) => textOf(member(part, 'text')) ?? '');
  const blocks = [...texts, refusal ?? ''].filter((text) => text !== '').map((text) => ({ type: 'text', text, citations: null }));
  return [...blocks, ...calls.map(toolUse)];
}

function toolUse(call: unknown): Json {
  const called = member(call, 'function');
  const argumentsText = member(called, 'arguments');
  return {
    type: 'tool_use',
    id: member(call, 'id'),
    name: member(called, 'name'),
    input: typeof argumentsText === 'string' ? inputOf(argumentsText) : (argumentsText ?? {}),
  };
}
