/**
 * The ledger on DynamoDB: every movement of money is one conditional write or one transaction, sent once. Conditions are in
 * expressions.ts, the parts of updates in movements.ts; here is which parts make an operation and what each refusal means.
 */
import type {
  GrantOutcome,
  GrantRequest,
  LateOutcome,
  LateRequest,
  LedgerStore,
  PotTerm,
  ReserveOutcome,
  ReserveRequest,
  SettleOutcome,
  SettleRequest,
  TopUpOutcome,
  TopUpRecord,
  WatchOn,
} from '../../application/ports.ts';
import type { Entry, EntryStatus } from '../../domain/entries.ts';
import type { NanoUsd } from '../../domain/money.ts';
import {
  type DryMark,
  type Hold,
  type LaneId,
  type LaneState,
  MAX_HOLDS_PER_LANE,
  type PotKey,
  type PotState,
} from '../../domain/pots.ts';
import {
  checkExpire,
  checkFlush,
  checkGrant,
  checkLate,
  checkReserve,
  checkSettle,
  checkTopUp,
  requireNotNegative,
} from '../memory/preconditions.ts';
import { detailMap, entryItem, readEntryItem } from './entry-items.ts';
import type { FailedCondition } from './errors.ts';
import { CLAUSES, type ItemChange, all, any } from './expressions.ts';
import { markerAttribute, markerValue, readLaneItem, readPotItem, readTopUpItem, topUpItem, untouchedLimit } from './items.ts';
import { watchList } from './holds.ts';
import { LedgerReads } from './ledger-reads.ts';
import type { TransactItem } from './ledger-table.ts';
import {
  endDirectHold,
  endHold,
  expiryEpochSeconds,
  fillLane,
  flushFromLane,
  moveInPot,
  takeFromLane,
  takeFromPot,
} from './movements.ts';
import { entryItemKey, laneItemKey, potItemKey, walletPotKey } from './table.ts';

/** The store of the ledger on DynamoDB. */
export class DynamoLedgerStore extends LedgerReads implements LedgerStore {
  async reserve(request: ReserveRequest): Promise<ReserveOutcome> {
    checkReserve(request);
    const { hid, estimateNanoUsd: estimate, direct } = request;
    const hold: Hold = { estimateNanoUsd: estimate, direct: direct.map((term) => term.key) };
    const take = takeFromLane(hid, hold, MAX_HOLDS_PER_LANE, request.nowEpochMs);
    const laneKey = laneItemKey(request.lane);
    if (direct.length === 0) {
      const done = await this.table.update('reserve', laneKey, take);
      if (done.ok) return { ok: true, lane: readPresent(done.item, readLaneItem) };
      return laneRefusal(done, request);
    }
    const done = await this.table.transact('reserve', [
      this.table.updateItem(laneKey, take),
      ...direct.map((term) => this.table.updateItem(potItemKey(term.key), takeFromPot(term, estimate, 0n))),
    ]);
    if (done.ok) return { ok: true };
    const [lane, ...pots] = done.failed;
    const outcome = lane && laneRefusal(lane, request);
    if (outcome?.ok === false && outcome.reason === 'duplicate') return outcome;
    // A user pot without room is told before a short lane: filling the lane would not help.
    const refused = firstRefused(direct, pots);
    if (refused) {
      const { key } = refused.term;
      return { ok: false, reason: 'direct', pot: key, state: refused.item ? readPotItem(refused.item) : untouchedLimit(key) };
    }
    return outcome ?? unexplained('reserve');
  }

  async grant(request: GrantRequest): Promise<GrantOutcome> {
    checkGrant(request);
    const { amountNanoUsd: amount, flushNanoUsd: flush, chain, pots } = request;
    const conditions = [
      ...(flush > 0n ? [CLAUSES.laneHasUnflushed] : []),
      ...(request.onlyIfNew === true ? [CLAUSES.laneIsNew] : []),
    ];
    const done = await this.table.transact('grant', [
      ...pots.map((term) => this.table.updateItem(potItemKey(term.key), takeFromPot(term, amount, flush))),
      this.table.updateItem(
        laneItemKey(request.lane),
        fillLane({
          owners: chain,
          chain: pots.map((term) => term.key),
          idle: amount,
          unflushed: -flush,
          grant: amount,
          condition: all(...conditions),
          nowEpochMs: request.nowEpochMs,
        }),
      ),
    ]);
    if (done.ok) return { ok: true };
    const lane = done.failed[pots.length];
    if (lane) return { ok: false, reason: 'lane', lane: lane.item && readLaneItem(lane.item) };
    const refused = firstRefused(pots, done.failed);
    if (refused) return { ok: false, reason: 'pot', pot: refused.term.key, state: refused.item && readPotItem(refused.item) };
    return unexplained('grant');
  }

