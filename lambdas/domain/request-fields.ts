/**
 * Every field of a chat completions request is cost-neutral, bounded or refused by name: what nobody has classified
 * could cost more than was taken for it. Fields not listed here are refused on a service stage, and passed and flagged
 * on a learning stage.
 * @see https://platform.openai.com/docs/api-reference/chat/create, read 2026-11
 */
import {
  type FieldTable,
  Refused,
  checkFields,
  checkText,
  isObject,
  printable,
  readInteger,
  readModel,
  readOrRefuse,
  refuseUnlisted,
} from './field-checks.ts';
import { MediaCount } from './media-bounds.ts';
import { TOOLS_PROMPT_TOKENS } from './messages-tools.ts';
import { checkServiceTier, checkTools, readImage, readPart, refusePart } from './openai-parts.ts';
import type { FieldsResult, RequestFields } from './protocols/api.ts';

/** The most answers (`n`) that one request may ask for. */
export const MAX_ANSWERS = 8;
/** An output cap above this is a mistake and is refused rather than lowered. */
export const MAX_REQUESTED_OUTPUT_TOKENS = 10_000_000;
/** Names under which OpenAI-compatible endpoints take an output cap. */
export const OUTPUT_CAP_FIELDS: readonly string[] = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'];

const COST_NEUTRAL: FieldTable['costNeutral'] = {
  frequency_penalty: 'number',
  function_call: 'any',
  functions: 'array',
  logit_bias: 'object',
  logprobs: 'boolean',
  metadata: 'object',
  parallel_tool_calls: 'boolean',
  presence_penalty: 'number',
  prompt_cache_key: 'string',
  prompt_cache_retention: 'string',
  reasoning_effort: 'string',
  response_format: 'object',
  safety_identifier: 'string',
  seed: 'number',
  stop: 'any',
  store: 'boolean',
  stream: 'boolean',
  stream_options: 'object',
  temperature: 'number',
  tool_choice: 'any',
  top_logprobs: 'number',
  top_p: 'number',
  user: 'string',
  verbosity: 'string',
};

const BOUNDED: ReadonlySet<string> = new Set([
  'messages',
  'model',
  'n',
  'tools',
  'modalities',
  'service_tier',
  ...OUTPUT_CAP_FIELDS,
]);

const REFUSED: FieldTable['refused'] = {
  audio: 'spoken output is priced by another unit than text',
  best_of: 'it multiplies the generated tokens outside the bound; use n',
  max_gen_len: 'it is another name for the output cap; use max_completion_tokens',
  max_new_tokens: 'it is another name for the output cap; use max_completion_tokens',
  models: 'it lets the provider choose a model of another price',
  moderation: 'it starts a second model that has no bound',
  num_predict: 'it is another name for the output cap; use max_completion_tokens',
  plugins: 'plugins charge by use, beside the tokens',
  prediction: 'rejected prediction tokens are billed above the output cap',
  prompt_cache_options: 'explicit cache writes are priced above the input price',
  search_parameters: 'searches are charged by use, beside the tokens',
  web_search_options: 'searches are charged by use, beside the tokens',
};

const TABLE: FieldTable = { costNeutral: COST_NEUTRAL, bounded: BOUNDED, refused: REFUSED };

const ROLES: ReadonlySet<string> = new Set(['assistant', 'developer', 'function', 'system', 'tool', 'user']);
const MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  'content',
  'function_call',
  'name',
  'reasoning_content',
  'refusal',
  'role',
  'tool_call_id',
  'tool_calls',
]);
/** Of a message: an image in their place would be counted by nobody. */
const TEXT_FIELDS = ['name', 'reasoning_content', 'refusal', 'tool_call_id'] as const;
const TEXT_PARTS: ReadonlySet<string> = new Set(['refusal', 'text']);

/**
 * Checks and classifies the fields of a chat completions request.
 * @param body the parsed JSON object
 * @param purpose the stage's: a service refuses fields that are not listed
 */
export function readChatFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult {
  return readOrRefuse(() => read(body, purpose));
}

