/**
 * The ledger in memory: the same operations, conditions and outcomes as on DynamoDB, for tests, simulations and benchmarks. An
 * operation runs in one turn of the event loop, so each is atomic; stored states are never changed in place, so what a
 * caller holds is a snapshot.
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
import { type PotDelta, applied, emptyPot, hasRoom, refunded, taken } from './pots.ts';
import {
  checkExpire,
  checkFlush,
  checkGrant,
  checkLate,
  checkReserve,
  checkSettle,
  checkTopUp,
  requireNotNegative,
} from './preconditions.ts';

/** Hooks of the in-memory store. */
export interface MemoryLedgerStoreOptions {
  /** Called at every operation with its name. */
  readonly onCall?: (operation: string) => void;
}

/** A lane, and what is written into it each time. */
type SpendOfLane = Pick<LateRequest, 'lane' | 'chain' | 'walletId' | 'groupId' | 'providerId' | 'nowEpochMs'>;

const PAGE = 100;

/** The in-memory store of the ledger. */
export class MemoryLedgerStore implements LedgerStore {
  private readonly pots = new Map<PotKey, PotState>();
  private readonly lanes = new Map<string, LaneState>();
  private readonly entries = new Map<string, Entry>();
  private readonly topUps = new Map<string, TopUpRecord>();
  private readonly onCall: (operation: string) => void;

  constructor(options: MemoryLedgerStoreOptions = {}) {
    this.onCall = options.onCall ?? (() => {});
  }

  async readPots(keys: readonly PotKey[]): Promise<ReadonlyMap<PotKey, PotState>> {
    this.onCall('readPots');
    const found = new Map<PotKey, PotState>();
    for (const key of keys) {
      const state = this.pots.get(key);
      if (state) found.set(key, state);
    }
    return found;
  }

  async readLane(lane: LaneId): Promise<LaneState | undefined> {
    this.onCall('readLane');
    return this.lanes.get(laneName(lane));
  }

  async readLanes(lanes: readonly LaneId[]): Promise<readonly LaneState[]> {
    this.onCall('readLanes');
    const names = new Set(lanes.map(laneName));
    return [...names].flatMap((name) => this.lanes.get(name) ?? []);
  }

  async readEntry(hid: string): Promise<Entry | undefined> {
    this.onCall('readEntry');
    return this.entries.get(hid);
  }

  async lanesOf(index: 'wallet' | 'group' | 'provider', id: string): Promise<readonly LaneId[]> {
    this.onCall('lanesOf');
    const field = { wallet: 'walletId', group: 'groupId', provider: 'providerId' } as const;
    return [...this.lanes.values()].filter((lane) => lane[field[index]] === id).map((lane) => lane.id);
  }

  async *openLanes(): AsyncIterable<readonly LaneId[]> {
    this.onCall('openLanes');
    for (const page of pagesOf([...this.lanes.values()])) yield page.map((lane) => lane.id);
  }

  async reserve(request: ReserveRequest): Promise<ReserveOutcome> {
    checkReserve(request);
    this.onCall('reserve');
    const { hid, estimateNanoUsd: estimate, direct } = request;
    const lane = this.lanes.get(laneName(request.lane));
    if (lane?.holds.has(hid)) return { ok: false, reason: 'duplicate', lane };
    const refused = direct.find((term) => !hasRoom(this.pots.get(term.key), term, estimate));
    if (refused) {
      return { ok: false, reason: 'direct', pot: refused.key, state: this.pots.get(refused.key) ?? emptyPot(refused.key) };
    }
    if (!lane) return { ok: false, reason: 'no_lane' };
    if (lane.holds.size >= MAX_HOLDS_PER_LANE) return { ok: false, reason: 'full', lane };
    if (lane.idleNanoUsd < estimate) return { ok: false, reason: 'short', lane };

    for (const term of direct) this.move(term.key, { committed: estimate });
    const hold: Hold = { estimateNanoUsd: estimate, direct: direct.map((term) => term.key) };
    const after = this.putLane({
      ...lane,
      idleNanoUsd: lane.idleNanoUsd - estimate,
      holds: new Map(lane.holds).set(hid, hold),
      lastUseEpochMs: request.nowEpochMs,
    });
    return direct.length > 0 ? { ok: true } : { ok: true, lane: after };
  }

