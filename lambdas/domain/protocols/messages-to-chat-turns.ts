/**
 * The turns of a messages request as messages of OpenAI's chat: what tools gave becomes messages of their own, before what
 * the user says with it. Thinking of earlier answers is left out: it is bound to the model that signed it.
 */
import { Refused } from '../field-checks.ts';
import { argumentsOf, refuseInexact } from './tool-input.ts';
import { type Json, compact, noCounterpart, readObject, readObjects, readText, refuseOthers } from './translation-checks.ts';

const OTHER = 'OpenAI chat completions';
const ROLES: ReadonlySet<unknown> = new Set(['user', 'assistant', 'system']);
const MESSAGE = new Set(['role', 'content']);
/** Cache marks and citations do not change what a text says. */
const TEXT = new Set(['type', 'text', 'cache_control', 'citations']);
const IMAGE = new Set(['type', 'source', 'cache_control']);
const SOURCE = new Set(['type', 'media_type', 'data', 'url']);
const TOOL_USE = new Set(['type', 'id', 'name', 'input', 'cache_control', 'caller']);
const TOOL_RESULT = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']);
const THINKING: ReadonlySet<unknown> = new Set(['thinking', 'redacted_thinking']);

/** @throws Refused for what has no counterpart */
export function turnsToChat(system: unknown, turns: unknown): readonly Json[] {
  const list = readObjects(turns, 'messages');
  const messages = list.flatMap((turn, index) => {
    const at = `messages[${index}]`;
    if (!ROLES.has(turn.role)) throw noCounterpart(`${at}.role`, OTHER, 'use the roles user, assistant and system');
    refuseOthers(turn, MESSAGE, at, OTHER);
    if (turn.role === 'assistant') return [assistantMessage(turn.content, `${at}.content`)];
    return turn.role === 'user' ? userMessages(turn.content, `${at}.content`) : systemMessages(turn.content, `${at}.content`);
  });
  if (list.at(-1)?.role === 'assistant') {
    const message = `The last message may not be the assistant's: ${OTHER}, which serves this model, does not go on with its words`;
    throw new Refused(`messages[${list.length - 1}].role`, message);
  }
  return [...systemMessages(system, 'system'), ...messages];
}

function systemMessages(content: unknown, at: string): readonly Json[] {
  const parts = contentParts(content, at, false);
  return parts.length === 0 ? [] : [{ role: 'system', content: shortest(parts) }];
}

function userMessages(content: unknown, at: string): readonly Json[] {
  if (typeof content === 'string') return [{ role: 'user', content }];
  const blocks = readObjects(content, at);
  const results = blocks.findLastIndex((block) => block.type === 'tool_result') + 1;
  const tools = blocks.slice(0, results).map((block, index) => toolMessage(block, `${at}[${index}]`));
  const parts = blocks.slice(results).map((block, index) => contentPart(block, `${at}[${results + index}]`, true));
  return parts.length === 0 ? tools : [...tools, { role: 'user', content: shortest(parts) }];
}

function assistantMessage(content: unknown, at: string): Json {
  if (typeof content === 'string') return { role: 'assistant', content };
  const texts: string[] = [];
  const calls: Json[] = [];
  for (const [index, block] of readObjects(content, at).entries()) {
    const where = `${at}[${index}]`;
    if (THINKING.has(block.type)) continue;
    if (block.type === 'tool_use') calls.push(toolCall(block, where));
    else texts.push(readText(contentPart(block, where, false).text, `${where}.text`));
  }
  // One answer's texts are pieces of one text, in this API.
  const text = texts.join('');
  return compact({
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    tool_calls: calls.length > 0 ? calls : undefined,
  });
}

function contentParts(content: unknown, at: string, images: boolean): readonly Json[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return readObjects(content, at).map((block, index) => contentPart(block, `${at}[${index}]`, images));
}

function contentPart(block: Json, at: string, images: boolean): Json {
  if (block.type === 'text') {
    refuseOthers(block, TEXT, at, OTHER);
    return { type: 'text', text: readText(block.text, `${at}.text`) };
  }
  if (block.type === 'tool_result')
    throw new Refused(at, `${at} must stand before the other content of its message, as Anthropic asks for`);
  if (block.type !== 'image' || !images)
    throw noCounterpart(
      `${at}.type`,
      OTHER,
      'only texts, tool calls, tool results of text, and images of the user are translated',
    );
  refuseOthers(block, IMAGE, at, OTHER);
  return { type: 'image_url', image_url: { url: imageUrl(readObject(block.source, `${at}.source`) ?? {}, `${at}.source`) } };
}

function imageUrl(source: Json, at: string): string {
  refuseOthers(source, SOURCE, at, OTHER);
  if (source.type === 'url') return readText(source.url, `${at}.url`);
  if (source.type !== 'base64') throw noCounterpart(`${at}.type`, OTHER, 'send the image as base64 or as a URL');
  return `data:${readText(source.media_type, `${at}.media_type`)};base64,${readText(source.data, `${at}.data`)}`;
}

function toolCall(block: Json, at: string): Json {
  refuseOthers(block, TOOL_USE, at, OTHER);
  refuseInexact(block.input, `${at}.input`);
  const called = { name: readText(block.name, `${at}.name`), arguments: argumentsOf(block.input) };
  return { id: readText(block.id, `${at}.id`), type: 'function', function: called };
}

function toolMessage(block: Json, at: string): Json {
  if (block.type !== 'tool_result')
    throw new Refused(at, `${at} must stand behind the tool results of its message, as Anthropic asks for`);
  refuseOthers(block, TOOL_RESULT, at, OTHER);
  const parts = contentParts(block.content, `${at}.content`, false);
  const content = block.is_error === true ? failed(parts) : parts;
  return {
    role: 'tool',
    tool_call_id: readText(block.tool_use_id, `${at}.tool_use_id`),
    content: content.length === 0 ? '' : shortest(content),
  };
}

/** OpenAI has no mark for a call that failed: the text must say it. */
function failed(parts: readonly Json[]): readonly Json[] {
  const [first] = parts;
  if (first === undefined) return [{ type: 'text', text: 'Error' }];
  return /^\W*error/i.test(String(first.text))
    ? parts
    : [{ type: 'text', text: `Error: ${String(first.text)}` }, ...parts.slice(1)];
}

/** One text stays a text: some compatible servers know no parts. */
function shortest(parts: readonly Json[]): unknown {
  const [first] = parts;
  return parts.length === 1 && first?.type === 'text' ? first.text : parts;
}
