/**
 * Fills a lane from the pots of its chain, for everybody who waits for that lane at once (single flight), in chunks that
 * adapt to how fast the lane is used. Refuses when a pot has no room and nothing can be recalled.
 */
import { type NanoUsd, maxOf } from '../domain/money.ts';
import { type Chain, type LaneId, type LaneState, type Pot, type PotKey, type PotState, roomNanoUsd } from '../domain/pots.ts';
import { Chunks, LEAST_ESTIMATES_AHEAD, withinShare } from './chunks.ts';
import { DryPots } from './dry-pots.ts';
import { BUSY_LANES, type LaneBook } from './lane-book.ts';
import { type Patience, type Persistence, backoffMs, isOver, persist } from './persistence.ts';
import { type LedgerStore, NotAppliedError, UnknownOutcomeError } from './ports.ts';
import { type TightPot, fitting, sumOf, tightestPot } from './pot-room.ts';
import { type LaneSums, recall } from './recall.ts';
import type { SpendWatch } from './spend-watch.ts';

/** Which pot refused, with what it and its lanes had then. */
export interface PotRefusal {
  readonly pot: Pot;
  readonly state: PotState | undefined;
  readonly sums: LaneSums;
  /** Of a user's pot, which is in no lane: the one that the call was for. */
  readonly lane?: LaneId;
}

export type FundResult = { readonly ok: true } | { readonly ok: false; readonly refusal: PotRefusal };

type GrantTry =
  | { readonly done: true }
  /** The flush did not fit: the lane as it is. */
  | { readonly done: false; readonly why: 'lane'; readonly lane: LaneState | undefined }
  | { readonly done: false; readonly why: 'pot' }
  | { readonly done: false; readonly why: 'conflict'; readonly error: NotAppliedError };

interface Waiter {
  readonly estimateNanoUsd: NanoUsd;
  /** The lane as the waiter's reserve found it; undefined when there was none. */
  readonly seen: LaneState | undefined;
  readonly patience: Patience;
  readonly resolve: (result: FundResult) => void;
  readonly reject: (error: unknown) => void;
}

const NOTHING: LaneSums = { idleNanoUsd: 0n, heldNanoUsd: 0n, unflushedNanoUsd: 0n };
const ROUNDS = 12;
/** A lane of a busy chain is refilled once it has less than a quarter of its last chunk. */
const REFILL_BELOW = 4n;

export class Grants {
  private readonly queues = new Map<string, Waiter[]>();
  readonly dry: DryPots;
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;
  private readonly watch: SpendWatch;
  private readonly book: LaneBook;
  private readonly chunks: Chunks;

  /** @param watch is told every pot that is read on the way, so that nobody has to read it again */
  constructor(store: LedgerStore, persistence: Persistence, watch: SpendWatch, book: LaneBook) {
    this.store = store;
    this.persistence = persistence;
    this.watch = watch;
    this.dry = new DryPots(store, persistence);
    this.book = book;
    this.chunks = new Chunks(book, persistence.clock);
  }