  async grant(request: GrantRequest): Promise<GrantOutcome> {
    checkGrant(request);
    this.onCall('grant');
    const { amountNanoUsd: amount, flushNanoUsd: flushed, nowEpochMs } = request;
    const lane = this.lanes.get(laneName(request.lane));
    const flushFits = flushed === 0n || (lane?.unflushedNanoUsd ?? -1n) >= flushed;
    if (!flushFits || (request.onlyIfNew === true && lane)) return { ok: false, reason: 'lane', lane };
    const refused = request.pots.find((term) => !hasRoom(this.pots.get(term.key), term, amount));
    if (refused) return { ok: false, reason: 'pot', pot: refused.key, state: this.pots.get(refused.key) };

    for (const term of request.pots) this.move(term.key, taken(term.key, amount, flushed));
    const { chain } = request;
    const before = lane ?? newLane(request.lane);
    this.putLane({
      ...before,
      idleNanoUsd: before.idleNanoUsd + amount,
      escrowNanoUsd: before.escrowNanoUsd + amount - flushed,
      unflushedNanoUsd: before.unflushedNanoUsd - flushed,
      chain: request.pots.map((term) => term.key),
      walletId: chain.walletId,
      groupId: chain.groupId,
      providerId: chain.providerId,
      lastUseEpochMs: nowEpochMs,
      lastGrantNanoUsd: amount,
      lastGrantEpochMs: nowEpochMs,
    });
    return { ok: true };
  }

  async giveBack(lane: LaneState, amountNanoUsd: NanoUsd): Promise<boolean> {
    requireNotNegative('amountNanoUsd', amountNanoUsd);
    this.onCall('giveBack');
    const now = this.lanes.get(laneName(lane.id));
    if (!now || now.idleNanoUsd < amountNanoUsd) return false;
    for (const key of lane.chain) this.move(key, taken(key, -amountNanoUsd, 0n));
    this.putLane({
      ...now,
      idleNanoUsd: now.idleNanoUsd - amountNanoUsd,
      escrowNanoUsd: now.escrowNanoUsd - amountNanoUsd,
    });
    return true;
  }

  async putEntry(entry: Entry): Promise<{ readonly ok: true } | { readonly ok: false; readonly existing: Entry }> {
    this.onCall('putEntry');
    const existing = this.entries.get(entry.hid);
    if (existing) return { ok: false, existing };
    this.entries.set(entry.hid, entry);
    return { ok: true };
  }

  async settle(request: SettleRequest): Promise<SettleOutcome> {
    checkSettle(request);
    this.onCall('settle');
    const after = this.endHold(request.lane, request.hid, request.hold, request.chargeNanoUsd);
    if (!after) return { ok: false };
    return request.hold.direct.length > 0 ? { ok: true } : { ok: true, lane: after };
  }

  async expire(lane: LaneId, hold: Hold, entry: Entry): Promise<boolean> {
    checkExpire(hold, entry);
    this.onCall('expire');
    if (this.entries.has(entry.hid)) return false;
    if (!this.endHold(lane, entry.hid, hold, entry.chargeNanoUsd)) return false;
    this.entries.set(entry.hid, entry);
    return true;
  }

  async late(request: LateRequest): Promise<LateOutcome> {
    checkLate(request);
    this.onCall('late');
    const entry = this.entries.get(request.hid);
    if (!entry || entry.status !== request.seen.status || entry.chargeNanoUsd !== request.seen.chargeNanoUsd) {
      return { ok: false, reason: 'flipped' };
    }
    const difference = request.chargeNanoUsd - request.seen.chargeNanoUsd;
    const terms = [...request.chain, ...request.direct];
    if (difference > 0n) {
      const refused = terms.find((term) => !hasRoom(this.pots.get(term.key), term, difference));
      if (refused) return { ok: false, reason: 'pot', pot: refused.key };
      for (const { key } of request.chain) this.move(key, taken(key, difference, 0n));
      for (const { key } of request.direct) this.move(key, { committed: difference, settled: difference });
      const watched = request.direct.map(({ key }) => key);
      this.addSpend(request, difference, watched);
    } else if (difference < 0n) {
      for (const { key } of terms) this.move(key, refunded(key, -difference));
    }
    this.entries.set(entry.hid, {
      ...entry,
      status: 'LATE',
      chargeNanoUsd: request.chargeNanoUsd,
      lossNanoUsd: request.lossNanoUsd,
      detail: request.detail ?? entry.detail,
    });
    return { ok: true };
  }

