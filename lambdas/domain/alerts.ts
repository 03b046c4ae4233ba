/** What a threshold says when it is crossed, and which thresholds are. */
import { type NanoUsd, formatUsd } from './money.ts';
import type { Policy, Threshold } from './policy.ts';
import type { Pot, PotKey, PotState } from './pots.ts';

export interface Alert {
  /** Pot and marker: the same crossing always has the same id. */
  readonly alertId: string;
  readonly stage: string;
  readonly kind: 'threshold' | 'block' | 'overage' | 'policy_broken';
  readonly severity: 'informational' | 'actionable';
  /** The pot's scope: `budget/dev/day`, `wallet/team_dev`, `provider/openai/month`; for an overage the target. */
  readonly subject: string;
  readonly pot?: PotKey;
  /** The highest percent crossed; `mergedPercents` are the lower ones told by the same message. */
  readonly percent?: number;
  readonly mergedPercents?: readonly number[];
  /** This crossing was told by the message of a higher one, whose id this is. */
  readonly mergedInto?: string;
  readonly spentUsd?: string;
  readonly limitUsd?: string;
  /** ISO instant; absent for what never resets. */
  readonly resetsAt?: string;
  readonly owner?: string;
  readonly runbook?: string;
  /** One sentence for a subject line. */
  readonly title: string;
  /** What to do, for a person. */
  readonly action: string;
  readonly raisedAt: string;
}

/** What a pot's percent counts: spent and limit. A wallet counts from its last top-up. */
export interface Level {
  readonly spentNanoUsd: NanoUsd;
  readonly limitNanoUsd: NanoUsd;
  /** Tells one limit from the next in a marker's name. */
  readonly limitName: string;
}

/** Level of a pot. `settled` counts what is flushed; pass `unflushed` for figures that must be up to the moment. */
export function levelOf(
  pot: Pick<Pot, 'kind' | 'limitNanoUsd'>,
  state: PotState | undefined,
  unflushedNanoUsd: NanoUsd = 0n,
): Level {
  const settled = (state?.settledNanoUsd ?? 0n) + unflushedNanoUsd;
  if (pot.kind === 'limit') {
    const limit = pot.limitNanoUsd ?? 0n;
    return { spentNanoUsd: settled, limitNanoUsd: limit, limitName: limit.toString() };
  }
  const base = state?.baseNanoUsd ?? 0n;
  const funded = state?.fundedNanoUsd ?? 0n;
  // A top-up arms every percent anew; a withdrawal keeps the name, so that what was told is not told again.
  const toppedUp = funded + (state?.withdrawnNanoUsd ?? 0n);
  return { spentNanoUsd: settled - base, limitNanoUsd: funded - base, limitName: `${toppedUp}-${base}` };
}

export function markerName(percent: number, level: Level): string {
  return `${percent}_${level.limitName}`;
}

/** Exact: `spent / limit >= percent / 100`, by cross-multiplication. Nothing is crossed before anything is spent. */
export function isCrossed(percent: number, level: Level): boolean {
  return level.spentNanoUsd > 0n && level.spentNanoUsd * 100n >= level.limitNanoUsd * BigInt(percent);
}

/** The settled amount at which a percent is crossed, rounded up: `isCrossed` holds from there on. */
export function crossingSettledNanoUsd(percent: number, level: Level, state: PotState | undefined, kind: Pot['kind']): NanoUsd {
  const spent = (level.limitNanoUsd * BigInt(percent) + 99n) / 100n;
  const atLeast = spent > 0n ? spent : 1n;
  return kind === 'wallet' ? atLeast + (state?.baseNanoUsd ?? 0n) : atLeast;
}

/** The percent at which a pot's spend is refused; undefined for a soft pot. */
export function blockPercent(thresholds: readonly Threshold[]): number | undefined {
  const blocks = thresholds.filter((threshold) => threshold.action === 'block').map((threshold) => threshold.percent);
  return blocks.length > 0 ? Math.min(...blocks) : undefined;
}

/** Where a limit bites: the block percent of it, rounded down. */
export function hardLimitNanoUsd(limit: NanoUsd, thresholds: readonly Threshold[]): NanoUsd | undefined {
  const percent = blockPercent(thresholds);
  return percent === undefined ? undefined : (limit * BigInt(percent)) / 100n;
}

/** The message of one or more thresholds of a pot crossed at once. */
export function thresholdAlert(
  policy: Policy,
  pot: Pot,
  crossed: readonly Threshold[],
  level: Level,
  raisedAtEpochMs: number,
  refused: boolean,
): Alert {
  const sorted = crossed.toSorted((a, b) => b.percent - a.percent);
  const top = sorted[0];
  if (top === undefined) throw new RangeError('an alert needs a threshold');
  const blocks = top.action === 'block' && pot.enforced;
  const resetsAt = Number.isFinite(pot.window.endsAtEpochMs) ? new Date(pot.window.endsAtEpochMs).toISOString() : undefined;
  const money = `$${formatUsd(level.spentNanoUsd)} of $${formatUsd(level.limitNanoUsd)}`;
  const title = refused
    ? `[${policy.stage}] ${pot.scope}: requests are being refused (${money} spent)`
    : `[${policy.stage}] ${pot.scope} reached ${top.percent} % (${money})`;
  return {
    alertId: `${pot.key}:${markerName(top.percent, level)}`,
    stage: policy.stage,
    kind: blocks ? 'block' : 'threshold',
    severity: policy.alerts.severity,
    subject: pot.scope,
    pot: pot.key,
    percent: top.percent,
    mergedPercents: sorted.slice(1).map((threshold) => threshold.percent),
    spentUsd: formatUsd(level.spentNanoUsd),
    limitUsd: formatUsd(level.limitNanoUsd),
    resetsAt,
    owner: policy.alerts.owner ?? policy.owner,
    runbook: policy.alerts.runbook,
    title,
    action: whatToDo(policy, pot, blocks, resetsAt),
    raisedAt: new Date(raisedAtEpochMs).toISOString(),
  };
}

function whatToDo(policy: Policy, pot: Pot, blocks: boolean, resetsAt: string | undefined): string {
  const until = resetsAt === undefined ? 'until somebody acts' : `until ${resetsAt}`;
  const effect = blocks ? `Requests that do not fit are refused ${until}.` : 'Nothing is refused because of this.';
  if (pot.owner === 'wallet') {
    const team = pot.scope.slice('wallet/'.length);
    return `${effect} To add money: npx tollgate wallet fund ${team} --stage ${policy.stage} --usd AMOUNT --id UNIQUE`;
  }
  return `${effect} To allow more, raise limit_usd of ${pot.scope} in policy/${policy.stage}.yaml and run: npx tollgate policy apply --stage ${policy.stage}`;
}
