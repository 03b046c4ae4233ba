/**
 * Takes the money of one call: picks a lane, reserves in one conditional write, and fills the lane when it is short.
 * Every physical send has its own hold id, so that a lost reply can never be paid twice.
 */
import { makeHoldId } from '../domain/entries.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { Chain, Hold, LaneId, LaneState, PotKey } from '../domain/pots.ts';
import type { Grants, PotRefusal } from './grants.ts';
import type { LaneBook } from './lane-book.ts';
import type { PendingVoids } from './pending-voids.ts';
import { type Patience, type Persistence, backoffMs, isOver, isTransient } from './persistence.ts';
import { type LedgerStore, NotAppliedError, type ReserveOutcome, UnknownOutcomeError } from './ports.ts';

export type LaneHoldResult =
  | { readonly ok: true; readonly hid: string; readonly lane: LaneId; readonly hold: Hold; readonly state?: LaneState }
  | { readonly ok: false; readonly refusal: PotRefusal };

export interface LaneLimits {
  /** Most lanes of one chain: 16 calls in flight each. */
  readonly mostLanes: number;
  /** How long one hold may be tried while the store answers, if only with conflicts and throttling, ms. */
  readonly patienceMs: number;
  /** How long while it says nothing, ms. */
  readonly silenceMs: number;
}

export const DEFAULT_LANE_LIMITS: LaneLimits = { mostLanes: 1_024, patienceMs: 8_000, silenceMs: 3_000 };
const MOST_LOST_REPLIES = 2;
/** Lanes passed over, for a conflict before the call waits, for want of money before it asks the pots. */
const MOST_SIDESTEPS = 2;

export class Lanes {
  private readonly store: LedgerStore;
  private readonly grants: Grants;
  private readonly voids: PendingVoids;
  private readonly persistence: Persistence;
  private readonly book: LaneBook;
  private readonly limits: LaneLimits;

  constructor(
    store: LedgerStore,
    grants: Grants,
    voids: PendingVoids,
    persistence: Persistence,
    book: LaneBook,
    limits: LaneLimits,
  ) {
    this.store = store;
    this.grants = grants;
    this.voids = voids;
    this.book = book;
    this.persistence = persistence;
    this.limits = limits;
  }