  async giveBack(lane: LaneState, amountNanoUsd: NanoUsd): Promise<boolean> {
    requireNotNegative('amountNanoUsd', amountNanoUsd);
    const done = await this.table.transact('giveBack', [
      this.table.updateItem(laneItemKey(lane.id), {
        update: ['SET #a = #a - :amount, #c = #c - :amount'],
        condition: CLAUSES.laneStillIdle,
        values: { amount: amountNanoUsd },
      }),
      ...this.movePots(lane.chain, amountNanoUsd, 0n),
    ]);
    return done.ok;
  }

  async putEntry(entry: Entry): Promise<{ readonly ok: true } | { readonly ok: false; readonly existing: Entry }> {
    const done = await this.table.put('putEntry', entryItem(entry), CLAUSES.entryIsNew);
    return done.ok ? { ok: true } : { ok: false, existing: readPresent(done.item, readEntryItem) };
  }

  async settle(request: SettleRequest): Promise<SettleOutcome> {
    checkSettle(request);
    const { hid, hold, chargeNanoUsd } = request;
    const end = endHold(hid, hold, chargeNanoUsd);
    if (hold.direct.length === 0) {
      const done = await this.table.update('settle', laneItemKey(request.lane), end);
      return done.ok ? { ok: true, lane: readPresent(done.item, readLaneItem) } : { ok: false };
    }
    const done = await this.table.transact('settle', this.endHoldItems(request.lane, end, hold, chargeNanoUsd));
    return { ok: done.ok };
  }

  async expire(lane: LaneId, hold: Hold, entry: Entry): Promise<boolean> {
    checkExpire(hold, entry);
    const end = endHold(entry.hid, hold, entry.chargeNanoUsd);
    const done = await this.table.transact('expire', [
      this.table.putItem(entryItem(entry), CLAUSES.entryIsNew),
      ...this.endHoldItems(lane, end, hold, entry.chargeNanoUsd),
    ]);
    return done.ok;
  }

  async late(request: LateRequest): Promise<LateOutcome> {
    checkLate(request);
    const difference = request.chargeNanoUsd - request.seen.chargeNanoUsd;
    const flip = flipToLate(request);
    const entryKey = entryItemKey(request.hid);
    if (difference === 0n) {
      const done = await this.table.update('late', entryKey, flip);
      return done.ok ? { ok: true } : { ok: false, reason: 'flipped' };
    }
    const terms = [...request.chain, ...request.direct];
    const moves = difference > 0n ? this.lateCharge(request, difference) : this.lateRefund(request, -difference);
    const done = await this.table.transact('late', [this.table.updateItem(entryKey, flip), ...moves]);
    if (done.ok) return { ok: true };
    if (done.failed[0]) return { ok: false, reason: 'flipped' };
    const refused = firstRefused(terms, done.failed.slice(1));
    return refused ? { ok: false, reason: 'pot', pot: refused.term.key } : unexplained('late');
  }

  async lose(hid: string, seen: EntryStatus, lossNanoUsd: NanoUsd): Promise<boolean> {
    requireNotNegative('lossNanoUsd', lossNanoUsd);
    const done = await this.table.update('lose', entryItemKey(hid), {
      update: ['SET #st = :lost, #lo = :loss'],
      condition: CLAUSES.entryStatusIsSeen,
      values: { lost: 'LOST', loss: lossNanoUsd, seen },
    });
    return done.ok;
  }

  async flush(lanes: readonly { readonly lane: LaneState; readonly amountNanoUsd: NanoUsd }[]): Promise<boolean> {
    checkFlush(lanes);
    const first = lanes[0];
    if (!first) return true;
    const sum = lanes.reduce((total, { amountNanoUsd }) => total + amountNanoUsd, 0n);
    const done = await this.table.transact('flush', [
      ...lanes.map(({ lane, amountNanoUsd }) => this.table.updateItem(laneItemKey(lane.id), flushFromLane(amountNanoUsd))),
      ...this.movePots(first.lane.chain, 0n, sum),
    ]);
    return done.ok;
  }

  async unwatch(lane: LaneId, watched: readonly string[], lastUseEpochMs: number): Promise<void> {
    await this.table.update('unwatch', laneItemKey(lane), {
      update: ['DELETE #dp :watched'],
      condition: all(CLAUSES.laneIsFlushed, CLAUSES.laneIsUntouched),
      values: { watched: watchList(watched), zero: 0n, lastUse: lastUseEpochMs },
    });
  }

