/**
 * Fills a lane from the pots of its chain, for everybody who waits for that lane at once (single flight), in chunks that
 * adapt to how fast the lane is used. Refuses when a pot has no room and nothing can be recalled.
 */
import { type NanoUsd, maxOf, minOf } from '../domain/money.ts';
import { type Chain, type LaneId, type LaneState, type Pot, type PotKey, type PotState, roomNanoUsd } from '../domain/pots.ts';
import { DryPots } from './dry-pots.ts';
import { type Patience, type Persistence, backoffMs, isOver, persist } from './persistence.ts';
import { type LedgerStore, NotAppliedError, UnknownOutcomeError } from './ports.ts';
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

interface Chunk {
  readonly amountNanoUsd: NanoUsd;
  readonly atEpochMs: number;
}

interface Waiter {
  readonly estimateNanoUsd: NanoUsd;
  /** The lane as the waiter's reserve found it; undefined when there was none. */
  readonly seen: LaneState | undefined;
  readonly patience: Patience;
  readonly resolve: (result: FundResult) => void;
  readonly reject: (error: unknown) => void;
}

const NOTHING: LaneSums = { idleNanoUsd: 0n, heldNanoUsd: 0n, unflushedNanoUsd: 0n };
const QUICK_REFILL_MS = 60_000;
const SLOW_REFILL_MS = 300_000;
const MOST_ESTIMATES_A_CHUNK = 50n;
const ROUNDS = 12;

export class Grants {
  private readonly queues = new Map<string, Waiter[]>();
  readonly dry: DryPots;
  /** Chunk of the last grant by line and lane number: what the next window's first grant starts from. */
  private readonly lastChunks = new Map<string, Chunk>();
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;
  private readonly watch: SpendWatch;

