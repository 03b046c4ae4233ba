/**
 * What this process knows of spend without asking: pots as last read, and the unflushed spend of the lanes it settled
 * on. It says when a threshold may have been crossed, so that an alert is raised within seconds and not at the keeper's
 * next pass. A hint only: the alert check reads the truth.
 */
import { isCrossed, levelOf, markerName } from '../domain/alerts.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { Chain, LaneId, LaneState, Pot, PotKey, PotState } from '../domain/pots.ts';

const MOST_KNOWN = 10_000;
/** A pot read longer ago is read again after an answer: other processes flush into it too. */
const STALE_MS = 15_000;
const REREAD_MS = 1_000;
/** More lanes with spend than this are left to the keeper, who flushes them together: alone, each is a transaction on the same pots. */
const MOST_LANES_FLUSHED = 25;

export class SpendWatch {
  private readonly pots = new Map<PotKey, { readonly state: PotState; readonly atEpochMs: number }>();
  private readonly unflushed = new Map<PotKey, Map<string, { readonly lane: LaneId; readonly amountNanoUsd: NanoUsd }>>();

  notePots(states: ReadonlyMap<PotKey, PotState>, nowEpochMs: number): void {
    if (this.pots.size > MOST_KNOWN) this.pots.clear();
    for (const [key, state] of states) this.pots.set(key, { state, atEpochMs: nowEpochMs });
  }

  noteLane(chain: Pick<Chain, 'wallet' | 'limits'>, lane: LaneState, nowEpochMs: number): void {
    if (this.unflushed.size > MOST_KNOWN) this.unflushed.clear();
    const name = `${lane.id.chainHash}#${lane.id.n}`;
    for (const pot of [chain.wallet, ...chain.limits]) {
      const lanes = this.unflushed.get(pot.key) ?? new Map();
      const before = lanes.get(name)?.amountNanoUsd ?? 0n;
      // Less than before: somebody else may have flushed, and what is known of the pot lacks it. (Or two answers overtook
      // each other; so a pot is read again for this at most once a second.)
      const readAt = this.pots.get(pot.key)?.atEpochMs ?? nowEpochMs;
      if (lane.unflushedNanoUsd < before && nowEpochMs - readAt >= REREAD_MS) this.pots.delete(pot.key);
      if (lane.unflushedNanoUsd > 0n) lanes.set(name, { lane: lane.id, amountNanoUsd: lane.unflushedNanoUsd });
      else lanes.delete(name);
      this.unflushed.set(pot.key, lanes);
    }
  }

  /** A lane's unflushed spend went into `settled` of its pots. */
  noteFlushed(pots: readonly Pot[], lane: LaneState): void {
    for (const { key } of pots) {
      const known = this.pots.get(key);
      if (known === undefined) continue;
      const settledNanoUsd = known.state.settledNanoUsd + lane.unflushedNanoUsd;
      this.pots.set(key, { ...known, state: { ...known.state, settledNanoUsd } });
      this.unflushed.get(key)?.delete(`${lane.id.chainHash}#${lane.id.n}`);
    }
  }

  /** Pots that must be read before anything can be said of them. */
  unknown(pots: readonly Pot[], nowEpochMs: number): readonly PotKey[] {
    return pots
      .filter((pot) => pot.thresholds.length > 0)
      .map((pot) => pot.key)
      .filter((key) => nowEpochMs - (this.pots.get(key)?.atEpochMs ?? 0) > STALE_MS);
  }

  /** Pots of which a threshold without a marker seems crossed. */
  crossed(pots: readonly Pot[]): readonly Pot[] {
    return pots.filter((pot) => {
      const state = this.pots.get(pot.key)?.state;
      const level = levelOf(pot, state, this.unflushedOf(pot.key));
      return pot.thresholds.some(
        (threshold) => isCrossed(threshold.percent, level) && state?.alerts[markerName(threshold.percent, level)] === undefined,
      );
    });
  }

  /** A lane that is gone or empty has nothing to flush. */
  forgetAnywhere(id: LaneId): void {
    for (const lanes of this.unflushed.values()) lanes.delete(`${id.chainHash}#${id.n}`);
  }

  /** Lanes of a pot, seen by this process, that have spend to flush. */
  lanesToFlush(pot: PotKey): readonly LaneId[] {
    return this.flushable(pot).map((known) => known.lane);
  }

  private unflushedOf(pot: PotKey): NanoUsd {
    let sum = 0n;
    for (const known of this.flushable(pot)) sum += known.amountNanoUsd;
    return sum;
  }

  private flushable(pot: PotKey) {
    const lanes = this.unflushed.get(pot);
    if (lanes === undefined || lanes.size > MOST_LANES_FLUSHED) return [];
    return [...lanes.values()].filter((known) => known.amountNanoUsd > 0n);
  }
}
