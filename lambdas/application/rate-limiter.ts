/**
 * Requests and tokens a minute of a group, across all processes: one conditional write on the group's minute, made beside the
 * first hold, so that a request waits for the longer of the two and for no further round trip. Tokens are counted by the
 * request's bound and corrected to what was used.
 */
import type { ConsumerGroup } from '../domain/policy.ts';
import type { Reporter } from './alert-desk.ts';
import { type Persistence, isTransient, persist } from './persistence.ts';
import type { RateCounts, RateLimits, RateMinute, RateStore } from './ports-rates.ts';

const MINUTE_MS = 60_000;
/** How long a minute that was found full refuses without another write. A correction may make room again. */
const FULL_MS = 1_000;
const MOST_REMEMBERED = 10_000;
/** A request waits for its hold anyway, and not longer for this. */
const TRIES = 3;
/** A store that says nothing for so long is away, as for a hold. */
const SILENCE_MS = 3_000;

/** What a group's minute looks like from here, for headers and refusals. */
export interface RateFigures {
  readonly limits: RateLimits;
  readonly counts: RateCounts;
  readonly resetsAtEpochMs: number;
  /** From when it was counted: at most a minute. */
  readonly resetsInMs: number;
}

/** A minute has no room. */
export interface RateRefusal {
  readonly kind: 'refused';
  readonly by: 'requests' | 'tokens';
  readonly askedTokens: number;
  readonly figures: RateFigures;
  /** 1 to 60. */
  readonly retryAfterSeconds: number;
}

export type Admission =
  | { readonly kind: 'admitted'; readonly figures: RateFigures; readonly ticket: RateTicket }
  | RateRefusal
  /** The counters did not answer: fail closed. */
  | { readonly kind: 'unavailable' };

/** What one request was counted as. End it once, with one of the two. Neither throws. */
export interface RateTicket {
  /** The request was sent and used so many tokens. */
  used(tokens: number): Promise<void>;
  /** Nothing was sent: it does not count. */
  unsent(): Promise<void>;
}

interface Full {
  readonly minute: RateMinute;
  readonly counts: RateCounts;
  readonly untilEpochMs: number;
}

export class RateLimiter {
  private readonly store: RateStore;
  private readonly persistence: Persistence;
  private readonly reporter: Pick<Reporter, 'error'>;
  /** By group. */
  private readonly full = new Map<string, Full>();

  constructor(store: RateStore, persistence: Persistence, reporter: Pick<Reporter, 'error'>) {
    this.store = store;
    this.persistence = persistence;
    this.reporter = reporter;
  }

  /**
   * Counts a request of a group that has limits. Never rejects: nobody waits for it while the hold is under way.
   * @param tokens the most that it can use; at most `tokensPerMinute`, since no minute has room for more
   */
  async admit(group: Pick<ConsumerGroup, 'name'>, limits: RateLimits, tokens: number): Promise<Admission> {
    const now = this.persistence.clock.now();
    const minute: RateMinute = { groupId: group.name, startsAtEpochMs: now - (now % MINUTE_MS) };
    const known = this.full.get(group.name);
    if (known !== undefined && known.untilEpochMs > now && known.minute.startsAtEpochMs === minute.startsAtEpochMs) {
      const by = shortOf(limits, known.counts, tokens);
      if (by !== undefined) return refusalOf(by, tokens, figuresOf(limits, known.counts, minute, now));
    }
    try {
      const patience = { ...this.persistence, tries: TRIES, silentUntilEpochMs: now + SILENCE_MS };
      const taken = await persist(() => this.store.takeRate(minute, tokens, limits), patience);
      const figures = figuresOf(limits, taken.counts, minute, now);
      if (taken.ok) return { kind: 'admitted', figures, ticket: this.ticket(minute, limits, tokens) };
      if (this.full.size >= MOST_REMEMBERED) this.full.clear();
      this.full.set(group.name, { minute, counts: taken.counts, untilEpochMs: now + FULL_MS });
      return refusalOf(shortOf(limits, taken.counts, tokens) ?? 'requests', tokens, figures);
    } catch (error) {
      this.tellDefect('a request was not counted, so nothing was sent', error);
      return { kind: 'unavailable' };
    }
  }

  private ticket(minute: RateMinute, limits: RateLimits, tokens: number): RateTicket {
    const counted = limits.tokensPerMinute === undefined ? 0 : tokens;
    return {
      used: (usedTokens) =>
        limits.tokensPerMinute === undefined
          ? Promise.resolve()
          : this.adjust(minute, { requests: 0, tokens: usedTokens - counted }),
      unsent: () => this.adjust(minute, { requests: -1, tokens: -counted }),
    };
  }

  /** Best effort: without it the minute is only fuller than it need be, and the next one is not. */
  private async adjust(minute: RateMinute, change: RateCounts): Promise<void> {
    const over = this.persistence.clock.now() >= minute.startsAtEpochMs + MINUTE_MS;
    if (over || (change.requests === 0 && change.tokens === 0)) return;
    try {
      // Once: a lost answer must not count twice.
      await this.store.adjustRate(minute, change);
      this.full.delete(minute.groupId);
    } catch (error) {
      this.tellDefect('what a request used was not counted', error);
    }
  }

  /** A store that is away is said by what callers get; one that refuses for good is for a person to look at. */
  private tellDefect(problem: string, error: unknown): void {
    if (!isTransient(error)) this.reporter.error(problem, { error: error instanceof Error ? error.name : 'unknown' });
  }
}

/** Which limit has no room for one more request of so many tokens. */
function shortOf(
  { requestsPerMinute, tokensPerMinute }: RateLimits,
  counts: RateCounts,
  tokens: number,
): 'requests' | 'tokens' | undefined {
  if (requestsPerMinute !== undefined && counts.requests >= requestsPerMinute) return 'requests';
  if (tokensPerMinute !== undefined && counts.tokens + tokens > tokensPerMinute) return 'tokens';
  return undefined;
}

function figuresOf(limits: RateLimits, counts: RateCounts, minute: RateMinute, now: number): RateFigures {
  return {
    limits,
    counts,
    resetsInMs: minute.startsAtEpochMs + MINUTE_MS - now,
    resetsAtEpochMs: minute.startsAtEpochMs + MINUTE_MS,
  };
}

function refusalOf(by: RateRefusal['by'], askedTokens: number, figures: RateFigures): RateRefusal {
  return { kind: 'refused', by, askedTokens, figures, retryAfterSeconds: Math.max(1, Math.ceil(figures.resetsInMs / 1_000)) };
}
