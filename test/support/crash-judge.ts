/**
 * The judge of a run of the crash matrix: after a fresh process and the keeper have finished, are the books one of the
 * outcomes that `docs/ledger.md` states? Says each disagreement in a sentence; an empty list is a pass.
 */
import type { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { verifyLedger } from '../../lambdas/application/verify.ts';
import { isCrossed, levelOf, markerName } from '../../lambdas/domain/alerts.ts';
import { potOfKey } from '../../lambdas/domain/chains.ts';
import type { Entry } from '../../lambdas/domain/entries.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import type { PotState } from '../../lambdas/domain/pots.ts';
import { BILLED_TOKENS, type CallRecord, type World } from './crash-world.ts';

/** What is known of a run. */
export interface Verdict {
  readonly policy: Policy;
  /** The victim died in this run. */
  readonly crashed: boolean;
  /** An outcome that comes after the hold's expiry belongs to the scenario. */
  readonly late: boolean;
  /** Percents that a raised limit had passed already are marked without being told. */
  readonly silentPercents: readonly number[];
  /** Most deliveries of one alert: one more for each fault. */
  readonly mostDeliveries: number;
  /** A leg to a provider or to the caller was lost: what was billed and what was learnt of it differ. */
  readonly providerLost: boolean;
}

/** No pot may ever pass its limit or go below zero, not only at the end. */
export async function potsOverLimit(truth: MemoryLedgerStore, policy: Policy): Promise<readonly string[]> {
  return (await allOf(truth.allPots())).flatMap((state) => {
    if (state.kind === 'wallet') {
      const enforced = potOfKey(policy, state.key)?.enforced ?? true;
      return enforced && state.availableNanoUsd < 0n ? [`${state.key} was overdrawn: ${state.availableNanoUsd} available`] : [];
    }
    const hard = potOfKey(policy, state.key)?.hardLimitNanoUsd;
    const most = hard !== undefined && state.committedNanoUsd > hard;
    return most ? [`${state.key} passed its limit: ${state.committedNanoUsd} committed of ${hard}`] : [];
  });
}

export async function judge(world: World, verdict: Verdict): Promise<readonly string[]> {
  const report = await verifyLedger(world.truth, true);
  const entries = new Map((await allOf(world.truth.allEntries())).map((entry) => [entry.hid, entry]));
  const pots = await allOf(world.truth.allPots());
  return [
    ...report.findings.map(({ invariant, subject, foundUsd }) => `${subject}: not ${invariant} (${foundUsd})`),
    ...(report.lanes > 0 ? [`${report.lanes} lanes are left after the keeper`] : []),
    ...(report.heldNanoUsd > 0n ? [`${report.heldNanoUsd} are held for ever`] : []),
    ...(report.spentNanoUsd === report.entriesNanoUsd ? [] : [`spent ${report.spentNanoUsd}, entries ${report.entriesNanoUsd}`]),
    ...(await potsOverLimit(world.truth, verdict.policy)),
    ...world.records.flatMap((record) => judgeCall(record, entries.get(record.hid), verdict)),
    ...judgeStrays(world, entries, verdict),
    ...judgeSends(world, entries, verdict),
    ...chargedTwice(world, entries),
    ...pots.flatMap((pot) => judgeAlerts(world, pot, verdict)),
    ...judgeDeliveries(world, verdict),
  ];
}

/** Every hold that was given ends in one entry, at its cost or by the policy for what nobody knows. */
function judgeCall(record: CallRecord, entry: Entry | undefined, verdict: Verdict): readonly string[] {
  const { hid, boundNanoUsd, actualNanoUsd } = record;
  if (entry === undefined) return [`call ${hid} has no entry`];
  const byPolicy = isByPolicy(entry, verdict.policy);
  if (actualNanoUsd === undefined) {
    if (!verdict.crashed && !record.abandoned) return [`call ${hid} was never settled although nobody died`];
    return byPolicy ? [] : [`call ${hid} without an outcome is ${entry.status} at ${entry.chargeNanoUsd}`];
  }
  const chargeNanoUsd = actualNanoUsd < boundNanoUsd ? actualNanoUsd : boundNanoUsd;
  const lossNanoUsd = actualNanoUsd - chargeNanoUsd;
  if (entry.status === 'FINAL' && entry.chargeNanoUsd === chargeNanoUsd && entry.lossNanoUsd === lossNanoUsd) return [];
  if (verdict.late && entry.status === 'LATE' && entry.chargeNanoUsd === chargeNanoUsd) return [];
  if (verdict.late && entry.status === 'LOST' && entry.lossNanoUsd + entry.chargeNanoUsd === actualNanoUsd) return [];
  if (verdict.crashed && byPolicy) return [];
  return [`call ${hid} cost ${actualNanoUsd} of ${boundNanoUsd} and is ${entry.status} at ${entry.chargeNanoUsd}`];
}

/** A reserve whose reply nobody got is void; only a process that died leaves it to the policy. */
function judgeStrays(world: World, entries: ReadonlyMap<string, Entry>, verdict: Verdict): readonly string[] {
  const known = new Set(world.records.map(({ hid }) => hid));
  return [...entries.values()].flatMap((entry) => {
    if (known.has(entry.hid)) return [];
    // LATE at 0: the keeper decided it first, and what it charged was given back.
    if ((entry.status === 'VOID' || entry.status === 'LATE') && entry.chargeNanoUsd === 0n) return [];
    if (verdict.crashed && isByPolicy(entry, verdict.policy)) return [];
    return [`hold ${entry.hid}, which nobody was given, is ${entry.status} at ${entry.chargeNanoUsd}`];
  });
}

/** Nothing is sent without a hold, and what was answered and learnt is charged as billed. */
function judgeSends(world: World, entries: ReadonlyMap<string, Entry>, verdict: Verdict): readonly string[] {
  return world.sends.flatMap(({ hid, script }) => {
    if (hid === undefined) return [`a request was sent (${script}) without money held for it`];
    const entry = entries.get(hid);
    const billed = script === 'ok' || script === 'stream';
    if (!billed || verdict.providerLost || entry?.status !== 'FINAL') return [];
    return entry.chargeNanoUsd === BigInt(BILLED_TOKENS) ? [] : [`a send billed at ${BILLED_TOKENS} is ${entry.chargeNanoUsd}`];
  });
}

/** However often a client's key is sent, and whatever dies meanwhile, one run of it may cost something. */
export function chargedTwice(
  { executions }: Pick<World, 'executions'>,
  entries: ReadonlyMap<string, Pick<Entry, 'chargeNanoUsd'>>,
): readonly string[] {
  const runs = new Map<string, number>();
  for (const { key, hids } of executions) {
    const charged = hids.some((hid) => (entries.get(hid)?.chargeNanoUsd ?? 0n) > 0n);
    if (key !== undefined && charged) runs.set(key, (runs.get(key) ?? 0) + 1);
  }
  return [...runs].flatMap(([key, count]) => (count > 1 ? [`key ${key} was charged for ${count} runs`] : []));
}

/** What spend has crossed is marked as sent, and no marker waits for ever. */
function judgeAlerts(world: World, state: PotState, verdict: Verdict): readonly string[] {
  const pot = potOfKey(verdict.policy, state.key);
  if (pot === undefined || !verdict.policy.costTracking.enabled) return [];
  const level = levelOf(pot, state);
  const crossed = pot.thresholds
    .filter(({ percent }) => isCrossed(percent, level))
    .map(({ percent }) => markerName(percent, level));
  const told = new Set(world.published.map((alert) => alert.alertId));
  const silent = verdict.silentPercents.map((percent) => markerName(percent, level));
  return [
    ...crossed
      .filter((marker) => state.alerts[marker] === undefined)
      .map((marker) => `${state.key}: ${marker} is crossed and nobody was told`),
    ...Object.entries(state.alerts).flatMap(([marker, { status }]) => {
      if (status !== 'SENT') return [`${state.key}: ${marker} is ${status} for ever`];
      const mergedInto = told.has(`${state.key}:${marker}`) || world.merged.has(`${state.key}:${marker}`);
      return mergedInto || silent.includes(marker) ? [] : [`${state.key}: ${marker} is marked as sent and was never told`];
    }),
  ];
}

function judgeDeliveries(world: World, { mostDeliveries }: Verdict): readonly string[] {
  const counts = new Map<string, number>();
  for (const { alertId } of world.published) counts.set(alertId, (counts.get(alertId) ?? 0) + 1);
  return [...counts].flatMap(([id, count]) => (count > mostDeliveries ? [`alert ${id} was told ${count} times`] : []));
}

function isByPolicy(entry: Entry, { costTracking }: Policy): boolean {
  return costTracking.unknownOutcome === 'charge'
    ? entry.status === 'ESTIMATED' && entry.chargeNanoUsd === entry.estimateNanoUsd
    : entry.status === 'RELEASED' && entry.chargeNanoUsd === 0n;
}

async function allOf<T>(pages: AsyncIterable<readonly T[]>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}
