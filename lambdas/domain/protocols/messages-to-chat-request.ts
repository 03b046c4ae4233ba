/**
 * A messages request as OpenAI's chat completions have it. Each field of the API is carried over, dropped because it hints
 * without changing what is answered, or refused by name.
 * @see https://platform.claude.com/docs/en/api/messages and https://platform.openai.com/docs/api-reference/chat/create,
 * read 2026-11-24 with the types of @anthropic-ai/sdk 1.13 and openai 7.57
 */
import { Refused } from '../field-checks.ts';
import { choiceToChat, toolsToChat } from './messages-to-chat-tools.ts';
import { turnsToChat } from './messages-to-chat-turns.ts';
import { type Json, compact, noCounterpart, readObject, refuseOthers, textOf } from './translation-checks.ts';

const OTHER = 'OpenAI chat completions';

const CARRIED = [
  'model',
  'system',
  'messages',
  'max_tokens',
  'stream',
  'stop_sequences',
  'temperature',
  'top_p',
  'tools',
  'tool_choice',
  'output_config',
  'thinking',
  'metadata',
];
/** Hints of caching and scheduling. */
const DROPPED = ['cache_control', 'service_tier'];
const KNOWN: ReadonlySet<string> = new Set([...CARRIED, ...DROPPED]);
const CONFIG = new Set(['effort', 'format']);
const FORMAT = new Set(['type', 'schema']);
const METADATA = new Set(['user_id']);
/** OpenAI refuses a longer `user`; some Anthropic clients send a long one with every call. */
const MAX_USER_LENGTH = 64;

/** @throws Refused for what has no counterpart */
export function messagesToChat(body: Json): Json {
  const { speed, ...rest } = body;
  refuseOthers(speed === 'standard' ? rest : body, KNOWN, '', OTHER);
  if (body.max_tokens === 0) throw noCounterpart('max_tokens', OTHER, 'a cap of 0 only fills a cache');
  checkThinking(body.thinking);
  const config = readObject(body.output_config, 'output_config') ?? {};
  refuseOthers(config, CONFIG, 'output_config', OTHER);
  return compact({
    model: body.model,
    messages: turnsToChat(body.system, body.messages),
    max_completion_tokens: body.max_tokens ?? undefined,
    stream: body.stream === true ? true : undefined,
    stop: stop(body.stop_sequences),
    temperature: body.temperature ?? undefined,
    top_p: body.top_p ?? undefined,
    tools: toolsToChat(body.tools),
    ...choiceToChat(body.tool_choice),
    reasoning_effort: config.effort ?? undefined,
    response_format: responseFormat(config.format),
    user: user(body.metadata),
  });
}

/** The model's own way of thinking is what it has without the field. A budget of tokens is something else. */
function checkThinking(value: unknown): void {
  const thinking = readObject(value, 'thinking');
  if (thinking === undefined || thinking.type === 'disabled' || thinking.type === 'adaptive') return;
  throw noCounterpart('thinking.type', OTHER, 'use adaptive or disabled, and output_config.effort');
}

function stop(value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new Refused('stop_sequences', 'stop_sequences must be a list');
  return value.length > 0 ? value : undefined;
}

function responseFormat(value: unknown): Json | undefined {
  const format = readObject(value, 'output_config.format');
  if (format === undefined) return undefined;
  refuseOthers(format, FORMAT, 'output_config.format', OTHER);
  const schema = readObject(format.schema, 'output_config.format.schema');
  if (format.type !== 'json_schema' || schema === undefined)
    throw noCounterpart('output_config.format', OTHER, 'use json_schema with a schema');
  return { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } };
}

function user(value: unknown): string | undefined {
  const metadata = readObject(value, 'metadata') ?? {};
  refuseOthers(metadata, METADATA, 'metadata', OTHER);
  const userId = textOf(metadata.user_id);
  return userId !== undefined && userId.length <= MAX_USER_LENGTH ? userId : undefined;
}
