/**
 * Raises what a threshold says: once per pot, window, percent and limit. The marker on the pot decides who tells it;
 * a marker that stays PENDING is told again, so a crash delays an alert and never loses it.
 */
import {
  type Alert,
  type Level,
  blockPercent,
  crossingSettledNanoUsd,
  isCrossed,
  levelOf,
  markerName,
  thresholdAlert,
} from '../domain/alerts.ts';
import { type NanoUsd, formatUsd } from '../domain/money.ts';
import type { Policy, Threshold } from '../domain/policy.ts';
import type { Pot, PotKey, PotState } from '../domain/pots.ts';
import { type Persistence, isTransient, persist } from './persistence.ts';
import type { AlertLog, AlertPublisher, LedgerStore, WatchOn } from './ports.ts';

/** A marker that is PENDING for longer is told again: whoever raised it is gone. */
const REDRIVE_MS = 60_000;
/** A caller waits for a refusal: telling it is not tried again for longer. What stays PENDING is told by the next check. */
const REFUSAL_PATIENCE_MS = 1_000;

/** Told what the desk could not do, with ids only. */
export interface Reporter {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface AlertDeskDeps {
  readonly store: LedgerStore;
  readonly publisher: AlertPublisher;
  readonly log: AlertLog;
  readonly persistence: Persistence;
  readonly reporter: Reporter;
}

export class AlertDesk {
  private readonly deps: AlertDeskDeps;
  private readonly toldToday = new Set<string>();
  private readonly underWay = new Set<Promise<void>>();

  constructor(deps: AlertDeskDeps) {
    this.deps = deps;
  }

  /**
   * Checks pots against what is settled. Run it after a flush, and after a limit has changed.
   * @returns the states read, and whether every crossed threshold has been told
   */
  async check(
    policy: Policy,
    pots: readonly Pot[],
  ): Promise<{ readonly states: ReadonlyMap<PotKey, PotState>; readonly clean: boolean }> {
    const { store, persistence } = this.deps;
    const watched = pots.filter((pot) => policy.costTracking.enabled && pot.thresholds.length > 0);
    if (watched.length === 0) return { states: new Map(), clean: true };
    const states = await persist(
      () =>
        store.readPots(
          watched.map((pot) => pot.key),
          { consistent: true },
        ),
      persistence,
    );
    let clean = true;
    for (const pot of watched) {
      const state = states.get(pot.key);
      if (state !== undefined && !(await this.checkPot(policy, pot, state))) clean = false;
    }
    return { states, clean };
  }

  /**
   * A refusal is the moment at which a block bites, even when spend has not reached it: told once, like the crossing.
   * @param watchOn of a user's pot: the lane through which the keeper finds an alert that could not be sent
   */
  async refused(policy: Policy, pot: Pot, state: PotState | undefined, watchOn?: WatchOn): Promise<void> {
    const percent = blockPercent(pot.thresholds);
    if (percent === undefined || !pot.enforced || !policy.costTracking.enabled) return;
    const { persistence } = this.deps;
    const untilEpochMs = persistence.clock.now() + REFUSAL_PATIENCE_MS;
    await new AlertDesk({ ...this.deps, persistence: { ...persistence, untilEpochMs } }).tellBlock(
      policy,
      pot,
      state,
      percent,
      watchOn,
    );
  }

  private async tellBlock(
    policy: Policy,
    pot: Pot,
    state: PotState | undefined,
    percent: number,
    watchOn: WatchOn | undefined,
  ): Promise<void> {
    const level = levelOf(pot, state);
    const marker = markerName(percent, level);
    const standing = state?.alerts[marker];
    const now = this.deps.persistence.clock.now();
    const stuck = standing?.status === 'PENDING' && now - standing.atEpochMs > REDRIVE_MS;
    if (standing !== undefined && !stuck) return;
    try {
      const mine = stuck || (await this.raise(pot, marker, now, undefined, watchOn));
      if (mine) await this.tell(pot, marker, thresholdAlert(policy, pot, [{ percent, action: 'block' }], level, now, true));
    } catch (error) {
      if (!isTransient(error)) throw error;
      this.deps.reporter.warn('block alert not raised yet', { pot: pot.key, marker });
    }
  }