  async closeLane(lane: LaneId, lastUseEpochMs: number): Promise<boolean> {
    const done = await this.table.delete('closeLane', laneItemKey(lane), {
      condition: all(CLAUSES.laneIsEmpty, CLAUSES.laneWatchesNothing, CLAUSES.laneIsUntouched),
      values: { zero: 0n, lastUse: lastUseEpochMs },
    });
    return done.ok;
  }

  async growLanes(lane0: LaneId, from: number): Promise<boolean> {
    const seen = from === 1 ? any(CLAUSES.laneNeverGrew, CLAUSES.laneCountIsSeen) : CLAUSES.laneCountIsSeen;
    const done = await this.table.update('growLanes', laneItemKey(lane0), {
      update: ['SET #n = :doubled'],
      condition: all(CLAUSES.laneExists, seen),
      values: { doubled: from * 2, from },
    });
    return done.ok;
  }

  async markDry(pot: PotKey, mark: DryMark): Promise<void> {
    const {
      untilEpochMs: until,
      idleNanoUsd: idle,
      heldNanoUsd: held,
      unflushedNanoUsd: unflushed,
      settledNanoUsd: settled,
    } = mark;
    const change = {
      update: ['SET #dry = :until, #di = :idle, #dh = :held, #du = :unflushed, #ds = :settled'],
      condition: CLAUSES.potExists,
      values: { until, idle, held, unflushed, settled },
    };
    await this.table.update('markDry', potItemKey(pot), change);
  }

  async raiseMarker(
    pot: PotTerm,
    marker: string,
    nowEpochMs: number,
    ifSettledNanoUsd?: NanoUsd,
    watchOn?: WatchOn,
  ): Promise<boolean> {
    const ttl = pot.kind === 'limit' ? expiryEpochSeconds(pot.window) : undefined;
    const amounts = pot.kind === 'wallet' ? '#available :zero, #funded :zero' : '#committed :zero';
    // What was never settled counts as 0, which only a threshold of 0 or less reaches.
    const reached =
      ifSettledNanoUsd !== undefined && ifSettledNanoUsd <= 0n
        ? any('attribute_not_exists(#settled)', CLAUSES.settledReachesThreshold)
        : CLAUSES.settledReachesThreshold;
    const raise: ItemChange = {
      update: [`SET #marker = :pending${ttl === undefined ? '' : ', #ttl = :ttl'}`, `ADD ${amounts}, #settled :zero`],
      condition: ifSettledNanoUsd === undefined ? CLAUSES.markerIsNew : all(CLAUSES.markerIsNew, reached),
      names: { marker: markerAttribute(marker) },
      values: {
        pending: markerValue({ status: 'PENDING', atEpochMs: nowEpochMs }),
        threshold: ifSettledNanoUsd,
        zero: 0n,
        ttl,
      },
    };
    if (watchOn === undefined) return (await this.table.update('raiseMarker', potItemKey(pot.key), raise)).ok;
    const { lane, chain } = watchOn;
    const watch = fillLane({
      owners: chain,
      chain: [chain.wallet, ...chain.limits].map(({ key }) => key),
      idle: 0n,
      unflushed: 0n,
      watched: [`${pot.key}:${marker}`],
      nowEpochMs,
    });
    const items = [this.table.updateItem(potItemKey(pot.key), raise), this.table.updateItem(laneItemKey(lane), watch)];
    return (await this.table.transact('raiseMarker', items)).ok;
  }

  async sendMarker(pot: PotKey, marker: string, nowEpochMs: number): Promise<void> {
    await this.table.update('sendMarker', potItemKey(pot), {
      update: ['SET #marker = :sent'],
      condition: CLAUSES.potExists,
      names: { marker: markerAttribute(marker) },
      values: { sent: markerValue({ status: 'SENT', atEpochMs: nowEpochMs }) },
    });
  }

  async noteLimit(pot: PotKey, limitNanoUsd: NanoUsd): Promise<void> {
    const change = { update: ['SET #ll = :limit'], condition: CLAUSES.potExists, values: { limit: limitNanoUsd } };
    await this.table.update('noteLimit', potItemKey(pot), change);
  }

