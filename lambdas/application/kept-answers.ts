/**
 * Answers that are given again: under a client's Idempotency-Key, where the key is claimed before any money is held and only the
 * request that has the claim is ever sent, and under the request itself, where a route has a cache.
 */
import type { ConsumerGroup, Policy, Route } from '../domain/policy.ts';
import type { Api } from '../domain/protocols/api.ts';
import type { Reporter } from './alert-desk.ts';
import { type Persistence, isTransient, persist } from './persistence.ts';
import type { AnswerKey, AnswerStore, ClaimRequest, Sha256, StoredAnswer } from './ports-answers.ts';

/** How long an answer stands under a client's key. */
export const KEPT_FOR_MS = 24 * 3_600_000;
/**
 * A call is over when its provider's deadline is, and what is written about it within a minute. The other five are for clocks that
 * differ: whoever is told that an answer is lost pays for another one.
 */
const LEASE_MARGIN_MS = 6 * 60_000;
const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2_000;
/** A request waits for its hold anyway, and not much longer for this. */
const TRIES = 3;
/** A store that says nothing for so long is away, as for a hold. */
const SILENCE_MS = 3_000;

/** What names a request. */
export interface KeptRequest {
  readonly api: Pick<Api, 'path'>;
  readonly policy: Policy;
  readonly group: Pick<ConsumerGroup, 'name' | 'maxOutputTokens'>;
  readonly body: Uint8Array;
  /** Those that go on to the provider: they may change what it answers. */
  readonly headers: Readonly<Record<string, string>>;
}

export type ClaimRefusalCode =
  | 'idempotency_conflict'
  | 'idempotency_in_flight'
  | 'idempotency_answer_lost'
  /** Nobody knows who has the key, so nothing is sent. */
  | 'ledger_unavailable';

export type Claimed =
  | { readonly kind: 'mine'; readonly claim: OpenClaim }
  | { readonly kind: 'kept'; readonly answer: StoredAnswer }
  | { readonly kind: 'refused'; readonly code: ClaimRefusalCode };

/** The right to send the one request of a key. End it once, with one of the two. Neither rejects. */
export interface OpenClaim {
  /** It cost something: repeats get the answer, or are told that there is none. */
  finish(answer: StoredAnswer | undefined): Promise<void>;
  /** It cost nothing: a repeat runs anew. */
  release(): Promise<void>;
}

export class KeptAnswers {
  private readonly store: AnswerStore;
  private readonly persistence: Persistence;
  private readonly sha256: Sha256;
  private readonly reporter: Reporter;

  constructor(store: AnswerStore, persistence: Persistence, sha256: Sha256, reporter: Reporter) {
    this.store = store;
    this.persistence = persistence;
    this.sha256 = sha256;
    this.reporter = reporter;
  }

  /**
   * Claims a client's key for a request, or finds what became of the request that had it first, which is waited for.
   * @param waitMs the longest wait for a request in flight
   */
  async claim(request: KeptRequest, clientKey: string, waitMs: number): Promise<Claimed> {
    const { clock, random } = this.persistence;
    const sha256 = this.sha256(utf8(`${request.api.path}\n${clientKey}`));
    const key: AnswerKey = { kind: 'once', groupId: request.group.name, sha256 };
    const requestSha256 = this.sha256(request.body);
    const owner = random.id(16);
    const leaseMs = Math.max(0, ...request.policy.providers.map(({ timeoutMs }) => timeoutMs.total)) + LEASE_MARGIN_MS;
    const giveUpAtEpochMs = clock.now() + waitMs;
    for (let look = 0; ; look += 1) {
      const now = clock.now();
      const times = { nowEpochMs: now, leaseUntilEpochMs: now + leaseMs, expiresAtEpochMs: now + KEPT_FOR_MS };
      const wanted: ClaimRequest = { key, requestSha256, owner, ...times };
      const found = await this.look(wanted);
      if (found === undefined) return { kind: 'refused', code: 'ledger_unavailable' };
      if (found.kind === 'claimed') return { kind: 'mine', claim: this.open(wanted) };
      if (found.requestSha256 !== requestSha256) return { kind: 'refused', code: 'idempotency_conflict' };
      if (found.kind === 'done') return { kind: 'kept', answer: found.answer };
      // A process that died left the lease behind, and its hold to the keeper.
      if (found.kind === 'lost' || clock.now() >= found.leaseUntilEpochMs)
        return { kind: 'refused', code: 'idempotency_answer_lost' };
      if (clock.now() >= giveUpAtEpochMs) return { kind: 'refused', code: 'idempotency_in_flight' };
      await clock.sleep(Math.min(LONGEST_LOOK_MS, FIRST_LOOK_MS * 2 ** look));
    }
  }

  /** What a route's answers are kept under: everything that could change the answer. Users of a group share them. */
  cacheKey(request: KeptRequest, route: Route): AnswerKey {
    const { api, group, headers, body, policy } = request;
    const targets = route.targets.map(({ provider, model }) => {
      const at = policy.providers.find(({ name }) => name === provider);
      return [provider, model, at?.baseUrl, at?.protocol];
    });
    const named = [api.path, route.model, targets, group.maxOutputTokens, headers, this.sha256(body)];
    return { kind: 'cache', groupId: group.name, sha256: this.sha256(utf8(JSON.stringify(named))) };
  }

  /** Undefined where there is none in force, and where the store does not answer: the call is made then. */
  async findCached(key: AnswerKey, ttlMs: number): Promise<StoredAnswer | undefined> {
    const now = this.persistence.clock.now();
    try {
      const kept = await persist(() => this.store.findAnswer(key, now), this.shortly());
      // By the policy in force, which may have become stricter since.
      return kept !== undefined && kept.atEpochMs + ttlMs > now ? kept : undefined;
    } catch (error) {
      this.reporter.warn('the cache was not read', { error: nameOf(error) });
      return undefined;
    }
  }

  /** Never rejects: an answer that is not kept is made again. */
  async keepCached(key: AnswerKey, answer: StoredAnswer, ttlMs: number): Promise<void> {
    const version = this.persistence.random.id(16);
    await this.quietly('an answer was not cached', () => this.store.keepAnswer(key, answer, version, answer.atEpochMs + ttlMs));
  }

  private async look(wanted: ClaimRequest) {
    try {
      return await persist(() => this.store.claimAnswer(wanted), this.shortly());
    } catch (error) {
      if (!isTransient(error)) throw error;
      // The claim may stand all the same: without this a repeat would wait for a request that never was.
      await this.store.releaseClaim(wanted).catch(() => undefined);
      return undefined;
    }
  }

  /** How long a caller is kept waiting for the store. */
  private shortly(): Persistence {
    const { clock } = this.persistence;
    return { ...this.persistence, tries: TRIES, silentUntilEpochMs: clock.now() + SILENCE_MS };
  }

  private open(claim: ClaimRequest): OpenClaim {
    return {
      finish: (answer) => this.quietly('an answer was not kept', () => this.store.endClaim(claim, answer)),
      release: () => this.quietly('a claim was not given back', () => this.store.releaseClaim(claim)),
    };
  }

  /** What cannot be written leaves the claim open: its repeats are told so, and nothing is sent or charged again. */
  private async quietly(problem: string, write: () => Promise<void>): Promise<void> {
    try {
      await persist(write, this.persistence);
    } catch (error) {
      this.reporter.error(problem, { error: nameOf(error) });
    }
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
