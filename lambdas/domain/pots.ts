/**
 * A pot is anything with room for spend: a prepaid wallet, or a limit per window (of a group, a user, a model, a
 * provider). A request must fit every pot of its chain. A lane holds money drawn from all pots of one chain at once.
 */
import type { NanoUsd } from './money.ts';
import type { Threshold } from './policy.ts';
import type { Window } from './windows.ts';

/** `<scope>#<window>`: `wallet/team_dev#life`, `budget/dev/day#d2026-11-23`, `budget/dev/each/ann#d…`, `provider/openai/month#m2026-11`. */
export type PotKey = string;

export interface Pot {
  readonly key: PotKey;
  /** What refusals and alerts call it: the key without its window. */
  readonly scope: string;
  readonly kind: 'wallet' | 'limit';
  readonly owner: 'wallet' | 'budget' | 'user' | 'provider';
  /** Of a limit: as the policy states it. A wallet's limit is its money. */
  readonly limitNanoUsd?: NanoUsd;
  /**
   * Of a limit: where it bites (`limit × block percent`); absent on a soft one. Never passed by what the ledger charges.
   */
  readonly hardLimitNanoUsd?: NanoUsd;
  /** Of a wallet: false lets `available` go below zero. Of a limit: whether it has a hard limit. */
  readonly enforced: boolean;
  readonly thresholds: readonly Threshold[];
  readonly window: Window;
}

export interface Chain {
  /** Fingerprint of the lane pots' keys: names the chain's lanes. */
  readonly hash: string;
  /** The same of their scopes: what stays when a window ends and the next chain follows. */
  readonly line: string;
  readonly wallet: Pot;
  /** Budgets of the group, then of the provider. Their money travels through lanes. */
  readonly limits: readonly Pot[];
  /** Pots of the user: charged directly, in no lane's chain. */
  readonly direct: readonly Pot[];
  readonly walletId: string;
  readonly groupId: string;
  readonly providerId: string;
  readonly userId: string;
}

/** Names a lane: the chain's fingerprint and the lane's number from 0. */
export interface LaneId {
  readonly chainHash: string;
  readonly n: number;
}

/** A pot as stored. Absent amounts read as 0. */
export interface PotState {
  readonly key: PotKey;
  readonly kind: 'wallet' | 'limit';
  /** Wallet: free money, escrow in lanes already taken out. */
  readonly availableNanoUsd: NanoUsd;
  /** Wallet: all top-ups less withdrawals. */
  readonly fundedNanoUsd: NanoUsd;
  /** Wallet: all withdrawals. With `funded` it is the sum of the top-ups, which tells one top-up from the next. */
  readonly withdrawnNanoUsd: NanoUsd;
  /** Wallet: `settled` at the last top-up, from which its percent counts. */
  readonly baseNanoUsd: NanoUsd;
  /** Limit: settled plus everything out in lanes. */
  readonly committedNanoUsd: NanoUsd;
  readonly settledNanoUsd: NanoUsd;
  /** Alert markers by name (`50_20000000000`): when and whether sent. */
  readonly alerts: Readonly<Record<string, AlertMarker>>;
  /** Written by a recall that freed nothing; while it holds, a short pot refuses without another recall. */
  readonly dry?: DryMark;
  /** Limit at the last alert check; tells a raised limit from a new one. */
  readonly seenLimitNanoUsd?: NanoUsd;
}

/** What the lanes of a pot had when a look through them freed nothing. */
export interface DryMark {
  readonly untilEpochMs: number;
  /** In the lane that asked, or just taken by others. */
  readonly idleNanoUsd: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly unflushedNanoUsd: NanoUsd;
  /** Settled in the pot before the look: a flush since then makes the sums untrue, whatever their total is. */
  readonly settledNanoUsd: NanoUsd;
}

export interface AlertMarker {
  readonly status: 'PENDING' | 'SENT';
  readonly atEpochMs: number;
}

/** Money of one call in flight. `direct` are the user pots that were charged beside the lane. */
export interface Hold {
  readonly estimateNanoUsd: NanoUsd;
  readonly direct: readonly PotKey[];
}

/** Invariant: `escrow = idle + Σ holds + unflushed`, so an escrow of 0 means an empty lane. */
export interface LaneState {
  readonly id: LaneId;
  readonly idleNanoUsd: NanoUsd;
  readonly escrowNanoUsd: NanoUsd;
  readonly unflushedNanoUsd: NanoUsd;
  readonly holds: ReadonlyMap<string, Hold>;
  /**
   * Pots of users whose alerts the keeper is to check: settled on through this lane, by their keys; refused a call, by the id
   * of that alert, so that taking the one off never takes off the other.
   */
  readonly watched: readonly string[];
  /** The wallet's key first. */
  readonly chain: readonly PotKey[];
  readonly walletId: string;
  readonly groupId: string;
  readonly providerId: string;
  readonly lastUseEpochMs: number;
  readonly lastGrantNanoUsd?: NanoUsd;
  readonly lastGrantEpochMs?: number;
  /** How many lanes the chain has; kept on lane 0. */
  readonly laneCount: number;
}

/** Most holds in one lane: a seventeenth goes to another lane. */
export const MAX_HOLDS_PER_LANE = 16;

/** The money of holds in flight in a lane. */
export function heldNanoUsd(lane: Pick<LaneState, 'holds'>): NanoUsd {
  let sum = 0n;
  for (const hold of lane.holds.values()) sum += hold.estimateNanoUsd;
  return sum;
}

/** Money of a pot that is out in lanes. */
export function escrowNanoUsd(state: PotState | undefined): NanoUsd {
  if (state === undefined) return 0n;
  if (state.kind === 'limit') return state.committedNanoUsd - state.settledNanoUsd;
  return state.fundedNanoUsd - state.availableNanoUsd - state.settledNanoUsd;
}

/** What a grant may still take from a pot; undefined without a hard limit. */
export function roomNanoUsd(pot: Pot, state: PotState | undefined): NanoUsd | undefined {
  if (!pot.enforced) return undefined;
  if (pot.kind === 'wallet') return state?.availableNanoUsd ?? 0n;
  return (pot.hardLimitNanoUsd ?? 0n) - (state?.committedNanoUsd ?? 0n);
}

/** The pot that an entry of a watch list is about: an alert's id is the pot's key, a colon and the marker. */
export function watchedPot(entry: string): PotKey {
  const colon = entry.indexOf(':', entry.lastIndexOf('#'));
  return colon === -1 ? entry : entry.slice(0, colon);
}
