/**
 * What this process knows of lanes from the answers it got: how many a chain has, how full each was, what it had. Hints only:
 * they spare refused reserves; the store's conditions decide.
 */
import type { NanoUsd } from '../domain/money.ts';
import { type LaneState, MAX_HOLDS_PER_LANE, type PotKey } from '../domain/pots.ts';

/** From so many lanes on (over a hundred calls in flight) a chain's grants must spare its pots. */
export const BUSY_LANES = 8;
/** Others use the lanes of a busy chain too, and what was seen longer ago may have filled up anywhere: so many holds are left to them. */
const MARGIN_HOLDS = 4;
const FRESH_MS = 1_000;
/** A chain not used for so long asks its pots no more. */
const IN_USE_MS = 60_000;
const MOST_CHAINS = 10_000;
const MOST_LANES = 100_000;

/** For whom a lane is wanted. */
export interface LaneChoice {
  readonly hash: string;
  readonly estimateNanoUsd: NanoUsd;
  /** Lanes that will not do. */
  readonly avoid: ReadonlySet<number>;
  readonly nowEpochMs: number;
}

interface SeenLane {
  readonly holds: number;
  readonly idleNanoUsd: NanoUsd;
  readonly atEpochMs: number;
}

interface SeenChain {
  count: number;
  readonly lanes: Map<number, SeenLane>;
  pots: readonly PotKey[];
  seenEpochMs: number;
  lastGrantNanoUsd?: NanoUsd;
}

export class LaneBook {
  private readonly chains = new Map<string, SeenChain>();
  private known = 0;

  /** A lane as an answer showed it. */
  note(lane: LaneState, nowEpochMs: number): void {
    const chain = this.chain(lane.id.chainHash);
    if (lane.id.n === 0 && lane.laneCount > chain.count) chain.count = lane.laneCount;
    if (!chain.lanes.has(lane.id.n)) this.known += 1;
    chain.lanes.set(lane.id.n, { holds: lane.holds.size, idleNanoUsd: lane.idleNanoUsd, atEpochMs: nowEpochMs });
    chain.pots = lane.chain;
    chain.seenEpochMs = nowEpochMs;
    if (lane.lastGrantNanoUsd !== undefined) chain.lastGrantNanoUsd = lane.lastGrantNanoUsd;
  }

  /** How many lanes the chain has, as far as is known: a cold process starts with one and learns. */
  countOf(hash: string): number {
    return this.chains.get(hash)?.count ?? 1;
  }

  learnCount(hash: string, count: number): void {
    const chain = this.chain(hash);
    chain.count = Math.max(chain.count, count);
  }

  /** How many lanes ask the most asked pot of the chain: those of other chains too, as far as this process has used them lately. */
  askersOf(hash: string, nowEpochMs: number): number {
    const asked = new Map((this.chains.get(hash)?.pots ?? []).map((pot) => [pot, 0]));
    for (const chain of this.chains.values()) {
      if (nowEpochMs - chain.seenEpochMs > IN_USE_MS) continue;
      for (const pot of chain.pots) {
        const lanes = asked.get(pot);
        if (lanes !== undefined) asked.set(pot, lanes + chain.count);
      }
    }
    return Math.max(this.countOf(hash), ...asked.values());
  }

  /** What the chain's lanes are granted at a time, as last seen on any of them. */
  lastGrantOf(hash: string): NanoUsd | undefined {
    return this.chains.get(hash)?.lastGrantNanoUsd;
  }

  /**
   * The lane to try: one with room and money, else with room, else one that nobody here has seen, else any. Undefined when all
   * are to be avoided.
   * @param fraction draws from [0, 1)
   */
  pick(choice: LaneChoice, fraction: () => number): number | undefined {
    const { funded, short, unseen, full } = this.tiers(choice);
    return this.emptier(choice.hash, [funded, short, unseen, full].find((lanes) => lanes.length > 0) ?? [], fraction);
  }

  /** A lane that has the money as far as is known, and in a busy chain one that nobody here has seen. */
  pickFunded(choice: LaneChoice, fraction: () => number): number | undefined {
    const { funded, unseen } = this.tiers(choice);
    const maybe = this.countOf(choice.hash) >= BUSY_LANES ? unseen : [];
    return this.emptier(choice.hash, funded.length > 0 ? funded : maybe, fraction);
  }

  private tiers({ hash, estimateNanoUsd, avoid, nowEpochMs }: LaneChoice) {
    const chain = this.chains.get(hash);
    const sorted = { funded: [] as number[], short: [] as number[], unseen: [] as number[], full: [] as number[] };
    const count = this.countOf(hash);
    for (let n = 0; n < count; n += 1) {
      if (avoid.has(n)) continue;
      const seen = chain?.lanes.get(n);
      if (seen === undefined) sorted.unseen.push(n);
      else if (!hasRoom(seen, count, nowEpochMs)) sorted.full.push(n);
      else (seen.idleNanoUsd >= estimateNanoUsd ? sorted.funded : sorted.short).push(n);
    }
    return sorted;
  }

  /** Of two lanes drawn the emptier one: always the emptiest would draw all processes to the same lane. */
  private emptier(hash: string, lanes: readonly number[], fraction: () => number): number | undefined {
    if (lanes.length === 0) return undefined;
    const one = draw(lanes, fraction);
    const other = lanes.length === 1 ? one : draw(lanes, fraction);
    const holds = (n: number | undefined): number => (n === undefined ? 0 : (this.chains.get(hash)?.lanes.get(n)?.holds ?? 0));
    return holds(other) < holds(one) ? other : one;
  }

  private chain(hash: string): SeenChain {
    const seen = this.chains.get(hash);
    if (seen !== undefined) return seen;
    if (this.chains.size >= MOST_CHAINS || this.known >= MOST_LANES) {
      this.chains.clear();
      this.known = 0;
    }
    const made: SeenChain = { count: 1, lanes: new Map(), pots: [], seenEpochMs: Number.NEGATIVE_INFINITY };
    this.chains.set(hash, made);
    return made;
  }
}

function hasRoom(seen: SeenLane, lanes: number, nowEpochMs: number): boolean {
  const alone = lanes < BUSY_LANES && nowEpochMs - seen.atEpochMs <= FRESH_MS;
  const margin = alone ? 0 : MARGIN_HOLDS;
  return seen.holds + margin < MAX_HOLDS_PER_LANE;
}

function draw(pool: readonly number[], fraction: () => number): number | undefined {
  return pool[Math.floor(fraction() * pool.length)];
}
