/** What the application asks of the counters behind `rate_limits`: one conditional write a request, all or nothing. */

/** A group's minute on the clock: each has counters of its own, so nothing is ever reset. */
export interface RateMinute {
  readonly groupId: string;
  /** Epoch ms of a whole minute. */
  readonly startsAtEpochMs: number;
}

/** Most requests and tokens of one minute; absent: no limit. */
export interface RateLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** What was counted in a minute. */
export interface RateCounts {
  readonly requests: number;
  readonly tokens: number;
}

/** `counts` after it was taken, or as they stand when it does not fit. */
export interface RateTaken {
  readonly ok: boolean;
  readonly counts: RateCounts;
}

/** Throws NotAppliedError and UnknownOutcomeError as the ledger's store does. */
export interface RateStore {
  /** Counts one request and its tokens, if both fit. `tokens` is never more than the limit. */
  takeRate(minute: RateMinute, tokens: number, limits: RateLimits): Promise<RateTaken>;
  /** Corrects what was counted: the true tokens of an answer, or all of it for a request that was never sent. */
  adjustRate(minute: RateMinute, change: RateCounts): Promise<void>;
}
