/**
 * Every field of a Responses request is cost-neutral, bounded or refused by name. What makes this API different is what
 * is not in the body: history that the provider keeps, and tools that it runs. Neither has a bound, so neither goes on.
 * @see https://platform.openai.com/docs/api-reference/responses/create and the types of openai 7.57, read 2026-11-24
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
import { checkServiceTier, checkTools, readImage, readPart, refusePart } from './openai-parts.ts';
import type { FieldsResult, RequestFields } from './protocols/api.ts';
import { MAX_REQUESTED_OUTPUT_TOKENS } from './request-fields.ts';

const COST_NEUTRAL: FieldTable['costNeutral'] = {
  image: 'object',
  include: 'array',
  instructions: 'string',
  max_tool_calls: 'number',
  metadata: 'object',
  parallel_tool_calls: 'boolean',
  prompt_cache_key: 'string',
  prompt_cache_retention: 'string',
  safety_identifier: 'string',
  store: 'boolean',
  stream: 'boolean',
  stream_options: 'object',
  temperature: 'number',
  text: 'object',
  tool_choice: 'any',
  top_logprobs: 'number',
  top_p: 'number',
  truncation: 'string',
  user: 'string',
};

const BOUNDED: ReadonlySet<string> = new Set([
  'background',
  'input',
  'max_output_tokens',
  'model',
  'reasoning',
  'service_tier',
  'tools',
]);

const KEPT_BY_PROVIDER =
  'its history stands at the provider and its tokens have no bound here; send the history in input, with store: false';
const ANOTHER_CAP = 'it is another name for the output cap; use max_output_tokens';

const REFUSED: FieldTable['refused'] = {
  context_management: 'compaction generates tokens beside the output cap',
  conversation: KEPT_BY_PROVIDER,
  max_completion_tokens: ANOTHER_CAP,
  max_tokens: ANOTHER_CAP,
  messages: 'it belongs to /v1/chat/completions; use input',
  moderation: 'it starts a second model that has no bound',
  n: 'this API gives one answer',
  previous_response_id: KEPT_BY_PROVIDER,
  prompt: 'a template stands at the provider and its tokens have no bound here; send its text in instructions and input',
  prompt_cache_options: 'explicit cache writes are priced above the input price',
};

const TABLE: FieldTable = { costNeutral: COST_NEUTRAL, bounded: BOUNDED, refused: REFUSED };

/** Members of the kinds of items whose every token stands in the body. */
const ITEMS: Readonly<Record<string, ReadonlySet<string>>> = {
  message: new Set(['content', 'id', 'phase', 'role', 'status', 'type']),
  function_call: new Set(['arguments', 'async', 'call_id', 'caller', 'id', 'name', 'namespace', 'status', 'type']),
  function_call_output: new Set(['call_id', 'caller', 'id', 'name', 'namespace', 'output', 'status', 'type']),
  custom_tool_call: new Set(['async', 'call_id', 'caller', 'id', 'input', 'name', 'namespace', 'status', 'type']),
  custom_tool_call_output: new Set(['call_id', 'caller', 'id', 'output', 'status', 'type']),
  reasoning: new Set(['content', 'encrypted_content', 'id', 'status', 'summary', 'type']),
};
const NO_CONTENT = 'must be a text or a list of parts';
const ROLES: ReadonlySet<unknown> = new Set(['assistant', 'developer', 'system', 'user']);
const REASONING_PARTS: ReadonlySet<unknown> = new Set(['summary_text', 'reasoning_text']);
/** Parts that are text, and the member that has it. */
const TEXT_PARTS: Readonly<Record<string, string>> = { input_text: 'text', output_text: 'text', refusal: 'refusal' };
const PART_FIELDS: ReadonlySet<string> = new Set(['annotations', 'detail', 'image_url', 'logprobs', 'refusal', 'text', 'type']);

/**
 * Checks and classifies the fields of a Responses request.
 * @param body the parsed JSON object
 * @param purpose the stage's: a service refuses fields that are not listed
 */
export function readResponsesFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult {
  return readOrRefuse(() => read(body, purpose));
}

function read(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): RequestFields {
  const unlisted = new Set<string>();
  const media = new MediaCount();
  const model = readModel(body);
  checkFields(body, TABLE, unlisted);
  readInput(body.input, unlisted, media);
  checkTools(body.tools, unlisted, media);
  checkServiceTier(body.service_tier);
  checkReasoning(body.reasoning);
  if (body.background !== undefined && body.background !== null && body.background !== false)
    throw new Refused('background', 'background may only be false: what it costs is known after the call is over');
  refuseUnlisted(unlisted, purpose);
  return {
    model,
    stream: body.stream === true,
    // Its last event carries the usage, and is more than that: it is never kept back.
    includeUsage: true,
    answers: 1,
    requestedOutputTokens: readInteger(body.max_output_tokens, 'max_output_tokens', MAX_REQUESTED_OUTPUT_TOKENS),
    mediaTokens: media.tokens,
    mediaBytes: media.bytes,
    unlisted: [...unlisted],
  };
}