  /**
   * A provider billed more than the bound, which is a defect of the bound. Every one stands in its entry; one a day,
   * target and process is told.
   */
  async overage(policy: Policy, target: string, hid: string, lossNanoUsd: NanoUsd, estimateNanoUsd: NanoUsd): Promise<void> {
    const raisedAt = new Date(this.deps.persistence.clock.now()).toISOString();
    const alertId = `overage/${target}#d${raisedAt.slice(0, 10)}`;
    if (this.toldToday.has(alertId)) return;
    const alert: Alert = {
      alertId,
      stage: policy.stage,
      kind: 'overage',
      severity: policy.alerts.severity,
      subject: target,
      spentUsd: formatUsd(estimateNanoUsd + lossNanoUsd),
      limitUsd: formatUsd(estimateNanoUsd),
      owner: policy.alerts.owner ?? policy.owner,
      runbook: policy.alerts.runbook,
      title: `[${policy.stage}] ${target} billed $${formatUsd(lossNanoUsd)} more than the bound of a request`,
      action: `The bound was charged and the rest recorded as a loss in entry ${hid}. Check the price and the output_cap_field of ${target}.`,
      raisedAt,
    };
    await this.tellOnce(alert);
  }

  /**
   * The parameters of the policy are no whole set for minutes: the last good one stays in force, and no change takes
   * effect. One a day and process is told. Never rejects.
   */
  async brokenPolicy(policy: Policy, reason: string): Promise<void> {
    const raisedAt = new Date(this.deps.persistence.clock.now()).toISOString();
    const alertId = `policy/${policy.stage}#d${raisedAt.slice(0, 10)}`;
    if (this.toldToday.has(alertId)) return;
    await this.tellOnce({
      alertId,
      stage: policy.stage,
      kind: 'policy_broken',
      severity: policy.alerts.severity,
      subject: `policy/${policy.stage}`,
      owner: policy.alerts.owner ?? policy.owner,
      runbook: policy.alerts.runbook,
      title: `[${policy.stage}] the policy in SSM is not whole: the last good one stays in force`,
      action: `No change of the policy takes effect until it is (${reason.slice(0, 300)}). Write it again: npx tollgate policy apply --stage ${policy.stage}, or policy rollback, or npx cdk deploy.`,
      raisedAt,
    });
  }

  /** Resolves when no alert of a day is under way: Lambda freezes what still runs when its handler ends. */
  async idle(): Promise<void> {
    await Promise.all(this.underWay);
  }

  /** Never rejects. */
  private async tellOnce(alert: Alert): Promise<void> {
    this.toldToday.add(alert.alertId);
    const told = this.recordAndPublish(alert);
    this.underWay.add(told);
    await told;
    this.underWay.delete(told);
  }

  private async recordAndPublish(alert: Alert): Promise<void> {
    try {
      await this.deps.log.record(alert);
      await this.deps.publisher.publish(alert);
    } catch (error) {
      this.toldToday.delete(alert.alertId);
      this.deps.reporter.warn('alert not sent; the next one of its kind tries again', {
        alertId: alert.alertId,
        reason: nameOf(error),
      });
    }
  }

  /** True when nothing of this pot is left to tell. */
  private async checkPot(policy: Policy, pot: Pot, state: PotState): Promise<boolean> {
    const level = levelOf(pot, state);
    const now = this.deps.persistence.clock.now();
    await this.noteLimit(pot, state, level, now);
    const crossed = pot.thresholds
      .filter((threshold) => isCrossed(threshold.percent, level))
      .toSorted((a, b) => b.percent - a.percent);
    const untold = crossed.filter((threshold) => state.alerts[markerName(threshold.percent, level)] === undefined);
    let clean = true;
    const [top, ...lower] = untold;
    if (top !== undefined) {
      const told = crossed.find((threshold) => threshold.percent > top.percent);
      clean =
        told === undefined
          ? await this.tellCrossing(policy, pot, state, level, top, lower)
          : await this.merge(policy, pot, state, level, told, untold);
    }
    for (const [marker, standing] of Object.entries(state.alerts)) {
      if (standing.status !== 'PENDING') continue;
      const told = now - standing.atEpochMs > REDRIVE_MS && (await this.tellAgain(policy, pot, marker, level, now));
      if (!told) clean = false;
    }
    return clean;
  }

