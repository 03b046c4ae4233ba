/**
 * The messages of a chat completions request as Anthropic's turns. System messages that come first become `system`, later
 * ones stay in their place; what tools gave and what the user says next are one turn; empty texts, which Anthropic
 * refuses, are left out.
 */
import { Refused } from '../field-checks.ts';
import { inputOf, refuseInexact } from './tool-input.ts';
import { type Json, noCounterpart, readObject, readObjects, readText, refuseOthers, textOf } from './translation-checks.ts';

const OTHER = 'Anthropic messages';
/** An assistant's message may come back as the API gave it; its reasoning and annotations cannot be given to another model. */
const KNOWN: ReadonlyMap<unknown, ReadonlySet<string>> = new Map([
  ['system', new Set(['role', 'content'])],
  ['developer', new Set(['role', 'content'])],
  ['user', new Set(['role', 'content'])],
  ['assistant', new Set(['role', 'content', 'refusal', 'tool_calls', 'annotations', 'reasoning_content', 'reasoning'])],
  ['tool', new Set(['role', 'content', 'tool_call_id', 'name'])],
]);
const TEXT_PART = new Set(['type', 'text']);
const REFUSAL_PART = new Set(['type', 'refusal']);
const IMAGE_PART = new Set(['type', 'image_url']);
/** `detail` only hints how closely to look. */
const IMAGE_URL = new Set(['url', 'detail']);
const TOOL_CALL = new Set(['id', 'type', 'function', 'index']);
const DATA_URL = /^data:image\/(jpe?g|png|gif|webp);base64,([A-Za-z0-9+/]+={0,2})$/i;

interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: Json[];
}

/** What Anthropic's request says of a conversation. */
export interface Turns {
  readonly system?: readonly Json[];
  readonly messages: readonly Turn[];
}

/** @throws Refused for what has no counterpart */
export function turnsToMessages(messages: unknown): Turns {
  const system: Json[] = [];
  const turns: Turn[] = [];
  const list = readObjects(messages, 'messages');
  for (const [index, message] of list.entries()) {
    const at = `messages[${index}]`;
    const known = KNOWN.get(message.role);
    if (known === undefined)
      throw noCounterpart(`${at}.role`, OTHER, 'use the roles system, developer, user, assistant and tool');
    refuseOthers(message, known, at, OTHER);
    const role = roleOf(message.role);
    const content = blocksOf(message, at);
    if (content.length === 0) continue;
    const last = turns.at(-1);
    if (role === 'system' && last === undefined) system.push(...content);
    else if (last?.role === role) last.content.push(...content);
    else turns.push({ role, content });
  }
  const last = turns.at(-1);
  if (last === undefined) throw new Refused('messages', 'messages must hold a text or an image for this model');
  if (last.role === 'assistant') {
    const message = `The last message may not be the assistant's: ${OTHER}, which serves this model, would go on with its words`;
    throw new Refused(`messages[${list.length - 1}].role`, message);
  }
  return { system: system.length > 0 ? system : undefined, messages: turns };
}

function roleOf(role: unknown): Turn['role'] {
  if (role === 'assistant') return 'assistant';
  return role === 'system' || role === 'developer' ? 'system' : 'user';
}

function blocksOf(message: Json, at: string): Json[] {
  if (message.role === 'tool') return [toolResult(message, at)];
  const blocks = contentBlocks(message.content, `${at}.content`, message.role === 'user');
  if (message.role !== 'assistant') return blocks;
  const refusal = textOf(message.refusal);
  if (refusal !== undefined) blocks.push({ type: 'text', text: refusal });
  const calls = readObjects(message.tool_calls, `${at}.tool_calls`);
  return [...blocks, ...calls.map((call, index) => toolUse(call, `${at}.tool_calls[${index}]`))];
}

function contentBlocks(content: unknown, at: string, images: boolean): Json[] {
  if (content === undefined || content === null || content === '') return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const parts = readObjects(content, at).map((part, index) => contentBlock(part, `${at}[${index}]`, images));
  return parts.filter((block) => block.type !== 'text' || block.text !== '');
}

function contentBlock(part: Json, at: string, images: boolean): Json {
  if (part.type === 'text') {
    refuseOthers(part, TEXT_PART, at, OTHER);
    return { type: 'text', text: readText(part.text, `${at}.text`) };
  }
  if (part.type === 'refusal') {
    refuseOthers(part, REFUSAL_PART, at, OTHER);
    return { type: 'text', text: readText(part.refusal, `${at}.refusal`) };
  }
  if (part.type !== 'image_url' || !images)
    throw noCounterpart(`${at}.type`, OTHER, 'only texts and images of the user are translated');
  refuseOthers(part, IMAGE_PART, at, OTHER);
  const image = readObject(part.image_url, `${at}.image_url`) ?? {};
  refuseOthers(image, IMAGE_URL, `${at}.image_url`, OTHER);
  return { type: 'image', source: imageSource(readText(image.url, `${at}.image_url.url`), `${at}.image_url.url`) };
}

function imageSource(url: string, at: string): Json {
  if (/^https:\/\//i.test(url)) return { type: 'url', url };
  const [, kind, data] = DATA_URL.exec(url) ?? [];
  if (kind === undefined || data === undefined)
    throw new Refused(at, `${at} must be an https URL, or a base64 data URL of a JPEG, PNG, GIF or WebP image, for this model`);
  return { type: 'base64', media_type: `image/${kind.toLowerCase().replace('jpg', 'jpeg')}`, data };
}

function toolUse(call: Json, at: string): Json {
  if (call.type !== 'function') throw noCounterpart(`${at}.type`, OTHER, 'only calls of functions are translated');
  refuseOthers(call, TOOL_CALL, at, OTHER);
  const called = readObject(call.function, `${at}.function`) ?? {};
  const input = inputOf(readText(called.arguments ?? '', `${at}.function.arguments`));
  refuseInexact(input, `${at}.function.arguments`);
  return {
    type: 'tool_use',
    id: readText(call.id, `${at}.id`),
    name: readText(called.name, `${at}.function.name`),
    input,
  };
}

/** One text stays a text: that is what providers of both protocols see most. */
function toolResult(message: Json, at: string): Json {
  const toolUseId = readText(message.tool_call_id, `${at}.tool_call_id`);
  const blocks = contentBlocks(message.content, `${at}.content`, false);
  if (blocks.length === 0) return { type: 'tool_result', tool_use_id: toolUseId };
  const content = typeof message.content === 'string' ? message.content : blocks;
  return { type: 'tool_result', tool_use_id: toolUseId, content };
}
