/**
 * What the application asks of the outside: a store for the ledger, a clock, ids, alerts, keys, the policy.
 * Adapters implement these; the simulator and the tests do too. Nothing here knows a database.
 */
import type { Alert } from '../domain/alerts.ts';
import type { Entry, EntryStatus } from '../domain/entries.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { Policy } from '../domain/policy.ts';
import type { Chain, DryMark, Hold, LaneId, LaneState, Pot, PotKey, PotState } from '../domain/pots.ts';

export interface Clock {
  /** Epoch ms. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** Characters of 0–9A–Za-z from a cryptographic source. */
  id(length: number): string;
}

/** A stable fingerprint of a text, 16 characters of URL-safe base 64 (96 bits of SHA-256). */
export type Fingerprint = (text: string) => string;

export interface PolicySource {
  /** The policy in force. Cached; never older than 60 s; the last good one when a new one is broken. */
  current(): Promise<Policy>;
}

/* ---------------------------------------------------------------- the ledger's store */

/** The operation did not happen and may be tried again: a conflict with another writer, or throttling. */
export class NotAppliedError extends Error {
  readonly code = 'not_applied';
  /** Nothing answered at all: no connection. */
  readonly unreachable: boolean;
  constructor(message: string, options?: ErrorOptions & { readonly unreachable?: boolean }) {
    super(message, options);
    this.name = 'NotAppliedError';
    this.unreachable = options?.unreachable ?? false;
  }
}

/** Nobody knows whether the operation happened: a timeout, a lost connection, a server error. */
export class UnknownOutcomeError extends Error {
  readonly code = 'unknown_outcome';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnknownOutcomeError';
  }
}

/**
 * A pot as an operation needs it: `roomFor` decides the condition.
 * - wallet, enforced: `available >= amount`; not enforced: no condition
 * - limit with `hardLimitNanoUsd`: `committed <= hardLimit − amount` or absent; without: no condition
 */
export type PotTerm = Pick<Pot, 'key' | 'kind' | 'enforced' | 'hardLimitNanoUsd' | 'window'>;

export interface ReserveRequest {
  readonly lane: LaneId;
  readonly hid: string;
  readonly estimateNanoUsd: NanoUsd;
  /** Pots of the user; empty for most requests. Makes the reserve a transaction and the hold a longer one. */
  readonly direct: readonly PotTerm[];
  readonly nowEpochMs: number;
}

export type ReserveOutcome =
  /** `lane` is the lane after it; absent when the reserve was a transaction. */
  | { readonly ok: true; readonly lane?: LaneState }
  | { readonly ok: false; readonly reason: 'no_lane' }
  /** `short`: too little idle money. `full`: 16 holds. `duplicate`: this hid already holds. */
  | { readonly ok: false; readonly reason: 'short' | 'full' | 'duplicate'; readonly lane: LaneState }
  | { readonly ok: false; readonly reason: 'direct'; readonly pot: PotKey; readonly state: PotState };

export interface GrantRequest {
  readonly lane: LaneId;
  readonly chain: Chain;
  /** Wallet first, then the limits; the order of `chain`. */
  readonly pots: readonly PotTerm[];
  readonly amountNanoUsd: NanoUsd;
  /** Unflushed spend seen in the lane that rides along; 0 for none. */
  readonly flushNanoUsd: NanoUsd;
  readonly nowEpochMs: number;
  /** Only for a lane that does not exist yet (the next window's lanes, granted before it begins). */
  readonly onlyIfNew?: boolean;
}

export type GrantOutcome =
  | { readonly ok: true }
  /** A pot has no room. `state` undefined: it does not exist (a wallet never funded). */
  | { readonly ok: false; readonly reason: 'pot'; readonly pot: PotKey; readonly state?: PotState }
  /** The flush does not fit what the lane now has, or `onlyIfNew` met a lane. */
  | { readonly ok: false; readonly reason: 'lane'; readonly lane?: LaneState };

export interface SettleRequest {
  readonly lane: LaneId;
  readonly hid: string;
  readonly hold: Hold;
  readonly chargeNanoUsd: NanoUsd;
}