  /**
   * Makes room for `estimateNanoUsd` in a lane. Ok means: reserve again; another caller may still be faster.
   * @param patience nothing is tried again after it
   * @throws NotAppliedError or UnknownOutcomeError when the store stays away
   */
  fund(
    chain: Chain,
    lane: LaneId,
    estimateNanoUsd: NanoUsd,
    seen: LaneState | undefined,
    patience: Patience,
  ): Promise<FundResult> {
    const name = `${lane.chainHash}#${lane.n}`;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { estimateNanoUsd, seen, patience, resolve, reject };
      const queue = this.queues.get(name);
      if (queue !== undefined) {
        queue.push(waiter);
        return;
      }
      const started = [waiter];
      this.queues.set(name, started);
      void this.serve(chain, lane, started, name);
    });
  }

  /** Serves the queue of one lane, whoever joins meanwhile included. Never rejects. */
  private async serve(chain: Chain, lane: LaneId, queue: Waiter[], name: string): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0);
      try {
        const unserved = await this.grantFor(chain, lane, batch);
        queue.unshift(...unserved);
      } catch (error) {
        for (const waiter of batch) waiter.reject(error);
      }
    }
    this.queues.delete(name);
  }

  /** One grant for as many waiters as fit, first come first served; the others come back. A head that cannot fit is refused. */
  private async grantFor(chain: Chain, laneId: LaneId, batch: readonly Waiter[]): Promise<readonly Waiter[]> {
    const [head] = batch;
    if (head === undefined) return [];
    const persistence = { ...this.persistence, ...head.patience };
    const pots = [chain.wallet, ...chain.limits];
    let lane = batch.findLast((waiter) => waiter.seen !== undefined)?.seen;
    let exact = false;
    let fresh = false;
    let contended = false;
    let short: PotRefusal | undefined;
    for (let round = 0; round < ROUNDS; round += 1) {
      const states = await persist(() => this.readPots(pots, fresh), persistence);
      const tightest = tightestPot(pots, states);
      const room = tightest?.roomNanoUsd;
      const idle = lane?.idleNanoUsd ?? 0n;
      const served = fitting(batch, idle, room);
      if (served.length === 0 && tightest !== undefined) {
        const state = states.get(tightest.pot.key);
        const sums = this.dry.find(tightest.pot, state, head.estimateNanoUsd);
        if (sums !== undefined) {
          return refuse(batch, tightest.roomNanoUsd + maxOf(idle, sums.idleNanoUsd), { pot: tightest.pot, state, sums });
        }
        // An eventual read may lag behind a top-up or a settlement: nobody is refused on it.
        if (!fresh) {
          fresh = true;
          continue;
        }
        const refusal = await this.makeRoom(tightest, state, chain, laneId, head.estimateNanoUsd - idle, persistence);
        short = refusal ?? { pot: tightest.pot, state, sums: NOTHING };
        if (refusal === undefined) {
          // What was freed is for whoever is first: with many callers near the end, not at the same instant.
          if (round > 0) await this.persistence.clock.sleep(backoffMs(round, this.persistence.random));
          continue;
        }
        // What this lane has may have grown since the head saw it short: look once more before refusing.
        const now = await persist(() => this.store.readLane(laneId, { consistent: true }), persistence);
        if ((now?.idleNanoUsd ?? 0n) >= head.estimateNanoUsd) {
          head.resolve({ ok: true });
          return batch.slice(1);
        }
        if (now !== undefined && now.idleNanoUsd > idle) {
          lane = now;
          continue;
        }
        return refuse(batch, idle + tightest.roomNanoUsd, refusal);
      }
      const need = maxOf(0n, sumOf(served) - idle);
      const draw = {
        chain,
        laneId,
        lane,
        needNanoUsd: need,
        estimateNanoUsd: head.estimateNanoUsd,
        roomNanoUsd: room,
        contended,
      };
      const amount = exact ? need : this.chunks.of(draw);
      const granted = await this.tryGrant(chain, laneId, pots, amount, lane, persistence);
      if (granted.done) {
        this.chunks.remember(chain, laneId, amount);
        for (const waiter of served) waiter.resolve({ ok: true });
        return batch.slice(served.length);
      }
      if (isOver(persistence, granted.why === 'conflict' ? granted.error : undefined)) break;
      if (granted.why === 'pot') {
        exact = true;
        fresh = true;
      }
      if (granted.why === 'lane') lane = granted.lane;
      await this.persistence.clock.sleep(backoffMs(round, this.persistence.random));
      if (granted.why !== 'conflict') continue;
      contended = true;
      // Who was in the way may have filled this very lane.
      lane = await persist(() => this.store.readLane(laneId, { consistent: true }), persistence);
      if (lane !== undefined && lane.idleNanoUsd >= head.estimateNanoUsd && lane.idleNanoUsd > idle) {
        this.book.note(lane, this.persistence.clock.now());
        head.resolve({ ok: true });
        return batch.slice(1);
      }
    }
    // Others were faster each time: that is a refusal, and not a ledger that is away.
    if (short !== undefined) return refuse([head], 0n, short).concat(batch.slice(1));
    throw new NotAppliedError(`no grant for lane ${laneId.chainHash}#${laneId.n} in ${ROUNDS} rounds or in time`);
  }

  /**
   * Refills a lane of a busy chain before a call finds it short: the call need not wait for the pots then. One try: whoever is
   * in the way may be doing the same.
   */
  async refillAhead(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd): Promise<void> {
    const chunk = lane.lastGrantNanoUsd ?? 0n;
    const name = `${lane.id.chainHash}#${lane.id.n}`;
    if (this.book.countOf(chain.hash) < BUSY_LANES || chunk < LEAST_ESTIMATES_AHEAD * estimateNanoUsd) return;
    if (lane.idleNanoUsd * REFILL_BELOW > chunk || this.queues.has(name)) return;
    const queue: Waiter[] = [];
    this.queues.set(name, queue);
    try {
      if (await this.tryRefill(chain, lane, estimateNanoUsd)) for (const waiter of queue.splice(0)) waiter.resolve({ ok: true });
    } finally {
      // Those who came meanwhile are served, whatever became of it.
      void this.serve(chain, lane.id, queue, name);
    }
  }

  private async tryRefill(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd): Promise<boolean> {
    const pots = [chain.wallet, ...chain.limits];
    const room = tightestPot(pots, await this.readPots(pots, false))?.roomNanoUsd;
    const draw = { chain, laneId: lane.id, lane, needNanoUsd: 0n, estimateNanoUsd, roomNanoUsd: room, contended: false };
    const amount = this.chunks.of(draw);
    if (amount < LEAST_ESTIMATES_AHEAD * estimateNanoUsd) return false;
    const granted = await this.tryGrant(chain, lane.id, pots, amount, lane, this.persistence);
    if (granted.done) this.chunks.remember(chain, lane.id, amount);
    return granted.done;
  }

  /**
   * Fills a lane of the next window before it begins: an ordinary grant, only where no lane is yet. Skipped when the room is
   * less than one estimate. Best effort: without it the window's first call grants.
   */
  async grantAhead(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd): Promise<void> {
    const laneId: LaneId = { chainHash: chain.hash, n: lane.id.n };
    // A transaction for what another process has done already would only be in everybody's way.
    if ((await this.store.readLane(laneId)) !== undefined) return;
    const pots = [chain.wallet, ...chain.limits];
    const states = await this.readPots(pots, false);
    const chunk = lane.lastGrantNanoUsd ?? 0n;
    const lanes = this.book.countOf(lane.id.chainHash);
    const amountNanoUsd = withinShare(chunk, tightestPot(pots, states)?.roomNanoUsd, lanes);
    if (amountNanoUsd < estimateNanoUsd) return;
    await this.store.grant({
      lane: laneId,
      chain,
      pots,
      amountNanoUsd,
      flushNanoUsd: 0n,
      nowEpochMs: this.persistence.clock.now(),
      onlyIfNew: true,
    });
  }

  private async tryGrant(
    chain: Chain,
    laneId: LaneId,
    pots: readonly Pot[],
    amountNanoUsd: NanoUsd,
    lane: LaneState | undefined,
    persistence: Persistence,
  ): Promise<GrantTry> {
    // A lane that is not there is made, if only with nothing: a call that costs nothing needs one too.
    if (amountNanoUsd === 0n && lane !== undefined) return { done: true };
    try {
      const outcome = await this.store.grant({
        lane: laneId,
        chain,
        pots,
        amountNanoUsd,
        flushNanoUsd: lane?.unflushedNanoUsd ?? 0n,
        nowEpochMs: this.persistence.clock.now(),
      });
      if (outcome.ok) {
        if (lane !== undefined) this.watch.noteFlushed(pots, lane);
        return { done: true };
      }
      // Without a lane in the answer there is none any more: what was known of it, its spend to flush included, is gone too.
      return outcome.reason === 'lane' ? { done: false, why: 'lane', lane: outcome.lane } : { done: false, why: 'pot' };
    } catch (error) {
      if (error instanceof NotAppliedError) return { done: false, why: 'conflict', error };
      // Nobody knows: reserve and see. Granted twice, it is only idle money that a recall or the keeper takes back.
      if (error instanceof UnknownOutcomeError && !isOver(persistence, error)) return { done: true };
      throw error;
    }
  }

  /** Frees `need` in the tightest pot. Undefined: look again. Otherwise the facts of the refusal. */
  private async makeRoom(
    tightest: TightPot,
    before: PotState | undefined,
    chain: Chain,
    lane: LaneId,
    needNanoUsd: NanoUsd,
    persistence: Persistence,
  ): Promise<PotRefusal | undefined> {
    const { pot } = tightest;
    const now = this.persistence.clock.now();
    const result = await recall(this.store, persistence, pot, chain, lane, needNanoUsd - tightest.roomNanoUsd);
    if (result.freedNanoUsd > 0n) return undefined;
    // Others may have given money back since the pot was read, or flushed since: the refusal tells what is true after the look.
    const state = (await persist(() => this.readPots([pot], true), persistence)).get(pot.key);
    if ((roomNanoUsd(pot, state) ?? 0n) > tightest.roomNanoUsd) return undefined;
    await this.dry.note(pot, result, before?.settledNanoUsd ?? 0n, now, state);
    return { pot, state, sums: result };
  }

  private async readPots(pots: readonly Pot[], consistent: boolean): Promise<ReadonlyMap<PotKey, PotState>> {
    const states = await this.store.readPots(
      pots.map((pot) => pot.key),
      { consistent },
    );
    this.watch.notePots(states, this.persistence.clock.now());
    return states;
  }
}

/** Nothing could be recalled, so nobody who asks for more than is left gets it. The others come back. */
function refuse(batch: readonly Waiter[], leftNanoUsd: NanoUsd, refusal: PotRefusal): readonly Waiter[] {
  const short = batch.filter((waiter) => waiter.estimateNanoUsd > leftNanoUsd);
  for (const waiter of short) waiter.resolve({ ok: false, refusal });
  return batch.filter((waiter) => !short.includes(waiter));
}
