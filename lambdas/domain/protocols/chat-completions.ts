/**
 * OpenAI's chat completions.
 * @see https://platform.openai.com/docs/api-reference/chat, read 2026-11
 */
import { forwardEdits } from '../forwarded-request.ts';
import { readChatFields } from '../request-fields.ts';
import { field, generatedBytes, isUsageChunk, readUsage } from '../usage.ts';
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
    return { generatedBytes: bytes, usage: readUsage(answer, bytes), end: endOf(answer) };
  },
  readEvents: (includeUsage) => ({
    read: (data) => ({
      generatedBytes: generatedBytes(data),
      usage: readUsage(data, 0),
      end: endOf(data),
      hidden: !includeUsage && isUsageChunk(data),
    }),
  }),
};

/** Some endpoints report a failure with status 200. A stream's end is its `[DONE]`. */
function endOf(answer: unknown): 'failed' | undefined {
  return (field(answer, 'error') ?? undefined) === undefined ? undefined : 'failed';
}