/** ok: applied now (`lane` after it, absent for a transaction). Not ok: the hold was gone, so it is settled already. */
export type SettleOutcome = { readonly ok: true; readonly lane?: LaneState } | { readonly ok: false };

export interface LateRequest {
  readonly hid: string;
  /** The entry's status and charge as read; the flip happens only from there. */
  readonly seen: Pick<Entry, 'status' | 'chargeNanoUsd'>;
  readonly chargeNanoUsd: NanoUsd;
  /** What the provider billed above the estimate. */
  readonly lossNanoUsd: NanoUsd;
  readonly lane: LaneId;
  readonly chain: readonly PotTerm[];
  readonly walletId: string;
  readonly groupId: string;
  readonly providerId: string;
  readonly direct: readonly PotTerm[];
  /** Replaces the entry's detail: the late answer knows more than the keeper did. */
  readonly detail?: Entry['detail'];
  readonly nowEpochMs: number;
}

export type LateOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'pot'; readonly pot: PotKey }
  /** Somebody else flipped the entry: done. */
  | { readonly ok: false; readonly reason: 'flipped' };

/** A lane whose watch list brings the keeper to a pot that is in no lane. */
export interface WatchOn {
  readonly lane: LaneId;
  readonly chain: Chain;
}

export type TopUpOutcome =
  | { readonly applied: true; readonly wallet?: PotState }
  /** The id was used before. `amountNanoUsd` is what it moved then (negative: a withdrawal). */
  | { readonly applied: false; readonly reason: 'repeated'; readonly amountNanoUsd: NanoUsd; readonly walletId: string }
  /** Withdrawal only: less than that is free. */
  | { readonly applied: false; readonly reason: 'short'; readonly availableNanoUsd: NanoUsd };

export interface TopUpRecord {
  readonly id: string;
  readonly walletId: string;
  /** Negative: a withdrawal. */
  readonly amountNanoUsd: NanoUsd;
  readonly atEpochMs: number;
}

/**
 * Every movement of money, each atomic. All throw NotAppliedError (try again) and UnknownOutcomeError; a condition
 * that fails is an outcome, never an error. The adapter sends each call once: retrying is the application's.
 * @see docs/architecture.md for the invariants
 */
export interface LedgerStore {
  /** Missing pots are absent from the answer. */
  readPots(keys: readonly PotKey[], options?: { readonly consistent?: boolean }): Promise<ReadonlyMap<PotKey, PotState>>;
  readLane(lane: LaneId, options?: { readonly consistent?: boolean }): Promise<LaneState | undefined>;
  readLanes(lanes: readonly LaneId[]): Promise<readonly LaneState[]>;
  /** Strongly consistent. */
  readEntry(hid: string): Promise<Entry | undefined>;
  /** Open lanes of a wallet, group or provider, from an index that may lag. */
  lanesOf(index: 'wallet' | 'group' | 'provider', id: string): Promise<readonly LaneId[]>;
  /** All open lanes, page by page. */
  openLanes(): AsyncIterable<readonly LaneId[]>;