  /**
   * @param expiresAtEpochSeconds when the keeper may decide the hold
   * @param patience when the ledger counts as away; several wallets share one
   * @param onLeftToKeeper called when a hold that nobody was given could not be declared void at once
   * @throws NotAppliedError or UnknownOutcomeError when the store stays away: nothing may be sent
   */
  async hold(
    chain: Chain,
    estimateNanoUsd: NanoUsd,
    expiresAtEpochSeconds: number,
    patience = this.patience(),
    onLeftToKeeper?: () => void,
  ): Promise<LaneHoldResult> {
    const { clock, random } = this.persistence;
    const hold: Hold = { estimateNanoUsd, direct: chain.direct.map((pot) => pot.key) };
    const full = new Set<number>();
    /** Lanes that somebody's transaction was on. */
    const busy = new Set<number>();
    /** Lanes without the money. */
    const short = new Set<number>();
    const draw = (): number => random.fraction();
    const choice = (avoid: ReadonlySet<number>) => ({ hash: chain.hash, estimateNanoUsd, avoid, nowEpochMs: clock.now() });
    // By what is known of the lanes; lane 0 when all were found full.
    const pick = (): number => this.book.pick(choice(new Set([...full, ...busy])), draw) ?? 0;
    let n = pick();
    let countBefore = this.book.countOf(chain.hash);
    let foundFull = 0;
    let lostReplies = 0;
    for (let attempt = 0; ; attempt += 1) {
      const lane: LaneId = { chainHash: chain.hash, n };
      const hid = makeHoldId(expiresAtEpochSeconds, random.id(12));
      let outcome: ReserveOutcome;
      try {
        outcome = await this.store.reserve({ lane, hid, estimateNanoUsd, direct: chain.direct, nowEpochMs: clock.now() });
      } catch (error) {
        if (error instanceof UnknownOutcomeError) {
          lostReplies += 1;
          // Nobody knows whether the hold stands, and nothing was sent for it.
          if (!(await this.voids.declare(chain, lane, hid, hold, patience))) onLeftToKeeper?.();
        }
        if (!isTransient(error) || lostReplies > MOST_LOST_REPLIES || isOver({ clock, ...patience }, error)) throw error;
        busy.add(n);
        // A transaction or a throttled partition is in the way of one lane: another one may serve at once.
        if (error instanceof UnknownOutcomeError || busy.size > MOST_SIDESTEPS || busy.size + full.size >= countBefore) {
          await clock.sleep(backoffMs(attempt, random));
          busy.clear();
        }
        n = pick();
        continue;
      }
      if (outcome.ok) {
        this.learn(outcome.lane);
        return { ok: true, hid, lane, hold, state: outcome.lane };
      }
      if (outcome.reason === 'direct') return { ok: false, refusal: this.directRefusal(chain, lane, outcome.pot, outcome.state) };
      if (isOver({ clock, ...patience }))
        throw new NotAppliedError(`lane ${lane.chainHash}#${lane.n} could not be reserved in time`);
      const seen = outcome.reason === 'no_lane' ? undefined : outcome.lane;
      this.learn(seen);
      if (outcome.reason === 'full') {
        full.add(n);
        foundFull += 1;
        // Two lanes found full say enough; whoever was faster has doubled them for all.
        if (foundFull >= Math.min(2, countBefore)) {
          if (this.book.countOf(chain.hash) === countBefore) await this.grow(chain.hash, full);
          countBefore = this.book.countOf(chain.hash);
          foundFull = 0;
        }
        n = pick();
      } else if (outcome.reason !== 'duplicate') {
        // Money that lies in another lane is one write away; the pots are a transaction that everybody needs.
        short.add(n);
        const other = this.book.pickFunded(choice(new Set([...full, ...busy, ...short])), draw);
        if (other !== undefined && short.size <= MOST_SIDESTEPS) {
          n = other;
          continue;
        }
        const funded = await this.grants.fund(chain, lane, estimateNanoUsd, seen, patience);
        if (!funded.ok) return { ok: false, refusal: funded.refusal };
      }
    }
  }

  /** When a hold that begins now is given up. */
  patience(): Patience {
    const now = this.persistence.clock.now();
    return { untilEpochMs: now + this.limits.patienceMs, silentUntilEpochMs: now + this.limits.silenceMs };
  }

  private directRefusal(chain: Chain, lane: LaneId, key: PotKey, state: PotRefusal['state']): PotRefusal {
    const pot = chain.direct.find((candidate) => candidate.key === key);
    if (pot === undefined) throw new RangeError(`the store refused pot ${key}, which is not in the chain`);
    // A user's pot is in no lane: what is committed and not settled is held.
    const heldNanoUsd = (state?.committedNanoUsd ?? 0n) - (state?.settledNanoUsd ?? 0n);
    return { pot, state, sums: { idleNanoUsd: 0n, heldNanoUsd, unflushedNanoUsd: 0n }, lane };
  }

  private learn(lane: LaneState | undefined): void {
    if (lane !== undefined) this.book.note(lane, this.persistence.clock.now());
  }

  /** Doubles the chain's lanes: a fixed number would be a ceiling of 16 calls in flight each. */
  private async grow(hash: string, full: Set<number>): Promise<void> {
    const from = this.book.countOf(hash);
    if (from >= this.limits.mostLanes) {
      full.clear();
      await this.persistence.clock.sleep(backoffMs(4, this.persistence.random));
      return;
    }
    const lane0: LaneId = { chainHash: hash, n: 0 };
    try {
      const grown = await this.store.growLanes(lane0, from);
      const count = grown ? from * 2 : ((await this.store.readLane(lane0))?.laneCount ?? from * 2);
      this.book.learnCount(hash, count);
    } catch (error) {
      if (!isTransient(error)) throw error;
      // The number is only a hint: this process goes on with the lanes that it wanted.
      this.book.learnCount(hash, from * 2);
    }
  }
}