  async lose(hid: string, seen: EntryStatus, lossNanoUsd: NanoUsd): Promise<boolean> {
    requireNotNegative('lossNanoUsd', lossNanoUsd);
    this.onCall('lose');
    const entry = this.entries.get(hid);
    if (entry?.status !== seen) return false;
    this.entries.set(hid, { ...entry, status: 'LOST', lossNanoUsd });
    return true;
  }

  async flush(lanes: readonly { readonly lane: LaneState; readonly amountNanoUsd: NanoUsd }[]): Promise<boolean> {
    checkFlush(lanes);
    const first = lanes[0];
    if (!first) return true;
    this.onCall('flush');
    const found = lanes.map(({ lane, amountNanoUsd }) => ({ now: this.lanes.get(laneName(lane.id)), amountNanoUsd }));
    if (found.some(({ now, amountNanoUsd }) => !now || now.unflushedNanoUsd < amountNanoUsd)) return false;
    let sum = 0n;
    for (const { now, amountNanoUsd } of found) {
      if (!now) continue;
      sum += amountNanoUsd;
      this.putLane({
        ...now,
        unflushedNanoUsd: now.unflushedNanoUsd - amountNanoUsd,
        escrowNanoUsd: now.escrowNanoUsd - amountNanoUsd,
      });
    }
    for (const key of first.lane.chain) this.move(key, { settled: sum });
    return true;
  }

  async unwatch(lane: LaneId, watched: readonly string[], lastUseEpochMs: number): Promise<void> {
    this.onCall('unwatch');
    const now = this.lanes.get(laneName(lane));
    if (!now || now.unflushedNanoUsd !== 0n || now.lastUseEpochMs !== lastUseEpochMs) return;
    this.putLane({ ...now, watched: now.watched.filter((entry) => !watched.includes(entry)) });
  }

  async closeLane(lane: LaneId, lastUseEpochMs: number): Promise<boolean> {
    this.onCall('closeLane');
    const now = this.lanes.get(laneName(lane));
    if (!now || now.escrowNanoUsd !== 0n || now.watched.length > 0 || now.lastUseEpochMs !== lastUseEpochMs) return false;
    return this.lanes.delete(laneName(lane));
  }

  async growLanes(lane0: LaneId, from: number): Promise<boolean> {
    this.onCall('growLanes');
    const now = this.lanes.get(laneName(lane0));
    if (now?.laneCount !== from) return false;
    this.putLane({ ...now, laneCount: from * 2 });
    return true;
  }

  async markDry(pot: PotKey, mark: DryMark): Promise<void> {
    this.onCall('markDry');
    const state = this.pots.get(pot);
    if (state) this.pots.set(pot, { ...state, dry: mark });
  }

  async raiseMarker(
    pot: PotTerm,
    marker: string,
    nowEpochMs: number,
    ifSettledNanoUsd?: NanoUsd,
    watchOn?: WatchOn,
  ): Promise<boolean> {
    this.onCall('raiseMarker');
    const state = this.pots.get(pot.key) ?? emptyPot(pot.key);
    if (state.alerts[marker]) return false;
    if (ifSettledNanoUsd !== undefined && state.settledNanoUsd < ifSettledNanoUsd) return false;
    this.pots.set(pot.key, { ...state, alerts: { ...state.alerts, [marker]: { status: 'PENDING', atEpochMs: nowEpochMs } } });
    if (watchOn !== undefined) {
      const { lane, chain } = watchOn;
      const terms = { ...chain, lane, chain: [chain.wallet, ...chain.limits], nowEpochMs };
      this.addSpend(terms, 0n, [`${pot.key}:${marker}`]);
    }
    return true;
  }

  async sendMarker(pot: PotKey, marker: string, nowEpochMs: number): Promise<void> {
    this.onCall('sendMarker');
    const state = this.pots.get(pot);
    if (!state) return;
    this.pots.set(pot, { ...state, alerts: { ...state.alerts, [marker]: { status: 'SENT', atEpochMs: nowEpochMs } } });
  }

  async noteLimit(pot: PotKey, limitNanoUsd: NanoUsd): Promise<void> {
    this.onCall('noteLimit');
    const state = this.pots.get(pot);
    if (state) this.pots.set(pot, { ...state, seenLimitNanoUsd: limitNanoUsd });
  }

