/**
 * The housekeeper of the ledger: one pass settles what handlers left, ends expired holds, flushes spend, takes idle money home,
 * raises alerts and closes empty lanes. Any number may run at any time; each step is conditional.
 */
import { currentPots, potOfKey } from '../domain/chains.ts';
import { type Entry, holdExpiryEpochSeconds } from '../domain/entries.ts';
import type { Policy } from '../domain/policy.ts';
import { type Hold, type LaneId, type LaneState, type Pot, type PotKey, heldNanoUsd, watchedPot } from '../domain/pots.ts';
import type { AlertDesk, Reporter } from './alert-desk.ts';
import { type Persistence, isTransient, persist } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { settleHold } from './settlement.ts';

export interface KeeperDeps {
  readonly store: LedgerStore;
  readonly alerts: AlertDesk;
  readonly persistence: Persistence;
  readonly reporter: Reporter;
  /** A lane not used for so long gives its money back. */
  readonly idleAfterMs?: number;
}

export interface KeeperReport {
  readonly lanes: number;
  /** Holds settled from an entry that a handler had written. */
  readonly settled: number;
  readonly released: number;
  readonly charged: number;
  readonly flushed: number;
  readonly closed: number;
  /** Lanes whose sums do not agree: a defect, alarmed. */
  readonly drifted: number;
  /** Lanes that the store would not let it finish: the next pass does. */
  readonly unfinished: number;
  /** False when the deadline came first. */
  readonly complete: boolean;
}

const IDLE_AFTER_MS = 300_000;
/** A window that ended so recently may have a refusal's alert that was not sent. */
const JUST_ENDED_MS = 900_000;
/** DynamoDB takes 100 items in a transaction; 25 lanes leave room for every pot of a chain. */
const MOST_LANES_A_FLUSH = 25;

type Counts = { -readonly [K in keyof Omit<KeeperReport, 'complete'>]: number };

export class Keeper {
  private readonly deps: KeeperDeps;
  private readonly idleAfterMs: number;

  constructor(deps: KeeperDeps) {
    this.deps = deps;
    this.idleAfterMs = deps.idleAfterMs ?? IDLE_AFTER_MS;
  }

  /**
   * One pass over all open lanes.
   * @param untilEpochMs stops between two pages after this instant; the next pass begins anew
   */
  async pass(policy: Policy, untilEpochMs = Number.POSITIVE_INFINITY): Promise<KeeperReport> {
    const counts: Counts = { lanes: 0, settled: 0, released: 0, charged: 0, flushed: 0, closed: 0, drifted: 0, unfinished: 0 };
    const checked = new Map<PotKey, Pot>();
    let complete = true;
    for await (const page of this.deps.store.openLanes()) {
      // Lanes of one chain together: they are flushed in one transaction, soon after they were read.
      const ids = page.toSorted((a, b) => (a.chainHash < b.chainHash ? -1 : a.chainHash > b.chainHash ? 1 : a.n - b.n));
      for (let at = 0; at < ids.length; at += MOST_LANES_A_FLUSH) {
        const before = await Promise.all(ids.slice(at, at + MOST_LANES_A_FLUSH).map((id) => this.look(id, counts)));
        await this.keepSome(
          policy,
          before.filter((lane) => lane !== undefined),
          counts,
          checked,
        );
      }
      if (this.deps.persistence.clock.now() >= untilEpochMs) {
        complete = false;
        break;
      }
    }
    // Pots without an open lane: a limit that was changed, a refusal's alert that was not sent.
    const now = this.deps.persistence.clock.now();
    const others = [...currentPots(policy, now), ...currentPots(policy, now - JUST_ENDED_MS)].filter(
      (pot) => !checked.has(pot.key),
    );
    const once = [...new Map(others.map((pot) => [pot.key, pot])).values()];
    await this.guard(counts, () => this.deps.alerts.check(policy, once));
    return { ...counts, complete };
  }

  private look(id: LaneId, counts: Counts): Promise<LaneState | undefined> {
    return this.guard(counts, () => this.deps.store.readLane(id, { consistent: true }));
  }

  /** Checks a lane and ends its holds. Gives the lane after it. */
  private async keepLane(policy: Policy, lane: LaneState, counts: Counts): Promise<LaneState | undefined> {
    counts.lanes += 1;
    this.verify(lane, counts);
    for (const [hid, hold] of lane.holds) await this.guard(counts, () => this.keepHold(policy, lane, hid, hold, counts));
    return lane.holds.size > 0 ? this.look(lane.id, counts) : lane;
  }

