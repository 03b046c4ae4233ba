/**
 * Anthropic's Messages API, and the count of a request's tokens, which is free.
 * @see https://platform.claude.com/docs/en/api/messages, read 2026-11-24
 */
import { modelEdits } from '../forwarded-request.ts';
import { setMember } from '../json-edits.ts';
import { readCountTokensFields, readMessagesFields } from '../messages-fields.ts';
import { readMessage, readMessageEvents } from '../messages-usage.ts';
import type { Api } from './api.ts';

export const MESSAGES: Api = {
  name: 'messages',
  protocol: 'anthropic',
  path: '/v1/messages',
  costs: 'output',
  readFields: readMessagesFields,
  upstreamPath: () => '/messages',
  forwardEdits(request, _fields, forwarding) {
    const { outputCapTokens } = forwarding;
    const edits = modelEdits(request, forwarding);
    if (request.value.max_tokens === outputCapTokens) return edits;
    return [...edits, setMember(request, 'max_tokens', String(outputCapTokens))];
  },
  readAnswer: readMessage,
  readEvents: readMessageEvents,
};

export const COUNT_TOKENS: Api = {
  name: 'count_tokens',
  protocol: 'anthropic',
  path: '/v1/messages/count_tokens',
  costs: 'free',
  readFields: readCountTokensFields,
  upstreamPath: () => '/messages/count_tokens',
  forwardEdits: (request, _fields, forwarding) => modelEdits(request, forwarding),
  readAnswer: () => ({ generatedBytes: 0 }),
  readEvents: () => ({ read: () => ({ generatedBytes: 0, hidden: false }) }),
};
