/** Chat completions for apps, on a provider that serves Anthropic's messages. */
import type { Translation } from './api.ts';
import { ChatChunks } from './chat-to-messages-events.ts';
import { chatToMessages } from './chat-to-messages-request.ts';
import { finishReason } from './stop-reasons.ts';
import { chatError, readError } from './told-errors.ts';
import { chatUsage } from './told-usage.ts';
import { argumentsOf } from './tool-input.ts';
import { type Json, compact, listOf, member, textOf, translateOrRefuse } from './translation-checks.ts';

export const CHAT_TO_MESSAGES: Translation = {
  from: 'chat_completions',
  to: 'messages',
  request: (body) => translateOrRefuse(() => chatToMessages(body)),
  answer(answer, { model, createdEpochSeconds }) {
    if (!Array.isArray(member(answer, 'content'))) return chatError(readError(answer));
    return compact({
      id: member(answer, 'id'),
      object: 'chat.completion',
      created: createdEpochSeconds,
      model: textOf(member(answer, 'model')) ?? model,
      choices: [
        { index: 0, message: messageOf(answer), logprobs: null, finish_reason: finishReason(member(answer, 'stop_reason')) },
      ],
      usage: chatUsage(member(answer, 'usage')),
    });
  },
  error: (body, status) => chatError(readError(body, status)),
  events: (told, includeUsage) => new ChatChunks(told, includeUsage),
};

function messageOf(answer: unknown): Json {
  const blocks = listOf(member(answer, 'content'));
  const text = blocks
    .filter((block) => member(block, 'type') === 'text')
    .map((block) => textOf(member(block, 'text')) ?? '')
    .join('');
  const calls = blocks.filter((block) => member(block, 'type') === 'tool_use');
  return compact({
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: textOf(member(member(answer, 'stop_details'), 'explanation')) ?? null,
    tool_calls:
      calls.length === 0
        ? undefined
        : calls.map((call) => ({
            id: member(call, 'id'),
            type: 'function',
            function: { name: member(call, 'name'), arguments: argumentsOf(member(call, 'input')) },
          })),
  });
}
