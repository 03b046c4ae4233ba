import * as fc from 'fast-check';
import { translateStream } from '../../lambdas/application/translated-answer.ts';
import { StreamMeter } from '../../lambdas/application/stream-meter.ts';
import type { Translation } from '../../lambdas/domain/protocols/api.ts';
import { MESSAGES } from '../../lambdas/domain/protocols/anthropic-messages.ts';
import { CHAT_COMPLETIONS } from '../../lambdas/domain/protocols/chat-completions.ts';
import { CHAT_TO_MESSAGES } from '../../lambdas/domain/protocols/chat-to-messages.ts';
import { MESSAGES_TO_CHAT } from '../../lambdas/domain/protocols/messages-to-chat.ts';
import {
  type Json,
  anthropicEvents,
  chatChunks,
  chatRequests,
  chunkMessage,
  conversationMeaning,
  cutIn,
  eventMessage,
  messages,
  serverSentEvents,
} from '../support/translation-cases.ts';

const BOTH: readonly Translation[] = [CHAT_TO_MESSAGES, MESSAGES_TO_CHAT];
const TOLD = { model: 'the-model', createdEpochSeconds: 7 };

function made(translation: Translation, body: Json): Json {
  const result = translation.request(body);
  if (!result.ok) throw new Error(`${result.problem.param}: ${result.problem.message}`);
  return JSON.parse(JSON.stringify(result.body)) as Json;
}

test('a chat that goes to messages and back means the same', () => {
  fc.assert(
    fc.property(chatRequests, (chat) => {
      const back = made(MESSAGES_TO_CHAT, made(CHAT_TO_MESSAGES, chat));
      expect(conversationMeaning(back.messages)).toEqual(conversationMeaning(chat.messages));
      const { messages: _there, ...fields } = chat;
      const { messages: _back, ...returned } = back;
      expect(returned).toEqual(fields);
    }),
  );
});

test('a translated chat stands before the rules of the API that it is sent to, and keeps its cap and its images', () => {
  fc.assert(
    fc.property(chatRequests, (chat) => {
      const sent = MESSAGES.readFields(made(CHAT_TO_MESSAGES, chat), 'service');
      if (!sent.ok) throw new Error(`${sent.problem.param}: ${sent.problem.message}`);
      const { fields } = sent;
      expect([fields.model, fields.stream, fields.requestedOutputTokens, fields.unlisted]).toEqual([
        'economy',
        chat.stream === true,
        chat.max_completion_tokens,
        [],
      ]);
      const images = conversationMeaning(chat.messages).filter(({ what }) => what instanceof Object && 'url' in what);
      expect(fields.mediaTokens).toBeGreaterThanOrEqual(images.length);
    }),
  );
});

test('a chat that came back from translation stands before the rules of its own API as it did', () => {
  fc.assert(
    fc.property(chatRequests, (chat) => {
      const back = CHAT_COMPLETIONS.readFields(made(MESSAGES_TO_CHAT, made(CHAT_TO_MESSAGES, chat)), 'service');
      const own = CHAT_COMPLETIONS.readFields(chat, 'service');
      expect(back.ok).toBe(own.ok);
      if (own.ok && back.ok) expect(back.fields).toEqual(own.fields);
    }),
  );
});

test("a stream of Anthropic's, translated, adds up to its whole answer, translated", () => {
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (message, cuts) => {
      const translator = CHAT_TO_MESSAGES.events(TOLD, true);
      const out = anthropicEvents(message, cuts).map((event) => translator.event(event));
      const [choice] = (CHAT_TO_MESSAGES.answer(message, TOLD) as { choices: readonly Json[] }).choices;
      const { usage } = CHAT_TO_MESSAGES.answer(message, TOLD) as Json;
      expect(chunkMessage(out.join('') + translator.end())).toEqual({
        message: choice?.message,
        finish: choice?.finish_reason,
        usage,
        done: true,
      });
    }),
  );
});

test('a stream of chunks, translated, adds up to its whole answer, translated', () => {
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (message, cuts) => {
      const chat = CHAT_TO_MESSAGES.answer(message, TOLD);
      const translator = MESSAGES_TO_CHAT.events(TOLD, true);
      const out = chatChunks(chat, cuts).map((chunk) => translator.event(chunk));
      expect(eventMessage(out.join('') + translator.end())).toEqual(MESSAGES_TO_CHAT.answer(chat, TOLD));
    }),
  );
});

test.each([
  ['Anthropic to chat', CHAT_TO_MESSAGES],
  ['chat to Anthropic', MESSAGES_TO_CHAT],
] as const)('a stream cut anywhere is told in the same bytes: %s', (_name, translation) => {
  fc.assert(
    fc.property(
      messages,
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      fc.constantFrom('\n', '\r\n'),
      (message, cuts, bytes, lineEnd) => {
        const events =
          translation === CHAT_TO_MESSAGES
            ? anthropicEvents(message, cuts)
            : chatChunks(CHAT_TO_MESSAGES.answer(message, TOLD), cuts);
        const sent = serverSentEvents(events, lineEnd);
        const told = (pieces: readonly Uint8Array[]): string => {
          const meter = new StreamMeter({ read: () => ({ generatedBytes: 0, hidden: false }) }, 1_000_000, true);
          const passage = translateStream(
            { translation, target: { provider: 'p', model: 'the-model', weight: 1 } },
            { model: 'm', stream: true, includeUsage: true, answers: 1, mediaTokens: 0, unlisted: [] },
            7_000,
          );
          const out = pieces.flatMap((piece) => meter.push(piece)).map((event) => passage.event(event));
          out.push(...meter.end().map((event) => passage.event(event)), passage.end());
          return Buffer.concat(out).toString();
        };
        expect(told(cutIn(sent, bytes))).toBe(told([sent]));
      },
    ),
  );
});

test('no request, answer, error or event makes a translation throw', () => {
  const names = fc.constantFrom(
    'messages',
    'content',
    'role',
    'type',
    'choices',
    'delta',
    'tool_calls',
    'error',
    'usage',
    '__proto__',
  );
  const words = fc.constantFrom('user', 'assistant', 'text', 'tool_use', 'function', 'content_block_delta', 'error', '', 'x');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, words, fc.integer(), fc.constant(null), fc.array(tie('tree')), tie('object')),
    object: fc.dictionary(names, tie('tree')),
  }));
  const objects = fc.dictionary(names, tree);
  fc.assert(
    fc.property(objects, tree, fc.array(tree), fc.constantFrom(...BOTH), (body, answer, events, translation) => {
      const result = translation.request(body);
      if (!result.ok) expect(result.problem.message).not.toBe('');
      expect(typeof JSON.stringify(translation.answer(answer, TOLD))).toBe('string');
      expect(typeof JSON.stringify(translation.error(answer, 400))).toBe('string');
      const translator = translation.events(TOLD, true);
      for (const event of events) expect(typeof translator.event(event)).toBe('string');
      expect(typeof translator.end()).toBe('string');
    }),
  );
});