function checkReasoning(reasoning: unknown): void {
  if (reasoning === undefined || reasoning === null) return;
  if (!isObject(reasoning)) throw new Refused('reasoning', 'reasoning must be an object');
  const { mode } = reasoning;
  if (mode !== undefined && mode !== null && mode !== 'standard') {
    throw new Refused('reasoning.mode', 'reasoning.mode may be standard: what other modes bill has no documented bound');
  }
}

function readInput(input: unknown, unlisted: Set<string>, media: MediaCount): void {
  if (typeof input === 'string') return;
  if (!Array.isArray(input) || input.length === 0)
    throw new Refused('input', 'input must be a text or a list with at least one item');
  for (const [index, item] of (input as readonly unknown[]).entries()) readItem(item, `input[${index}]`, unlisted, media);
}

function readItem(item: unknown, at: string, unlisted: Set<string>, media: MediaCount): void {
  if (!isObject(item)) throw new Refused(at, `${at} must be an object`);
  const { type = 'message' } = item;
  const names = typeof type === 'string' && Object.hasOwn(ITEMS, type) ? ITEMS[type] : undefined;
  if (names === undefined) throw new Refused(`${at}.type`, `${at}: ${whyNoItem(type)}`);
  for (const name of Object.keys(item)) if (!names.has(name)) unlisted.add(`input[].${printable(name)}`);
  if (type === 'message') {
    if (!ROLES.has(item.role)) throw new Refused(`${at}.role`, `${at}.role must be one of ${[...ROLES].join(', ')}`);
    // A reference needs no type: an item with an id alone may stand for what the provider keeps under it.
    if (item.content === undefined || item.content === null) throw new Refused(`${at}.content`, `${at}.content ${NO_CONTENT}`);
    readContent(item.content, `${at}.content`, unlisted, media);
  } else if (type === 'reasoning') {
    checkReasoningItem(item, at);
    for (const name of ['summary', 'content'] as const) checkTexts(item[name], `${at}.${name}`);
  } else {
    for (const name of ['arguments', 'input'] as const) checkText(item[name], `${at}.${name}`);
    readContent(item.output, `${at}.output`, unlisted, media);
  }
}

function whyNoItem(type: unknown): string {
  if (type === 'item_reference') return `an item_reference is not accepted: ${KEPT_BY_PROVIDER}`;
  if (typeof type !== 'string') return 'the type of an item must be a text';
  return `an item of type ${printable(type)} is not accepted: its tokens have no bound here`;
}

/** Where an item does not carry its content, a provider puts in what it keeps under the id. */
function checkReasoningItem({ id, encrypted_content: encrypted }: Readonly<Record<string, unknown>>, at: string): void {
  if ((typeof encrypted === 'string' && encrypted !== '') || id === undefined || id === null) return;
  throw new Refused(
    `${at}.encrypted_content`,
    `${at}: a reasoning item without encrypted_content stands at the provider, and its tokens have no bound here; ` +
      'ask for include: ["reasoning.encrypted_content"] with store: false, or leave the item out',
  );
}

/** The parts of a reasoning item are text. */
function checkTexts(parts: unknown, at: string): void {
  if (parts === undefined || parts === null) return;
  if (!Array.isArray(parts)) throw new Refused(at, `${at} must be a list`);
  for (const [index, part] of (parts as readonly unknown[]).entries()) {
    if (isObject(part) && REASONING_PARTS.has(part.type) && typeof part.text === 'string') continue;
    throw new Refused(`${at}[${index}]`, `${at}[${index}] must be a text of type summary_text or reasoning_text`);
  }
}

function readContent(content: unknown, at: string, unlisted: Set<string>, media: MediaCount): void {
  if (content === undefined || content === null || typeof content === 'string') return;
  if (!Array.isArray(content)) throw new Refused(at, `${at} ${NO_CONTENT}`);
  for (const [index, value] of (content as readonly unknown[]).entries()) {
    const where = `${at}[${index}]`;
    const { type, part } = readPart(value, where);
    if (type === 'input_image') readInputImage(part, where, media);
    else {
      const name = Object.hasOwn(TEXT_PARTS, type) ? TEXT_PARTS[type] : undefined;
      if (name === undefined) refusePart(type, where);
      if (typeof part[name] !== 'string') throw new Refused(`${where}.${name}`, `${where}.${name} must be a text`);
    }
    for (const name of Object.keys(part)) if (!PART_FIELDS.has(name)) unlisted.add(`input[].content[].${printable(name)}`);
  }
}

function readInputImage(part: Readonly<Record<string, unknown>>, at: string, media: MediaCount): void {
  if (part.file_id !== undefined && part.file_id !== null) {
    throw new Refused(`${at}.file_id`, `${at}.file_id is not accepted: the file stands at the provider; send it as image_url`);
  }
  readImage(part.image_url, part.detail, `${at}.image_url`, media);
}
