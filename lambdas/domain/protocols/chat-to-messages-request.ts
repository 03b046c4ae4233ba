/**
 * A chat completions request as Anthropic's messages have it. Each field of the API is carried over, dropped because it
 * hints without changing what is answered, taken when it says nothing, or refused by name.
 * @see https://platform.openai.com/docs/api-reference/chat/create and https://platform.claude.com/docs/en/api/messages,
 * read 2026-11-24 with the types of openai 7.57 and @anthropic-ai/sdk 1.13
 */
import { Refused, isObject } from '../field-checks.ts';
import { choiceToMessages, toolsToMessages } from './chat-to-messages-tools.ts';
import { turnsToMessages } from './chat-to-messages-turns.ts';
import { type Json, compact, noCounterpart, readObject, refuseOthers, textOf } from './translation-checks.ts';

const OTHER = 'Anthropic messages';

const CARRIED = [
  'model',
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'stream',
  'stop',
  'temperature',
  'top_p',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning_effort',
  'response_format',
  'user',
  'safety_identifier',
];
/** Hints: where and how a provider stores, caches or schedules, and how a stream is dressed. The gateway itself reads `include_usage`. */
const DROPPED = [
  'metadata',
  'modalities',
  'prompt_cache_key',
  'prompt_cache_retention',
  'service_tier',
  'store',
  'stream_options',
];
const KNOWN: ReadonlySet<string> = new Set([...CARRIED, ...DROPPED]);

/** Values with which a field says nothing, so that it may be left out. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  n: 1,
  logprobs: false,
  top_logprobs: 0,
  frequency_penalty: 0,
  presence_penalty: 0,
};
const EFFORTS: ReadonlySet<unknown> = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

/** @throws Refused for what has no counterpart */
export function chatToMessages(body: Json): Json {
  refuseOthers(meaningful(body), KNOWN, '', OTHER);
  const tools = toolsToMessages(body.tools);
  const userId = textOf(body.safety_identifier) ?? textOf(body.user);
  return compact({
    model: body.model,
    ...turnsToMessages(body.messages),
    max_tokens: body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens ?? undefined,
    stream: body.stream === true ? true : undefined,
    stop_sequences: stopSequences(body.stop),
    temperature: temperature(body.temperature),
    top_p: body.top_p ?? undefined,
    tools,
    tool_choice: choiceToMessages(body.tool_choice, body.parallel_tool_calls, tools !== undefined),
    ...effort(body.reasoning_effort, outputFormat(body.response_format)),
    metadata: userId === undefined ? undefined : { user_id: userId },
  });
}

function meaningful(body: Json): Json {
  const isEmptyBias = isObject(body.logit_bias) && Object.keys(body.logit_bias).length === 0;
  return Object.fromEntries(
    Object.entries(body).filter(
      ([name, value]) => !(Object.hasOwn(NEUTRAL, name) && NEUTRAL[name] === value) && !(name === 'logit_bias' && isEmptyBias),
    ),
  );
}

function stopSequences(stop: unknown): readonly string[] | undefined {
  if (stop === undefined || stop === null) return undefined;
  const list: unknown = typeof stop === 'string' ? [stop] : stop;
  if (!Array.isArray(list) || !list.every((entry): entry is string => typeof entry === 'string'))
    throw new Refused('stop', 'stop must be a text or a list of texts');
  return list.length > 0 ? list : undefined;
}

function temperature(value: unknown): unknown {
  if (typeof value === 'number' && value > 1)
    throw new Refused('temperature', `temperature may be at most 1 for this model, which ${OTHER} serves`);
  return value ?? undefined;
}

/** The two APIs have the same words for effort, and Anthropic says "none" by switching thinking off. */
function effort(value: unknown, format: Json | undefined): Json {
  const given = value ?? undefined;
  if (given !== undefined && given !== 'none' && !EFFORTS.has(given)) {
    throw new Refused('reasoning_effort', 'reasoning_effort may be none, low, medium, high, xhigh or max for this model');
  }
  const config = compact({ effort: given === 'none' ? undefined : given, format });
  return compact({
    thinking: given === 'none' ? { type: 'disabled' } : undefined,
    output_config: Object.keys(config).length > 0 ? config : undefined,
  });
}

function outputFormat(value: unknown): Json | undefined {
  const format = readObject(value, 'response_format');
  if (format === undefined || format.type === 'text') return undefined;
  if (format.type !== 'json_schema')
    throw noCounterpart('response_format.type', OTHER, 'use json_schema, or say in the prompt that the answer shall be JSON');
  const named = readObject(format.json_schema, 'response_format.json_schema') ?? {};
  const schema = readObject(named.schema, 'response_format.json_schema.schema');
  if (schema === undefined)
    throw new Refused('response_format.json_schema.schema', 'response_format.json_schema.schema is missing');
  // The name is a label. The description is for the model, and a schema can carry it.
  const description = textOf(named.description);
  return { type: 'json_schema', schema: description === undefined ? schema : { description, ...schema } };
}