  async topUp(record: TopUpRecord): Promise<TopUpOutcome> {
    checkTopUp(record);
    this.onCall('topUp');
    const earlier = this.topUps.get(record.id);
    if (earlier) {
      return { applied: false, reason: 'repeated', amountNanoUsd: earlier.amountNanoUsd, walletId: earlier.walletId };
    }
    const key = `wallet/${record.walletId}#life`;
    const before = this.pots.get(key) ?? emptyPot(key);
    const withdrawal = record.amountNanoUsd < 0n;
    if (withdrawal && before.availableNanoUsd < -record.amountNanoUsd) {
      return { applied: false, reason: 'short', availableNanoUsd: before.availableNanoUsd };
    }
    const { amountNanoUsd: amount } = record;
    const moved = applied(before, { available: amount, funded: amount, withdrawn: withdrawal ? -amount : 0n });
    const wallet = withdrawal ? moved : { ...moved, baseNanoUsd: before.settledNanoUsd };
    this.pots.set(key, wallet);
    this.topUps.set(record.id, record);
    return { applied: true, wallet };
  }

  async *allPots(): AsyncIterable<readonly PotState[]> {
    yield* pagesOf([...this.pots.values()]);
  }

  async *allLanes(): AsyncIterable<readonly LaneState[]> {
    yield* pagesOf([...this.lanes.values()]);
  }

  async *allEntries(): AsyncIterable<readonly Entry[]> {
    yield* pagesOf([...this.entries.values()]);
  }

  async *allTopUps(): AsyncIterable<readonly TopUpRecord[]> {
    yield* pagesOf([...this.topUps.values()]);
  }

  private move(key: PotKey, delta: PotDelta): void {
    this.pots.set(key, applied(this.pots.get(key) ?? emptyPot(key), delta));
  }

  private putLane(lane: LaneState): LaneState {
    this.lanes.set(laneName(lane.id), lane);
    return lane;
  }

  /** Ends a hold that is exactly as the caller knows it; undefined when it is not there. */
  private endHold(id: LaneId, hid: string, hold: Hold, charge: NanoUsd): LaneState | undefined {
    const lane = this.lanes.get(laneName(id));
    const held = lane?.holds.get(hid);
    if (!lane || !held || !sameHold(held, hold)) return undefined;
    for (const key of hold.direct) this.move(key, { committed: charge - hold.estimateNanoUsd, settled: charge });
    const holds = new Map(lane.holds);
    holds.delete(hid);
    return this.putLane({
      ...lane,
      watched: [...new Set([...lane.watched, ...hold.direct])],
      idleNanoUsd: lane.idleNanoUsd + hold.estimateNanoUsd - charge,
      unflushedNanoUsd: lane.unflushedNanoUsd + charge,
      holds,
    });
  }

  /** Puts late spend and what is to be watched into the lane of its chain, which may be long gone. */
  private addSpend(request: SpendOfLane, amount: NanoUsd, watched: readonly string[]): void {
    const before = this.lanes.get(laneName(request.lane)) ?? newLane(request.lane);
    this.putLane({
      ...before,
      escrowNanoUsd: before.escrowNanoUsd + amount,
      unflushedNanoUsd: before.unflushedNanoUsd + amount,
      watched: [...new Set([...before.watched, ...watched])],
      chain: request.chain.map((term) => term.key),
      walletId: request.walletId,
      groupId: request.groupId,
      providerId: request.providerId,
      lastUseEpochMs: request.nowEpochMs,
    });
  }
}

function newLane(id: LaneId): LaneState {
  return {
    id,
    idleNanoUsd: 0n,
    escrowNanoUsd: 0n,
    unflushedNanoUsd: 0n,
    holds: new Map(),
    watched: [],
    chain: [],
    walletId: '',
    groupId: '',
    providerId: '',
    lastUseEpochMs: 0,
    laneCount: 1,
  };
}

function laneName(lane: LaneId): string {
  return `${lane.chainHash}#${lane.n}`;
}

function sameHold(a: Hold, b: Hold): boolean {
  return (
    a.estimateNanoUsd === b.estimateNanoUsd &&
    a.direct.length === b.direct.length &&
    a.direct.every((key, i) => key === b.direct[i])
  );
}

function* pagesOf<T>(items: readonly T[]): Iterable<readonly T[]> {
  for (let i = 0; i < items.length; i += PAGE) yield items.slice(i, i + PAGE);
}