function read(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): RequestFields {
  const unlisted = new Set<string>();
  const model = readModel(body);
  checkFields(body, TABLE, unlisted);
  const media = new MediaCount();
  readMessages(body.messages, unlisted, media);
  checkTools(body.tools, unlisted, media);
  // Their older name: what the provider adds for them is the same.
  if (isNonEmptyList(body.functions) && !isNonEmptyList(body.tools)) media.tokens += TOOLS_PROMPT_TOKENS;
  if (body.modalities !== undefined && body.modalities !== null && !isTextOnly(body.modalities)) {
    throw new Refused('modalities', 'modalities may only be ["text"]: other output is priced by another unit');
  }
  checkServiceTier(body.service_tier);
  refuseUnlisted(unlisted, purpose);
  return {
    model,
    stream: body.stream === true,
    includeUsage: isObject(body.stream_options) && body.stream_options.include_usage === true,
    answers: readInteger(body.n, 'n', MAX_ANSWERS) ?? 1,
    requestedOutputTokens: readOutputCap(body),
    mediaTokens: media.tokens,
    mediaBytes: media.bytes,
    unlisted: [...unlisted],
  };
}

function readOutputCap(body: Readonly<Record<string, unknown>>): number | undefined {
  let found: { readonly name: string; readonly value: number } | undefined;
  for (const name of OUTPUT_CAP_FIELDS) {
    const value = readInteger(body[name], name, MAX_REQUESTED_OUTPUT_TOKENS);
    if (value === undefined) continue;
    if (found !== undefined && found.value !== value)
      throw new Refused(name, `${name} and ${found.name} differ: send one of them`);
    found = { name, value };
  }
  return found?.value;
}

function readMessages(messages: unknown, unlisted: Set<string>, media: MediaCount): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new Refused('messages', 'messages must be a list with at least one message');
  for (const [index, message] of (messages as readonly unknown[]).entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) throw new Refused(at, `${at} must be an object`);
    if (typeof message.role !== 'string' || !ROLES.has(message.role)) {
      throw new Refused(`${at}.role`, `${at}.role must be one of ${[...ROLES].join(', ')}`);
    }
    for (const [name, value] of Object.entries(message)) {
      if (name === 'audio' && value !== null)
        throw new Refused(`${at}.audio`, `${at}.audio is not accepted: audio has no bound yet`);
      if (name !== 'audio' && !MESSAGE_FIELDS.has(name)) unlisted.add(`messages[].${printable(name)}`);
    }
    for (const name of TEXT_FIELDS) checkText(message[name], `${at}.${name}`);
    readContent(message.content, at, unlisted, media);
  }
}

function readContent(content: unknown, at: string, unlisted: Set<string>, media: MediaCount): void {
  if (content === undefined || content === null || typeof content === 'string') return;
  if (!Array.isArray(content)) throw new Refused(`${at}.content`, `${at}.content must be a text or a list of parts`);
  for (const [index, value] of (content as readonly unknown[]).entries()) {
    const where = `${at}.content[${index}]`;
    const { type, part } = readPart(value, where);
    if (type === 'image_url') readImagePart(part.image_url, `${where}.image_url`, unlisted, media);
    else if (!TEXT_PARTS.has(type)) refusePart(type, where);
    else if (typeof part[type] !== 'string') throw new Refused(`${where}.${type}`, `${where}.${type} must be a text`);
    for (const name of Object.keys(part)) {
      if (name !== 'type' && name !== type) unlisted.add(`messages[].content[].${printable(name)}`);
    }
  }
}

/** Some compatible endpoints take the address itself where OpenAI takes an object with it. */
function readImagePart(image: unknown, at: string, unlisted: Set<string>, media: MediaCount): void {
  if (!isObject(image)) return readImage(image, undefined, at, media);
  readImage(image.url, image.detail, `${at}.url`, media);
  for (const name of Object.keys(image)) {
    if (name !== 'url' && name !== 'detail') unlisted.add(`messages[].content[].image_url.${printable(name)}`);
  }
}

function isNonEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function isTextOnly(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((entry) => entry === 'text');
}
