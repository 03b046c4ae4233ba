/**
 * Every field of Anthropic's Messages API is cost-neutral, bounded or refused by name, as for chat completions. The content
 * of messages is read in `messages-content.ts`, tools in `messages-tools.ts`.
 * @see https://platform.claude.com/docs/en/api/messages/create and the types of @anthropic-ai/sdk 1.13.0, read 2026-11-24
 */
import {
  type FieldTable,
  Refused,
  checkFields,
  isObject,
  printable,
  readInteger,
  readModel,
  readOrRefuse,
  refuseUnlisted,
} from './field-checks.ts';
import { type ContentCount, newContentCount, readCacheControl, readMessages, readSystem } from './messages-content.ts';
import { readTools } from './messages-tools.ts';
import type { FieldsResult, RequestFields } from './protocols/api.ts';
import { MAX_REQUESTED_OUTPUT_TOKENS } from './request-fields.ts';

/** What the provider adds where an answer must fit a schema, tokens. Not documented, and the schema stands in the body. */
export const FORMAT_PROMPT_TOKENS = 1_024;

const CAP_ELSEWHERE = 'it is another name for the output cap; use max_tokens';

const MESSAGES_TABLE: FieldTable = {
  costNeutral: {
    diagnostics: 'object',
    metadata: 'object',
    stop_sequences: 'array',
    stream: 'boolean',
    temperature: 'number',
    tool_choice: 'object',
    top_k: 'number',
    top_p: 'number',
    user_profile_id: 'string',
    workspace_id: 'string',
  },
  bounded: new Set([
    'cache_control',
    'context_management',
    'inference_geo',
    'max_tokens',
    'messages',
    'model',
    'output_config',
    'output_format',
    'service_tier',
    'speed',
    'system',
    'thinking',
    'tools',
  ]),
  refused: {
    best_of: 'this API gives one answer',
    billing_policy: 'it changes what is billed',
    compaction: 'a summary is a further pass of the model, billed beside the output cap',
    container: 'containers are charged by use, beside the tokens',
    fallback_credit_token: 'it changes what is billed',
    fallbacks: 'it lets the provider choose a model of another price',
    max_completion_tokens: CAP_ELSEWHERE,
    max_output_tokens: CAP_ELSEWHERE,
    max_tokens_to_sample: CAP_ELSEWHERE,
    mcp_servers: 'what their tools send to the model has no bound',
    models: 'it lets the provider choose a model of another price',
    n: 'this API gives one answer',
    plugins: 'plugins charge by use, beside the tokens',
    thread: 'a conversation that the provider keeps is input that the body does not bound',
  },
};

/** Counting tokens is free, so nothing of it needs a bound. */
const COUNT_TABLE: FieldTable = {
  costNeutral: {
    cache_control: 'object',
    context_management: 'object',
    messages: 'array',
    output_config: 'object',
    output_format: 'object',
    speed: 'string',
    system: 'any',
    thinking: 'object',
    tool_choice: 'object',
    tools: 'array',
    user_profile_id: 'string',
    workspace_id: 'string',
  },
  bounded: new Set(['model']),
  refused: { mcp_servers: 'the provider would call them' },
};

/** Beside each other: `auto` uses capacity that was bought ahead where there is some, at no dearer price a token. */
const SERVICE_TIERS: ReadonlySet<unknown> = new Set(['auto', 'standard_only', null, undefined]);

/**
 * Checks and classifies the fields of a request for a message.
 * @param body the parsed JSON object
 * @param purpose the stage's: a service refuses fields that are not listed
 */
export function readMessagesFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult {
  return readOrRefuse(() => read(body, purpose));
}

/** The same for a request that only counts tokens. */
export function readCountTokensFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult {
  return readOrRefuse(() => {
    const unlisted = new Set<string>();
    const model = readModel(body);
    checkFields(body, COUNT_TABLE, unlisted);
    refuseUnlisted(unlisted, purpose);
    return {
      model,
      stream: false,
      includeUsage: false,
      answers: 1,
      mediaTokens: 0,
      cacheWrites: 'none',
      unlisted: [...unlisted],
    };
  });
}

