/** What callers say in headers, validated and bounded: who they are, tags for reports, what goes on to the provider. */
import type { Limits } from './limits.ts';
import { GatewayError, invalidRequest } from './errors.ts';
import type { RequestHeaders } from './messages.ts';

const USER = /^[A-Za-z0-9._@:+-]+$/;
const TAG_KEY = /^[A-Za-z0-9._-]+$/;
const TAG_VALUE = /^[A-Za-z0-9._:@+/-]*$/;
/** Goes on as it came. */
const FORWARDED: readonly string[] = ['accept', 'anthropic-beta', 'anthropic-version'];
/** Whom the request is for when nobody says. */
export const ANONYMOUS = 'anonymous';

/** @throws GatewayError 431 when the headers are larger than the limit */
export function checkHeaderSize(headers: RequestHeaders, limitBytes: number): void {
  let bytes = 0;
  headers.forEach((value, name) => {
    bytes += name.length + value.length + 4;
  });
  if (bytes > limitBytes) {
    throw new GatewayError({
      status: 431,
      code: 'invalid_request',
      message: `The headers are larger than ${limitBytes} bytes together.`,
    });
  }
}

/**
 * The user a request counts for: the key's own, else the header's claim, else `anonymous`.
 * @throws GatewayError 400 when the header is no name
 */
export function readUser(headers: RequestHeaders, boundUser: string | undefined, limits: Pick<Limits, 'userChars'>): string {
  const claimed = headers.get('x-tollgate-user');
  if (claimed !== null && (!USER.test(claimed) || claimed.length > limits.userChars)) {
    throw invalidRequest(
      `x-tollgate-user must be 1 to ${limits.userChars} characters of A-Z a-z 0-9 . _ @ : + -`,
      'x-tollgate-user',
    );
  }
  return boundUser ?? claimed ?? ANONYMOUS;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]+$/;

/**
 * The name that a client gives a call so that it is made once; undefined where it gives none.
 * @throws GatewayError 400 when it is not 1 to 255 visible ASCII characters
 */
export function readIdempotencyKey(headers: RequestHeaders, limits: Pick<Limits, 'idempotencyKeyChars'>): string | undefined {
  const key = headers.get('idempotency-key');
  if (key === null) return undefined;
  if (!IDEMPOTENCY_KEY.test(key) || key.length > limits.idempotencyKeyChars) {
    throw invalidRequest(
      `Idempotency-Key must be 1 to ${limits.idempotencyKeyChars} visible ASCII characters, such as a UUID.`,
      'idempotency-key',
    );
  }
  return key;
}

/** Keys of every JavaScript object: a report that builds one from tags would trip over them. */
const RESERVED_TAGS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** @throws GatewayError 400 when the header is not `key=value,key2=value2` within the limits */
export function readTags(headers: RequestHeaders, limits: Limits): Readonly<Record<string, string>> | undefined {
  const text = headers.get('x-tollgate-tags');
  if (text === null || text.trim() === '') return undefined;
  const bad = (why: string): Error =>
    invalidRequest(`x-tollgate-tags ${why}. Write it as feature=search,case=17.`, 'x-tollgate-tags');
  if (text.length > limits.tagsBytes) throw bad(`is longer than ${limits.tagsBytes} bytes`);
  const pairs = text.split(',').map((pair) => pair.trim());
  if (pairs.length > limits.tags) throw bad(`has more than ${limits.tags} tags`);
  const tags = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, Math.max(0, at));
    const value = pair.slice(at + 1);
    if (!TAG_KEY.test(key) || key.length > limits.tagKeyChars)
      throw bad('has a tag whose key is missing, too long or has other characters');
    if (!TAG_VALUE.test(value) || value.length > limits.tagValueChars)
      throw bad(`has a value for ${key} that is too long or has other characters`);
    if (RESERVED_TAGS.has(key)) throw bad(`has a tag '${key}', a name that programs keep for themselves`);
    if (tags.has(key)) throw bad(`names ${key} twice`);
    tags.set(key, value);
  }
  return Object.fromEntries(tags);
}

/** The caller's headers that a provider gets. */
export function forwardedHeaders(headers: RequestHeaders): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const name of FORWARDED) {
    const value = headers.get(name);
    if (value !== null) out[name] = value;
  }
  return out;
}

const PASSED_EXACTLY: ReadonlySet<string> = new Set(['content-type', 'content-encoding', 'retry-after']);
const PASSED_PREFIXES: readonly string[] = ['x-ratelimit-', 'openai-', 'anthropic-ratelimit-'];

/** The provider's headers that a caller gets: never cookies, lengths or what belongs to one hop. The bytes
 * go on as they came, so a provider that compresses without being asked keeps its encoding's name. */
export function passedHeaders(headers: ReadonlyMap<string, string>): Map<string, string> {
  const out = new Map<string, string>();
  for (const [name, value] of headers) {
    if (PASSED_EXACTLY.has(name) || PASSED_PREFIXES.some((prefix) => name.startsWith(prefix))) out.set(name, value);
  }
  return out;
}
