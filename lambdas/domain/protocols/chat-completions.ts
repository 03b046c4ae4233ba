/**
 * OpenAI's chat completions.
 * @see https://platform.openai.com/docs/api-reference/chat, read 2026-11
 */
import { forwardEdits } from '../forwarded-request.ts';
import { readChatFields } from '../request-fields.ts';
import { generatedBytes, isUsageChunk, readUsage } from '../usage.ts';
import type { Api } from './api.ts';

export const CHAT_COMPLETIONS: Api = {
  name: 'chat_completions',
  protocol: 'openai',
  path: '/v1/chat/completions',
  costs: 'output',
  readFields: readChatFields,
  upstreamPath: () => '/chat/completions',
  forwardEdits,
  readAnswer(answer) {
    const bytes = generatedBytes(answer);
    return { generatedBytes: bytes, usage: readUsage(answer, bytes) };
  },
  readEvents: (includeUsage) => ({
    read: (data) => ({
      generatedBytes: generatedBytes(data),
      usage: readUsage(data, 0),
      hidden: !includeUsage && isUsageChunk(data),
    }),
  }),
};
