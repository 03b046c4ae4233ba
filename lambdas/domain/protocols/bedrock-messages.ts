/**
 * Anthropic's Messages API as Bedrock's InvokeModel has it: the model stands in the path and so does the wish for a stream; the API's
 * version and the betas stand in the body. Answers are Anthropic's own.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html (2026-11-24)
 */
import { addMember, removeMembers, setMember } from '../json-edits.ts';
import { MESSAGES } from './anthropic-messages.ts';
import type { Api } from './api.ts';

const VERSION = 'bedrock-2023-05-31';
/** What the path or the edits below say instead. */
const ELSEWHERE: readonly string[] = ['model', 'stream', 'anthropic_version'];

export const BEDROCK_MESSAGES: Api = {
  ...MESSAGES,
  upstreamPath: ({ model }, stream) => `/model/${encodeURIComponent(model)}/${stream ? 'invoke-with-response-stream' : 'invoke'}`,
  forwardEdits(request, _fields, { outputCapTokens, headers = {} }) {
    const edits = [
      ...removeMembers(
        request,
        request.members.filter(({ name }) => ELSEWHERE.includes(name)),
      ),
      addMember(request, 'anthropic_version', JSON.stringify(VERSION)),
    ];
    if (request.value.max_tokens !== outputCapTokens) edits.push(setMember(request, 'max_tokens', String(outputCapTokens)));
    const betas = betasOf(headers['anthropic-beta']);
    return betas.length === 0 ? edits : [...edits, setMember(request, 'anthropic_beta', JSON.stringify(betas))];
  },
};

function betasOf(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((beta) => beta.trim())
    .filter((beta) => beta !== '');
}
