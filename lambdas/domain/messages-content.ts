/**
 * What stands in the messages of Anthropic's Messages API. Text is bounded by its bytes, images by their own bound; what
 * neither bounds (pages of a PDF, files by id, what tools of the provider found) is refused by name.
 */
import { Refused, isObject, printable } from './field-checks.ts';
import { MediaCount, isBase64 } from './media-bounds.ts';
import type { CacheWrites } from './prices.ts';

/**
 * The most that an image counts for a Claude model: it is scaled into 2,576 px on its long edge and 4,784 tokens of 28 by
 * 28 px (1,568 of both on older models), and then padded to whole tokens.
 * @see https://platform.claude.com/docs/en/build-with-claude/vision (2026-11-24)
 */
export const MAX_CLAUDE_IMAGE_TOKENS = 5_000;

/** What is counted while a request is read. */
export interface ContentCount {
  readonly media: MediaCount;
  /** Tokens that the provider adds by itself for what the request asks. */
  addedTokens: number;
  /** The dearest that the request asks for. */
  cacheWrites: CacheWrites;
  readonly unlisted: Set<string>;
}

/** Nothing counted yet. */
export function newContentCount(): ContentCount {
  return { media: new MediaCount(), addedTokens: 0, cacheWrites: 'none', unlisted: new Set() };
}

const ROLES: ReadonlySet<unknown> = new Set(['user', 'assistant', 'system']);

/** The fields of every block that is accepted, beside `type`. */
const BLOCK_FIELDS: Readonly<Record<string, readonly string[]>> = {
  document: ['cache_control', 'citations', 'context', 'source', 'title'],
  image: ['cache_control', 'source', 'transformations'],
  redacted_thinking: ['data'],
  search_result: ['cache_control', 'citations', 'content', 'source', 'title'],
  text: ['cache_control', 'citations', 'text'],
  thinking: ['signature', 'thinking'],
  tool_result: ['cache_control', 'content', 'is_error', 'tool_use_id', 'toolset_name'],
  tool_use: ['cache_control', 'caller', 'id', 'input', 'name', 'toolset_name'],
};

const SOURCE_REFUSED: Readonly<Record<string, string>> = {
  base64: 'the text of a PDF is compressed, so its bytes do not bound it; send its text, or its pages as images',
  file: 'nobody here knows what the file holds; send it in the request',
  url: 'nobody here knows what the document holds; send its text, or its pages as images',
};

/** @throws Refused */
export function readMessages(messages: unknown, count: ContentCount): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new Refused('messages', 'messages must be a list with at least one message');
  for (const [index, message] of (messages as readonly unknown[]).entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) throw new Refused(at, `${at} must be an object`);
    if (!ROLES.has(message.role)) throw new Refused(`${at}.role`, `${at}.role must be user, assistant or system`);
    for (const name of Object.keys(message))
      if (name !== 'role' && name !== 'content') count.unlisted.add(`messages[].${printable(name)}`);
    readContent(message.content, `${at}.content`, count);
  }
}

/** @throws Refused */
export function readSystem(system: unknown, count: ContentCount): void {
  if (system !== undefined && system !== null) readContent(system, 'system', count);
}

/** Notes what a cache write of this block would cost. @throws Refused */
export function readCacheControl(control: unknown, at: string, count: ContentCount): void {
  if (control === undefined || control === null) return;
  const ttl = isObject(control) && control.type === 'ephemeral' ? (control.ttl ?? '5m') : undefined;
  if (ttl !== '5m' && ttl !== '1h') throw new Refused(at, `${at} may be {"type":"ephemeral"} with a ttl of 5m or 1h`);
  if (ttl === '1h') count.cacheWrites = 'hour';
  else if (count.cacheWrites === 'none') count.cacheWrites = 'minutes';
}

function readContent(content: unknown, at: string, count: ContentCount): void {
  if (typeof content === 'string') return;
  if (!Array.isArray(content)) throw new Refused(at, `${at} must be a text or a list of blocks`);
  for (const [index, block] of (content as readonly unknown[]).entries()) readBlock(block, `${at}[${index}]`, count);
}

function readBlock(block: unknown, at: string, count: ContentCount): void {
  if (!isObject(block) || typeof block.type !== 'string') throw new Refused(at, `${at} must be an object with a type`);
  const { type } = block;
  const fields = Object.hasOwn(BLOCK_FIELDS, type) ? BLOCK_FIELDS[type] : undefined;
  if (fields === undefined) {
    const accepted = Object.keys(BLOCK_FIELDS).join(', ');
    throw new Refused(
      `${at}.type`,
      `a block of type ${printable(type)} has no bound and is not accepted; these have: ${accepted}`,
    );
  }
  for (const name of Object.keys(block))
    if (name !== 'type' && !fields.includes(name)) count.unlisted.add(`${type}.${printable(name)}`);
  readCacheControl(block.cache_control, `${at}.cache_control`, count);
  if (type === 'text' && typeof block.text !== 'string') throw new Refused(`${at}.text`, `${at}.text must be a text`);
  if (type === 'image') readImage(block.source, `${at}.source`, count);
  if (type === 'document') readDocument(block.source, `${at}.source`, count);
  if (type === 'document' || type === 'search_result') refuseCitations(block.citations, `${at}.citations`);
  if (type === 'search_result') readContent(block.content, `${at}.content`, count);
  if (type === 'tool_result' && block.content !== undefined && block.content !== null)
    readContent(block.content, `${at}.content`, count);
}

function readImage(source: unknown, at: string, count: ContentCount): void {
  if (isObject(source) && source.type === 'base64' && typeof source.data === 'string') {
    if (typeof source.media_type !== 'string' || !source.media_type.startsWith('image/'))
      throw new Refused(`${at}.media_type`, `${at}.media_type must be that of an image`);
    if (!isBase64(source.data)) throw new Refused(`${at}.data`, `${at}.data must be base64 and nothing else`);
    count.media.addImage(MAX_CLAUDE_IMAGE_TOKENS, source.data);
  } else if (isObject(source) && source.type === 'url' && typeof source.url === 'string') {
    count.media.addImage(MAX_CLAUDE_IMAGE_TOKENS);
  } else {
    throw new Refused(at, `${at} may be an image as base64 or by url: any other has no bound`);
  }
}

function readDocument(source: unknown, at: string, count: ContentCount): void {
  if (isObject(source) && source.type === 'text' && typeof source.data === 'string') return;
  if (isObject(source) && source.type === 'content') {
    readContent(source.content, `${at}.content`, count);
    return;
  }
  const type = isObject(source) && typeof source.type === 'string' ? source.type : '';
  const why = Object.hasOwn(SOURCE_REFUSED, type) ? SOURCE_REFUSED[type] : 'only text and content have a bound';
  throw new Refused(`${at}.type`, `a document of this source is not accepted: ${why}`);
}

function refuseCitations(citations: unknown, at: string): void {
  if (isObject(citations) && citations.enabled === true)
    throw new Refused(at, `${at} may not be enabled: the provider cuts the text into numbered pieces, and how many has no bound`);
}
