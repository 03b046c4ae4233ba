/** The ledger entry: the audit record of one physical send, written ahead of its settlement. */
import type { NanoUsd } from './money.ts';
import type { LaneId, PotKey } from './pots.ts';
import type { Usage } from './prices.ts';

/**
 * FINAL: the handler's charge. VOID: never sent, charge 0. RELEASED / ESTIMATED: the keeper's, for a hold whose
 * outcome never came. LATE: an outcome that came after that. LOST: the part of it that no pot could pay.
 */
export type EntryStatus = 'FINAL' | 'VOID' | 'RELEASED' | 'ESTIMATED' | 'LATE' | 'LOST';

export interface Entry {
  /** Names the hold: one per physical reserve call, never used twice. */
  readonly hid: string;
  readonly status: EntryStatus;
  /** min(actual, estimate). */
  readonly chargeNanoUsd: NanoUsd;
  /** What the provider billed above the estimate, or what no pot could pay when it came late. */
  readonly lossNanoUsd: NanoUsd;
  readonly estimateNanoUsd: NanoUsd;
  readonly lane: LaneId;
  readonly chain: readonly PotKey[];
  readonly direct: readonly PotKey[];
  /** When it was written, epoch ms: reports use it. */
  readonly atEpochMs: number;
  readonly detail: EntryDetail;
}

/** What a call was for. */
export const PURPOSES = ['traffic', 'evaluation', 'cached', 'replayed'] as const;

/** What people and reports want to know of a call. All optional: an entry that the keeper writes knows little. */
export interface EntryDetail {
  readonly requestId?: string;
  readonly group?: string;
  readonly user?: string;
  readonly keyId?: string;
  readonly route?: string;
  /** The route that was asked for, where a budget near its limit led to `route`. */
  readonly reroutedFrom?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly attempt?: number;
  readonly usage?: Usage;
  /** The usage was not reported and is an upper bound from the bytes seen, or the outcome is unknown. */
  readonly estimated?: boolean;
  /** `ok`, or why it cost what it did: `refused_by_provider`, `connect_failed`, `timeout`, `reset`, `void`, `expired`. */
  readonly outcome?: string;
  /** `replayed`, `cached`: an answer given again, under a client's key or from a route's cache. Nothing was sent. */
  readonly purpose?: (typeof PURPOSES)[number];
  readonly tags?: Readonly<Record<string, string>>;
  /** Names of request fields that the gateway does not know and passed on. */
  readonly unlistedFields?: readonly string[];
}

const SHARDS = 16;

/** Seconds since the epoch at which the keeper may decide the hold. @throws RangeError on a malformed id */
export function holdExpiryEpochSeconds(hid: string): number {
  const seconds = /^[0-9a-z]{1,9}-[0-9A-Za-z]{9,}$/.test(hid) ? Number.parseInt(hid.slice(0, hid.indexOf('-')), 36) : Number.NaN;
  if (!Number.isSafeInteger(seconds)) throw new RangeError(`'${hid}' is no hold id`);
  return seconds;
}

/** A hold id: the expiry in base 36, then at least 9 random characters. */
export function makeHoldId(expiresAtEpochSeconds: number, random: string): string {
  return `${expiresAtEpochSeconds.toString(36)}-${random}`;
}

/** Where an entry lies: its day (UTC, of the hold's expiry) and shard. Every writer computes the same. */
export function entryPartition(hid: string): { readonly date: string; readonly shard: number } {
  const date = new Date(holdExpiryEpochSeconds(hid) * 1000).toISOString().slice(0, 10);
  let hash = 0;
  for (let i = 0; i < hid.length; i += 1) hash = (Math.imul(hash, 31) + hid.charCodeAt(i)) >>> 0;
  return { date, shard: hash % SHARDS };
}
