/**
 * Who calls: the key from `Authorization: Bearer` or `x-api-key`, looked up by its SHA-256. A key that cannot be one of this stage's is
 * refused without a look-up; every answer of the store, found or not, is believed for a minute at most.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ApiKey, Clock, KeyStore } from '../application/ports.ts';
import { parseApiKey } from '../domain/api-keys.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import { GatewayError } from './errors.ts';
import type { RequestHeaders } from './messages.ts';

export interface Caller {
  readonly group: ConsumerGroup;
  readonly keyId: string;
  /** The user that the key is bound to. */
  readonly user?: string;
}

interface CachedKey {
  readonly key: Promise<ApiKey | undefined>;
  readonly atEpochMs: number;
}

const MAX_KEY_CHARS = 256;

/** Tells callers by their keys. */
export class Authenticator {
  private readonly keys: KeyStore;
  private readonly clock: Clock;
  private readonly maxAgeMs: number;
  private readonly cache: LRUCache<string, CachedKey>;

  constructor(keys: KeyStore, clock: Clock, limits: { readonly keyAgeMs: number; readonly keysCached: number }) {
    this.keys = keys;
    this.clock = clock;
    this.maxAgeMs = limits.keyAgeMs;
    this.cache = new LRUCache({ max: limits.keysCached });
  }

  /** @throws GatewayError 401 for a key that is missing, unknown, revoked, expired or another stage's */
  async authenticate(headers: RequestHeaders, policy: Policy): Promise<Caller> {
    const key = presentedKey(headers);
    const sha256 = hash('sha256', key);
    const ofPolicy = groupByHash(policy, sha256);
    if (ofPolicy !== undefined) return { group: ofPolicy, keyId: sha256.slice(0, 12) };
    checkFormat(key, policy.stage);
    const stored = await this.find(sha256);
    const now = this.clock.now();
    if (stored === undefined || stored.revokedEpochMs !== undefined)
      throw unauthorized('This API key is unknown or was revoked.');
    if (stored.expiresEpochMs !== undefined && stored.expiresEpochMs <= now) throw unauthorized('This API key has expired.');
    const group = policy.consumerGroups.find((candidate) => candidate.name === stored.group);
    if (group === undefined) throw unauthorized('The group of this API key is no longer in the policy.');
    return { group, keyId: stored.id, user: stored.user };
  }

  private async find(sha256: string): Promise<ApiKey | undefined> {
    const now = this.clock.now();
    let cached = this.cache.get(sha256);
    if (cached === undefined || now - cached.atEpochMs >= this.maxAgeMs) {
      cached = { key: this.keys.find(sha256), atEpochMs: now };
      this.cache.set(sha256, cached);
    }
    try {
      return await cached.key;
    } catch {
      this.cache.delete(sha256);
      throw new GatewayError({
        status: 503,
        code: 'ledger_unavailable',
        message: 'API keys could not be checked, so nothing was sent. Try again in a second.',
        headers: { 'retry-after': '1' },
      });
    }
  }
}

function presentedKey(headers: RequestHeaders): string {
  const authorization = headers.get('authorization');
  const bearer = authorization === null ? undefined : /^Bearer +([^\s]+)$/i.exec(authorization.trim())?.[1];
  if (authorization !== null && bearer === undefined) throw unauthorized('Send your API key as Authorization: Bearer KEY.');
  const apiKey = headers.get('x-api-key')?.trim() || undefined;
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw unauthorized('Authorization and x-api-key hold different keys: send one of them.');
  }
  const key = bearer ?? apiKey;
  if (key === undefined || key === '')
    throw unauthorized('No API key was sent. Send it as Authorization: Bearer KEY or as x-api-key.');
  if (key.length > MAX_KEY_CHARS) throw unauthorized('This is no API key of this gateway.');
  return key;
}

function checkFormat(key: string, stage: string): void {
  const parsed = parseApiKey(key);
  if (parsed.kind === 'malformed') throw unauthorized('This API key is incomplete or mistyped: its checksum does not fit.');
  // A key that was imported has its own form: the store knows it by its hash, or nobody does.
  if (parsed.kind === 'foreign') return;
  if (parsed.stage !== stage) throw unauthorized(`This API key is for stage ${parsed.stage}, and this is stage ${stage}.`);
}

/** Plaintext keys of a local stage's file. Every hash is compared, so that time tells nothing. */
function groupByHash(policy: Policy, sha256: string): ConsumerGroup | undefined {
  const presented = Buffer.from(sha256, 'hex');
  let found: ConsumerGroup | undefined;
  for (const group of policy.consumerGroups) {
    if (group.apiKeySha256 === undefined) continue;
    const known = Buffer.from(group.apiKeySha256, 'hex');
    if (known.length === presented.length && timingSafeEqual(known, presented)) found = group;
  }
  return found;
}

function unauthorized(message: string): GatewayError {
  return new GatewayError({ status: 401, code: 'invalid_api_key', type: 'invalid_request_error', message });
}