  /** @param watch is told every pot that is read on the way, so that nobody has to read it again */
  constructor(store: LedgerStore, persistence: Persistence, watch: SpendWatch) {
    this.store = store;
    this.persistence = persistence;
    this.watch = watch;
    this.dry = new DryPots(store, persistence);
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
      const amount = exact ? need : this.chunk(chain, laneId, lane, need, head.estimateNanoUsd, room);
      const granted = await this.tryGrant(chain, laneId, pots, amount, lane, persistence);
      if (granted.done) {
        this.rememberChunk(chain, laneId, amount);
        for (const waiter of served) waiter.resolve({ ok: true });
        return batch.slice(served.length);
      }
      if (isOver(persistence, granted.error)) break;
      exact = true;
      fresh = true;
      if (granted.met !== undefined) lane = granted.met.lane;
      await this.persistence.clock.sleep(backoffMs(round, this.persistence.random));
    }
    // Others were faster each time: that is a refusal, and not a ledger that is away.
    if (short !== undefined) return refuse([head], 0n, short).concat(batch.slice(1));
    throw new NotAppliedError(`no grant for lane ${laneId.chainHash}#${laneId.n} in ${ROUNDS} rounds or in time`);
  }

  /** A new window's lane starts from the chunk of the old one's, and not from the bottom. */
  private chunk(
    chain: Chain,
    laneId: LaneId,
    lane: LaneState | undefined,
    need: NanoUsd,
    estimate: NanoUsd,
    room: NanoUsd | undefined,
  ): NanoUsd {
    const now = this.persistence.clock.now();
    const before = this.lastChunks.get(`${chain.line}#${laneId.n}`);
    const inherits = lane?.lastGrantNanoUsd === undefined && before !== undefined && now - before.atEpochMs < SLOW_REFILL_MS;
    if (!inherits) return chunkNanoUsd(need, estimate, room, lane, now);
    const share = room === undefined ? before.amountNanoUsd : room / (4n * BigInt(Math.max(1, lane?.laneCount ?? 1)));
    return maxOf(need, minOf(before.amountNanoUsd, MOST_ESTIMATES_A_CHUNK * estimate, share));
  }

  private rememberChunk(chain: Chain, laneId: LaneId, amountNanoUsd: NanoUsd): void {
    if (amountNanoUsd === 0n) return;
    if (this.lastChunks.size >= 10_000) this.lastChunks.clear();
    this.lastChunks.set(`${chain.line}#${laneId.n}`, { amountNanoUsd, atEpochMs: this.persistence.clock.now() });
  }

  /**
   * Fills a lane of the next window before it begins: an ordinary grant, only where no lane is yet. Skipped when the room is
   * less than one estimate. Best effort: without it the window's first call grants.
   */
  async grantAhead(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd): Promise<void> {
    const pots = [chain.wallet, ...chain.limits];
    const states = await this.readPots(pots, false);
    const room = tightestPot(pots, states)?.roomNanoUsd;
    const chunk = lane.lastGrantNanoUsd ?? 0n;
    const share = room === undefined ? chunk : room / (4n * BigInt(Math.max(1, lane.laneCount)));
    const amountNanoUsd = minOf(chunk, share);
    if (amountNanoUsd < estimateNanoUsd) return;
    await this.store.grant({
      lane: { chainHash: chain.hash, n: lane.id.n },
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
  ): Promise<{
    readonly done: boolean;
    readonly met?: { readonly lane: LaneState | undefined };
    readonly error?: NotAppliedError;
  }> {
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
      return outcome.reason === 'lane' ? { done: false, met: { lane: outcome.lane } } : { done: false };
    } catch (error) {
      if (error instanceof NotAppliedError) return { done: false, error };
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

interface TightPot {
  readonly pot: Pot;
  readonly roomNanoUsd: NanoUsd;
}

/** The enforced pot with the least room; undefined when no pot of the chain is enforced. */
function tightestPot(pots: readonly Pot[], states: ReadonlyMap<PotKey, PotState>): TightPot | undefined {
  return pots.reduce<TightPot | undefined>((tightest, pot) => {
    const room = roomNanoUsd(pot, states.get(pot.key));
    if (room === undefined) return tightest;
    return tightest === undefined || room < tightest.roomNanoUsd ? { pot, roomNanoUsd: room } : tightest;
  }, undefined);
}

/** Nothing could be recalled, so nobody who asks for more than is left gets it. The others come back. */
function refuse(batch: readonly Waiter[], leftNanoUsd: NanoUsd, refusal: PotRefusal): readonly Waiter[] {
  const short = batch.filter((waiter) => waiter.estimateNanoUsd > leftNanoUsd);
  for (const waiter of short) waiter.resolve({ ok: false, refusal });
  return batch.filter((waiter) => !short.includes(waiter));
}

function sumOf(waiters: readonly Waiter[]): NanoUsd {
  return waiters.reduce((sum, waiter) => sum + waiter.estimateNanoUsd, 0n);
}

/** The longest run of waiters from the head that the lane's idle money and the pots' room can pay together. */
function fitting(batch: readonly Waiter[], idle: NanoUsd, room: NanoUsd | undefined): readonly Waiter[] {
  if (room === undefined) return batch;
  let sum = 0n;
  const end = batch.findIndex((waiter) => {
    sum += waiter.estimateNanoUsd;
    const short = sum - idle;
    return short > 0n && short > room;
  });
  return end === -1 ? batch : batch.slice(0, end);
}

/**
 * How much to draw: what is needed, or a chunk that doubles when the last one lasted less than a minute, at most
 * 50 estimates and a quarter of the room shared by the chain's lanes.
 */
export function chunkNanoUsd(
  need: NanoUsd,
  estimate: NanoUsd,
  room: NanoUsd | undefined,
  lane: Pick<LaneState, 'lastGrantNanoUsd' | 'lastGrantEpochMs' | 'laneCount'> | undefined,
  nowEpochMs: number,
): NanoUsd {
  const last = lane?.lastGrantNanoUsd;
  if (lane === undefined || last === undefined) return need;
  const sinceMs = nowEpochMs - (lane.lastGrantEpochMs ?? nowEpochMs);
  const chunk = sinceMs < QUICK_REFILL_MS ? last * 2n : sinceMs > SLOW_REFILL_MS ? last / 2n : last;
  const share = room === undefined ? chunk : room / (4n * BigInt(Math.max(1, lane.laneCount)));
  return maxOf(need, minOf(chunk, MOST_ESTIMATES_A_CHUNK * estimate, share));
}