  /** Takes `estimate` from the lane (and each user pot) into a new hold. One physical send. */
  reserve(request: ReserveRequest): Promise<ReserveOutcome>;
  /** Takes `amount` from every pot of the chain into the lane, creating it when needed, and flushes. */
  grant(request: GrantRequest): Promise<GrantOutcome>;
  /** Gives idle money back from the lane to its pots. False: the lane has less, or is gone. */
  giveBack(lane: LaneState, amountNanoUsd: NanoUsd): Promise<boolean>;
  /** Puts the entry if none is there. Otherwise tells what is there. */
  putEntry(entry: Entry): Promise<{ readonly ok: true } | { readonly ok: false; readonly existing: Entry }>;
  /** Ends a hold at its charge; the rest is idle again, and its user pots are watched. Never before its entry is acknowledged. */
  settle(request: SettleRequest): Promise<SettleOutcome>;
  /**
   * The keeper's end of a hold without an entry: puts `entry` (RELEASED at 0 or ESTIMATED at the estimate) and ends the
   * hold in one step. False: the hold is gone or an entry came; look again.
   */
  expire(lane: LaneId, hold: Hold, entry: Entry): Promise<boolean>;
  /** A true cost that came after expiry: charges or refunds the difference past the old lane, and flips the entry. */
  late(request: LateRequest): Promise<LateOutcome>;
  /** Marks a late cost that no pot could pay: entry LOST with the difference as loss. False: flipped already. */
  lose(hid: string, seen: EntryStatus, lossNanoUsd: NanoUsd): Promise<boolean>;
  /** Moves unflushed spend of up to 25 lanes of one chain into `settled` of its pots. False: a lane has less. */
  flush(lanes: readonly { readonly lane: LaneState; readonly amountNanoUsd: NanoUsd }[]): Promise<boolean>;
  /**
   * Takes entries off a lane's watch list, once their alerts were told; not while spend came in that nobody flushed since, nor when
   * the lane was used since: a late copy of this call must not take off what was put on later.
   */
  unwatch(lane: LaneId, watched: readonly string[], lastUseEpochMs: number): Promise<void>;
  /** Deletes a lane that is empty, watches no pot and was not used since. False: it is not. */
  closeLane(lane: LaneId, lastUseEpochMs: number): Promise<boolean>;
  /** Doubles the chain's lane count, on lane 0, from what was seen. False: somebody did. */
  growLanes(lane0: LaneId, from: number): Promise<boolean>;
  /** Spares other processes a recall that would free nothing. Does nothing to a pot that does not exist. */
  markDry(pot: PotKey, mark: DryMark): Promise<void>;

  /**
   * Raises an alert marker as PENDING once. With `ifSettledNanoUsd`, only when that much is settled. False: it stands already (or is not
   * reached). Creates the pot when it does not exist (a refusal may come before any spend). With `watchOn` the alert goes on that
   * lane's watch list in the same step, and the lane is made when it is not there.
   */
  raiseMarker(pot: PotTerm, marker: string, nowEpochMs: number, ifSettledNanoUsd?: NanoUsd, watchOn?: WatchOn): Promise<boolean>;
  /** PENDING → SENT, or a silent SENT for a percent that was already passed before a raised limit. */
  sendMarker(pot: PotKey, marker: string, nowEpochMs: number): Promise<void>;
  noteLimit(pot: PotKey, limitNanoUsd: NanoUsd): Promise<void>;

  /** Adds money once per id; a negative amount withdraws free money once per id. */
  topUp(record: TopUpRecord): Promise<TopUpOutcome>;

  /** Everything, for reconciliation: page by page, in no order, strongly consistent. */
  allPots(): AsyncIterable<readonly PotState[]>;
  allLanes(): AsyncIterable<readonly LaneState[]>;
  allEntries(): AsyncIterable<readonly Entry[]>;
  allTopUps(): AsyncIterable<readonly TopUpRecord[]>;
}

/* ---------------------------------------------------------------- alerts, keys, secrets */

export interface AlertPublisher {
  /** At least once; receivers dedupe by `alertId`. @throws when it was not accepted */
  publish(alert: Alert): Promise<void>;
}

export interface AlertLog {
  /** Keeps an alert once per `alertId`; a repeat counts a delivery. */
  record(alert: Alert): Promise<void>;
  /** Newest first. */
  list(limit: number): Promise<readonly Alert[]>;
}

/** An API key as stored: never the key, only its SHA-256. */
export interface ApiKey {
  /** First 12 hex digits of the hash: what people call it. */
  readonly id: string;
  readonly sha256: string;
  readonly group: string;
  /** The user that it is bound to. */
  readonly user?: string;
  readonly note?: string;
  readonly createdEpochMs: number;
  readonly expiresEpochMs?: number;
  readonly revokedEpochMs?: number;
}

export interface KeyStore {
  find(sha256: string): Promise<ApiKey | undefined>;
  /** False: a key with this hash exists. */
  create(key: ApiKey): Promise<boolean>;
  /** False: no such key. Revoking twice keeps the first time. */
  revoke(id: string, nowEpochMs: number): Promise<boolean>;
  list(): Promise<readonly ApiKey[]>;
}

export interface SecretSource {
  /** The credential's value; undefined when it is not set (a local stage then simulates the provider). */
  find(name: string): Promise<string | undefined>;
  /** A provider did not take that value: unless another one is known by now, the next `find` looks again. */
  refused?(name: string, value: string): void;
}