  async topUp(record: TopUpRecord): Promise<TopUpOutcome> {
    checkTopUp(record);
    const key = walletPotKey(record.walletId);
    const amount = record.amountNanoUsd;
    const withdrawal: ItemChange = {
      update: ['ADD #available :amount, #funded :amount, #withdrawn :withdrawn'],
      condition: CLAUSES.walletHasFree,
      values: { amount, withdrawn: -amount },
    };
    // The wallet's percent counts from its last top-up, so what is settled by now becomes its base.
    const topUp: ItemChange = {
      update: ['SET #base = if_not_exists(#settled, :zero)', 'ADD #available :amount, #funded :amount, #settled :zero'],
      values: { amount, zero: 0n },
    };
    const done = await this.table.transact('topUp', [
      this.table.putItem(topUpItem(record), CLAUSES.topUpIsNew),
      this.table.updateItem(potItemKey(key), amount < 0n ? withdrawal : topUp),
    ]);
    if (done.ok) return { applied: true, wallet: await this.readForShow(key) };
    const [earlier, wallet] = done.failed;
    if (earlier) {
      const { amountNanoUsd, walletId } = readPresent(earlier.item, readTopUpItem);
      return { applied: false, reason: 'repeated', amountNanoUsd, walletId };
    }
    if (!wallet) return unexplained('topUp');
    return { applied: false, reason: 'short', availableNanoUsd: wallet.item ? readPotItem(wallet.item).availableNanoUsd : 0n };
  }

  /** A pot after a movement that is done: an answer that does not come must not look like a movement that failed. */
  private async readForShow(key: PotKey): Promise<PotState | undefined> {
    try {
      return (await this.readPots([key], { consistent: true })).get(key);
    } catch {
      return undefined;
    }
  }

  private movePots(keys: readonly PotKey[], back: NanoUsd, settled: NanoUsd): readonly TransactItem[] {
    return keys.map((key) => this.table.updateItem(potItemKey(key), moveInPot(key, back, settled)));
  }

  private endHoldItems(lane: LaneId, end: ItemChange, hold: Hold, charge: NanoUsd): readonly TransactItem[] {
    const direct = hold.direct.map((key) => this.table.updateItem(potItemKey(key), endDirectHold(hold, charge)));
    return [this.table.updateItem(laneItemKey(lane), end), ...direct];
  }

  /** The difference is taken from every pot and passes through the lane as spend, so that a flush settles it as any other. */
  private lateCharge(request: LateRequest, difference: NanoUsd): readonly TransactItem[] {
    const { chain, direct } = request;
    const fill = fillLane({
      owners: request,
      chain: chain.map((term) => term.key),
      idle: 0n,
      unflushed: difference,
      watched: direct.map((term) => term.key),
      nowEpochMs: request.nowEpochMs,
    });
    return [
      ...chain.map((term) => this.table.updateItem(potItemKey(term.key), takeFromPot(term, difference, 0n))),
      ...direct.map((term) => this.table.updateItem(potItemKey(term.key), takeFromPot(term, difference, difference))),
      this.table.updateItem(laneItemKey(request.lane), fill),
    ];
  }

  private lateRefund(request: LateRequest, difference: NanoUsd): readonly TransactItem[] {
    const keys = [...request.chain, ...request.direct].map((term) => term.key);
    return this.movePots(keys, difference, -difference);
  }
}

/** The entry becomes LATE only from what the caller saw. */
function flipToLate(request: LateRequest): ItemChange {
  return {
    update: [`SET #st = :late, #ch = :charge, #lo = :loss${request.detail ? ', #d = :detail' : ''}`],
    condition: all(CLAUSES.entryStatusIsSeen, CLAUSES.entryChargeIsSeen),
    values: {
      late: 'LATE',
      charge: request.chargeNanoUsd,
      loss: request.lossNanoUsd,
      seen: request.seen.status,
      seenCharge: request.seen.chargeNanoUsd,
      detail: request.detail && detailMap(request.detail),
    },
  };
}

/** Why a lane refused a hold. A full lane is told before a short one: money would not make room for the hold. */
function laneRefusal(failed: FailedCondition, request: ReserveRequest): ReserveOutcome {
  if (!failed.item) return { ok: false, reason: 'no_lane' };
  const lane = readLaneItem(failed.item);
  if (lane.holds.has(request.hid)) return { ok: false, reason: 'duplicate', lane };
  if (lane.holds.size >= MAX_HOLDS_PER_LANE) return { ok: false, reason: 'full', lane };
  return { ok: false, reason: 'short', lane };
}

/** The first pot of the chain's order whose condition failed. */
function firstRefused(terms: readonly PotTerm[], failed: readonly (FailedCondition | undefined)[]) {
  for (const [i, term] of terms.entries()) {
    const failure = failed[i];
    if (failure) return { term, item: failure.item };
  }
  return undefined;
}

function readPresent<T>(
  item: Readonly<Record<string, unknown>> | undefined,
  read: (item: Readonly<Record<string, unknown>>) => T,
): T {
  if (!item) throw new Error('the database answered without the item that it was asked for');
  return read(item);
}

function unexplained(operation: string): never {
  throw new Error(`${operation}: the database refused the transaction but no condition of it failed`);
}
