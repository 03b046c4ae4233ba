/**
 * How money moves in one pot or lane: the parts that the ledger's operations are made of. Every update of a pot writes all
 * amounts of its kind (`ADD … :zero` where nothing moves), so an item that lacks one is damaged and not merely new.
 */
import type { PotTerm } from '../../application/ports.ts';
import type { NanoUsd } from '../../domain/money.ts';
import type { Hold, PotKey } from '../../domain/pots.ts';
import type { Window } from '../../domain/windows.ts';
import { CLAUSES, type ItemChange, all, any } from './expressions.ts';
import { holdValue, watchList } from './holds.ts';
import { isWalletKey } from './items.ts';

/** How long a limit outlives its window, seconds: 400 days, so that reports of a year find it. */
const RETENTION_SECONDS = 400 * 86_400;

/** When a limit's item may go, epoch seconds; undefined: never. */
export function expiryEpochSeconds(window: Window): number | undefined {
  return Number.isFinite(window.endsAtEpochMs) ? Math.ceil(window.endsAtEpochMs / 1000) + RETENTION_SECONDS : undefined;
}

/** Takes `amount` out of a pot, under the pot's condition, and settles `settled` beside it. */
export function takeFromPot(term: PotTerm, amount: NanoUsd, settled: NanoUsd): ItemChange {
  if (term.kind === 'wallet') {
    return {
      update: ['ADD #available :taken, #funded :zero, #settled :settled'],
      condition: term.enforced && amount > 0n ? CLAUSES.walletHasAvailable : undefined,
      values: { amount, taken: -amount, settled, zero: 0n },
    };
  }
  const ttl = expiryEpochSeconds(term.window);
  const room = (term.hardLimitNanoUsd ?? 0n) - amount;
  // A new window has room for all that the limit allows, and for nothing above it.
  const hasRoom = room >= 0n ? any(CLAUSES.limitIsNew, CLAUSES.limitHasRoom) : CLAUSES.limitHasRoom;
  return {
    update: [...(ttl === undefined ? [] : ['SET #ttl = :ttl']), 'ADD #committed :amount, #settled :settled'],
    condition: term.enforced && amount > 0n ? hasRoom : undefined,
    values: { amount, settled, room, ttl },
  };
}

/** Moves amounts of a pot without a condition: money that goes back, or spend that is settled. */
export function moveInPot(key: PotKey, back: NanoUsd, settled: NanoUsd): ItemChange {
  if (isWalletKey(key)) {
    // SET fails on a wallet that does not exist: money can go back only to where it came from.
    const set = back === 0n ? [] : ['SET #available = #available + :back'];
    return { update: [...set, 'ADD #settled :settled'], values: { back, settled } };
  }
  return { update: ['ADD #committed :minusBack, #settled :settled'], values: { minusBack: -back, settled } };
}

/** Ends a hold in its lane: the charge is spend, the rest idle again. */
export function endHold(hid: string, hold: Hold, chargeNanoUsd: NanoUsd): ItemChange {
  return {
    update: ['SET #a = #a + :rest, #u = #u + :charge', 'REMOVE #h.#hid', ...(hold.direct.length > 0 ? ['ADD #dp :watched'] : [])],
    condition: CLAUSES.holdStands,
    names: { hid },
    values: {
      rest: hold.estimateNanoUsd - chargeNanoUsd,
      charge: chargeNanoUsd,
      hold: holdValue(hold),
      watched: watchList(hold.direct),
    },
  };
}

/** Ends a hold in a user pot that it was charged to: what was not spent has room again. */
export function endDirectHold(hold: Hold, chargeNanoUsd: NanoUsd): ItemChange {
  return {
    update: ['ADD #committed :minusRest, #settled :charge'],
    values: { minusRest: chargeNanoUsd - hold.estimateNanoUsd, charge: chargeNanoUsd },
  };
}

/** Takes `estimate` from a lane into a new hold. */
export function takeFromLane(hid: string, hold: Hold, maxHolds: number, nowEpochMs: number): ItemChange {
  return {
    update: ['SET #a = #a - :estimate, #h.#hid = :hold, #t = :now'],
    condition: all(CLAUSES.laneHasIdle, CLAUSES.laneHasPlace, CLAUSES.holdIsNew),
    names: { hid },
    values: { estimate: hold.estimateNanoUsd, hold: holdValue(hold), maxHolds, now: nowEpochMs },
  };
}

/** Moves unflushed spend out of a lane. */
export function flushFromLane(flush: NanoUsd): ItemChange {
  return {
    update: ['SET #u = #u - :flush, #c = #c - :flush'],
    condition: CLAUSES.laneHasUnflushed,
    values: { flush },
  };
}

/** Who a lane belongs to, as its item and the indexes say. */
export interface LaneOwners {
  readonly walletId: string;
  readonly groupId: string;
  readonly providerId: string;
}

/** What is put into a lane, which is made when it is not there. */
export interface LaneFill {
  readonly owners: LaneOwners;
  readonly chain: readonly PotKey[];
  readonly idle: NanoUsd;
  /** Spend that goes in (late) or, negative, out (a flush that rides along). */
  readonly unflushed: NanoUsd;
  /** Remembered as the last grant; absent for a late charge. */
  readonly grant?: NanoUsd;
  /** User pots, or alerts of them, that are to be checked. */
  readonly watched?: readonly string[];
  readonly condition?: string;
  readonly nowEpochMs: number;
}

/** Fills a lane. The keys of the indexes are written each time, so that a lane can always be found. */
export function fillLane(fill: LaneFill): ItemChange {
  const { owners, idle, unflushed, grant, watched = [] } = fill;
  const granted = grant === undefined ? '' : ', #g = :grant, #gt = :now';
  return {
    update: [
      `SET #chain = :chain, #gw = :wallet, #gg = :group, #gp = :provider, #t = :now, #h = if_not_exists(#h, :noHolds)${granted}`,
      `ADD #a :idle, #c :escrow, #u :unflushed${watched.length > 0 ? ', #dp :watched' : ''}`,
    ],
    condition: fill.condition,
    values: {
      chain: fill.chain,
      wallet: owners.walletId,
      group: owners.groupId,
      provider: owners.providerId,
      now: fill.nowEpochMs,
      noHolds: {},
      grant,
      idle,
      escrow: idle + unflushed,
      unflushed,
      flush: -unflushed,
      watched: watchList(watched),
    },
  };
}