  private async keepSome(policy: Policy, before: readonly LaneState[], counts: Counts, checked: Map<PotKey, Pot>): Promise<void> {
    const kept = await Promise.all(before.map((lane) => this.keepLane(policy, lane, counts)));
    const after = kept.filter((lane) => lane !== undefined);
    const touched = new Set<PotKey>([
      ...before.flatMap((lane) => lane.chain),
      ...after.flatMap((lane) => lane.watched.map(watchedPot)),
    ]);
    await this.flush(after, counts);
    for (const lane of after) {
      if (this.isIdle(lane) && lane.idleNanoUsd > 0n)
        await this.guard(counts, () => this.deps.store.giveBack(lane, lane.idleNanoUsd));
    }
    const pots = [...touched].map((key) => potOfKey(policy, key)).filter((pot) => pot !== undefined);
    for (const pot of pots) checked.set(pot.key, pot);
    const result = await this.guard(counts, () => this.deps.alerts.check(policy, pots));
    // A limit below what is out already: nothing more is spent than what calls in flight hold.
    const over = new Set(
      pots
        .filter(
          (pot) =>
            pot.hardLimitNanoUsd !== undefined && (result?.states.get(pot.key)?.committedNanoUsd ?? 0n) > pot.hardLimitNanoUsd,
        )
        .map((pot) => pot.key),
    );
    for (const lane of after) {
      if (lane.idleNanoUsd > 0n && lane.chain.some((key) => over.has(key)))
        await this.guard(counts, () => this.deps.store.giveBack(lane, lane.idleNanoUsd));
    }
    if (result?.clean !== true) return;
    for (const lane of after) {
      if (lane.watched.length > 0)
        await this.guard(counts, () => this.deps.store.unwatch(lane.id, lane.watched, lane.lastUseEpochMs));
    }
    // Only lanes that were empty when this pass first looked: their spend was flushed before the alerts were checked.
    for (const lane of before) {
      if (lane.escrowNanoUsd !== 0n || lane.holds.size > 0 || !this.isIdle(lane)) continue;
      if (await this.guard(counts, () => this.deps.store.closeLane(lane.id, lane.lastUseEpochMs))) counts.closed += 1;
    }
  }

  /** A hold with an entry is settled at once; one without is decided by policy after its expiry. */
  private async keepHold(policy: Policy, lane: LaneState, hid: string, hold: Hold, counts: Counts): Promise<void> {
    const { store, persistence } = this.deps;
    const entry = await store.readEntry(hid);
    if (entry !== undefined) {
      if (entry.status !== 'FINAL' && entry.status !== 'VOID') {
        const now = await store.readLane(lane.id, { consistent: true });
        if (now?.holds.has(hid) !== true) return;
        this.deps.reporter.error('hold stands although its entry was decided', { hid, status: entry.status });
        return;
      }
      await settleHold(store, persistence, { lane: lane.id, hid, ...hold }, entry);
      counts.settled += 1;
      return;
    }
    const now = persistence.clock.now();
    if (holdExpiryEpochSeconds(hid) * 1_000 > now) return;
    const charges = policy.costTracking.unknownOutcome === 'charge';
    const ended = await store.expire(lane.id, hold, expiryEntry(lane, hid, hold, charges, now));
    if (!ended) return;
    if (charges) counts.charged += 1;
    else counts.released += 1;
  }

  private async flush(lanes: readonly LaneState[], counts: Counts): Promise<void> {
    const due = lanes.filter((lane) => lane.unflushedNanoUsd !== 0n);
    const byChain = Map.groupBy(due, (lane) => lane.id.chainHash);
    for (const chainLanes of byChain.values()) {
      for (let at = 0; at < chainLanes.length; at += MOST_LANES_A_FLUSH) {
        const batch = chainLanes.slice(at, at + MOST_LANES_A_FLUSH);
        if (await this.guard(counts, () => this.flushLanes(batch))) counts.flushed += batch.length;
        else for (const lane of batch) if (await this.guard(counts, () => this.flushLanes([lane]))) counts.flushed += 1;
      }
    }
  }

  private flushLanes(lanes: readonly LaneState[]): Promise<boolean> {
    const moves = lanes.map((lane) => ({ lane, amountNanoUsd: lane.unflushedNanoUsd }));
    return persist(() => this.deps.store.flush(moves), this.deps.persistence);
  }

  private isIdle(lane: LaneState): boolean {
    return this.deps.persistence.clock.now() - lane.lastUseEpochMs > this.idleAfterMs;
  }

  private verify(lane: LaneState, counts: Counts): void {
    if (lane.escrowNanoUsd === lane.idleNanoUsd + heldNanoUsd(lane) + lane.unflushedNanoUsd) return;
    counts.drifted += 1;
    this.deps.reporter.error('lane does not add up: escrow is not idle + holds + unflushed', {
      lane: `${lane.id.chainHash}#${lane.id.n}`,
    });
  }

  /** What the store will not do now is left to the next pass; the rest of this one goes on. */
  private async guard<T>(counts: Counts, step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      counts.unfinished += 1;
      if (!isTransient(error))
        this.deps.reporter.error('a lane or pot could not be kept', { reason: error instanceof Error ? error.name : 'unknown' });
      return undefined;
    }
  }
}

function expiryEntry(lane: LaneState, hid: string, hold: Hold, charges: boolean, now: number): Entry {
  return {
    hid,
    status: charges ? 'ESTIMATED' : 'RELEASED',
    chargeNanoUsd: charges ? hold.estimateNanoUsd : 0n,
    lossNanoUsd: 0n,
    estimateNanoUsd: hold.estimateNanoUsd,
    lane: lane.id,
    chain: lane.chain,
    direct: hold.direct,
    atEpochMs: now,
    detail: { outcome: 'expired', group: lane.groupId, provider: lane.providerId, estimated: charges },
  };
}