  /** A marker that nobody set to sent: told as it stands now, under the limit that it was raised for too. */
  private tellAgain(policy: Policy, pot: Pot, marker: string, level: Level, now: number): Promise<boolean> {
    const percent = Number.parseInt(marker, 10);
    const action = blockPercent(pot.thresholds) === percent ? 'block' : 'notify';
    const alert = thresholdAlert(policy, pot, [{ percent, action }], level, now, !isCrossed(percent, level));
    return this.tell(pot, marker, { ...alert, alertId: `${pot.key}:${marker}` });
  }

  private async tellCrossing(
    policy: Policy,
    pot: Pot,
    state: PotState,
    level: Level,
    top: Threshold,
    lower: readonly Threshold[],
  ): Promise<boolean> {
    const now = this.deps.persistence.clock.now();
    const marker = markerName(top.percent, level);
    const mine = await this.raise(pot, marker, now, crossingSettledNanoUsd(top.percent, level, state, pot.kind));
    // Somebody else tells it; the lower ones are merged by whoever finds them next.
    if (!mine) return false;
    const merged = await this.merge(policy, pot, state, level, top, lower);
    const told = await this.tell(pot, marker, thresholdAlert(policy, pot, [top, ...lower], level, now, false));
    return merged && told;
  }

  /** Records lower crossings that a higher one's message tells too. False: somebody else raised one and may not have told it. */
  private async merge(
    policy: Policy,
    pot: Pot,
    state: PotState,
    level: Level,
    top: Threshold,
    lower: readonly Threshold[],
  ): Promise<boolean> {
    const { store, log, persistence } = this.deps;
    const now = persistence.clock.now();
    let all = true;
    for (const threshold of lower) {
      const marker = markerName(threshold.percent, level);
      if (!(await this.raise(pot, marker, now, crossingSettledNanoUsd(threshold.percent, level, state, pot.kind)))) {
        all = false;
        continue;
      }
      const alert = thresholdAlert(policy, pot, [threshold], level, now, false);
      await log.record({ ...alert, mergedInto: `${pot.key}:${markerName(top.percent, level)}` });
      await persist(() => store.sendMarker(pot.key, marker, now), persistence);
    }
    return all;
  }

  /** A lost reply may hide that the marker is ours. Then it stays PENDING, and the next check tells it. */
  private raise(pot: Pot, marker: string, now: number, ifSettled: NanoUsd | undefined, watchOn?: WatchOn): Promise<boolean> {
    return persist(() => this.deps.store.raiseMarker(pot, marker, now, ifSettled, watchOn), this.deps.persistence);
  }

  /** Publishes, then marks as sent. A receiver that does not answer leaves the marker PENDING. */
  private async tell(pot: Pot, marker: string, alert: Alert): Promise<boolean> {
    const { store, log, publisher, persistence, reporter } = this.deps;
    try {
      await log.record(alert);
      await publisher.publish(alert);
      await persist(() => store.sendMarker(pot.key, marker, persistence.clock.now()), persistence);
      return true;
    } catch (error) {
      reporter.warn('alert not sent yet; the keeper will try again', {
        alertId: alert.alertId,
        reason: nameOf(error),
      });
      return false;
    }
  }

  /**
   * After a raised limit the percents that spend has already passed stay silent; those above are armed by their new
   * markers. After a lowered one, those now passed are simply crossed.
   */
  private async noteLimit(pot: Pot, state: PotState, level: Level, now: number): Promise<void> {
    if (pot.kind !== 'limit' || state.seenLimitNanoUsd === level.limitNanoUsd) return;
    const { store, persistence } = this.deps;
    const before = state.seenLimitNanoUsd;
    if (before !== undefined && before < level.limitNanoUsd) {
      for (const threshold of pot.thresholds) {
        const marker = markerName(threshold.percent, level);
        const old = state.alerts[markerName(threshold.percent, { ...level, limitName: before.toString() })];
        if (old === undefined || !isCrossed(threshold.percent, level) || state.alerts[marker] !== undefined) continue;
        await this.raise(pot, marker, now, undefined);
        await persist(() => store.sendMarker(pot.key, marker, now), persistence);
      }
    }
    await persist(() => store.noteLimit(pot.key, level.limitNanoUsd), persistence);
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