function read(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): RequestFields {
  const count = newContentCount();
  const model = readModel(body);
  checkFields(body, MESSAGES_TABLE, count.unlisted);
  readCacheControl(body.cache_control, 'cache_control', count);
  readSystem(body.system, count);
  readMessages(body.messages, count);
  readTools(body.tools, count);
  readFormat(body, count);
  readPriceWords(body);
  readContextManagement(body.context_management);
  refuseUnlisted(count.unlisted, purpose);
  const requestedOutputTokens =
    body.max_tokens === 0 ? 0 : readInteger(body.max_tokens, 'max_tokens', MAX_REQUESTED_OUTPUT_TOKENS);
  return {
    model,
    stream: body.stream === true,
    includeUsage: true,
    answers: 1,
    requestedOutputTokens,
    leastOutputTokens: readThinking(body.thinking, requestedOutputTokens),
    mediaTokens: count.media.tokens + count.addedTokens,
    mediaBytes: count.media.bytes,
    cacheWrites: count.cacheWrites,
    unlisted: [...count.unlisted],
  };
}

/** @returns the least output cap that the request can work with: thinking counts as output, and its budget must be below the cap */
function readThinking(thinking: unknown, requestedOutputTokens: number | undefined): number | undefined {
  if (thinking === undefined || thinking === null) return undefined;
  if (!isObject(thinking)) throw new Refused('thinking', 'thinking must be an object');
  if (thinking.type === 'adaptive' || thinking.type === 'disabled' || thinking.type === 'between_tools') return undefined;
  if (thinking.type !== 'enabled')
    throw new Refused('thinking.type', 'thinking.type may be enabled, adaptive, between_tools or disabled');
  const budget = readInteger(thinking.budget_tokens, 'thinking.budget_tokens', MAX_REQUESTED_OUTPUT_TOKENS);
  if (budget === undefined)
    throw new Refused('thinking.budget_tokens', 'thinking.budget_tokens is needed where thinking is enabled');
  // Thinking between tool calls may have a budget above the cap; what is generated still ends at the cap.
  return requestedOutputTokens !== undefined && budget >= requestedOutputTokens ? undefined : budget + 1;
}

function readFormat(
  { output_config: config, output_format: format }: Readonly<Record<string, unknown>>,
  count: ContentCount,
): void {
  if (config !== undefined && config !== null && !isObject(config))
    throw new Refused('output_config', 'output_config must be an object');
  if (isObject(config)) {
    for (const name of Object.keys(config))
      if (!['effort', 'format', 'task_budget'].includes(name)) count.unlisted.add(`output_config.${printable(name)}`);
  }
  const formats = [format, isObject(config) ? config.format : undefined].filter((each) => each !== undefined && each !== null);
  if (formats.length > 0) count.addedTokens += FORMAT_PROMPT_TOKENS;
}

/** Words that change the price of every token. @see https://platform.claude.com/docs/en/about-claude/pricing (2026-11-24) */
function readPriceWords({ service_tier: tier, speed, inference_geo: geo }: Readonly<Record<string, unknown>>): void {
  if (!SERVICE_TIERS.has(tier)) throw new Refused('service_tier', 'service_tier may be auto or standard_only');
  if (speed !== undefined && speed !== null && speed !== 'standard')
    throw new Refused('speed', 'speed may only be standard: the fast mode has dearer prices');
  if (geo !== undefined && geo !== null && geo !== 'global')
    throw new Refused('inference_geo', 'inference_geo may only be global: a chosen region costs 1.1 times as much');
}

/** Edits that clear something make a prompt shorter; any other is a further pass of the model. */
function readContextManagement(management: unknown): void {
  if (management === undefined || management === null) return;
  const edits = isObject(management) ? (management.edits ?? []) : undefined;
  if (!Array.isArray(edits)) throw new Refused('context_management', 'context_management must be an object with a list of edits');
  for (const [index, edit] of (edits as readonly unknown[]).entries()) {
    if (isObject(edit) && typeof edit.type === 'string' && edit.type.startsWith('clear_')) continue;
    const at = `context_management.edits[${index}].type`;
    throw new Refused(at, `${at} may only begin with clear_: a summary is a further pass of the model, beside the output cap`);
  }
}
