/** Turns "this pot has no room" into what the caller is told: which limit, how much, and whether waiting helps. */
import { type NanoUsd, minOf } from '../domain/money.ts';
import type { Policy } from '../domain/policy.ts';
import type { MoneyRefusal, MoneyRefusalCode } from '../domain/refusals.ts';
import type { PotRefusal } from './grants.ts';

/**
 * `funds_reserved` when only holds in flight stand in the way, since they may give money back; otherwise what is used up.
 */
export function refusalOf(policy: Policy, { pot, state, sums }: PotRefusal, requestedNanoUsd: NanoUsd): MoneyRefusal {
  // Two ways to the same sum. A lane that the index does not show yet makes the one too small, a flush since the lanes were
  // read the other: the smaller one never tells a caller that money is gone which is only held.
  const out =
    pot.kind === 'wallet' ? (state?.fundedNanoUsd ?? 0n) - (state?.availableNanoUsd ?? 0n) : (state?.committedNanoUsd ?? 0n);
  const spentNanoUsd = minOf((state?.settledNanoUsd ?? 0n) + sums.unflushedNanoUsd, out - sums.heldNanoUsd - sums.idleNanoUsd);
  const hardNanoUsd = pot.kind === 'wallet' ? (state?.fundedNanoUsd ?? 0n) : (pot.hardLimitNanoUsd ?? 0n);
  const withoutHolds = hardNanoUsd - spentNanoUsd;
  const resetsAtEpochMs = Number.isFinite(pot.window.endsAtEpochMs) ? pot.window.endsAtEpochMs : undefined;
  return {
    code: requestedNanoUsd <= withoutHolds ? 'funds_reserved' : exhausted(),
    limitedBy: pot.scope,
    limitNanoUsd: pot.kind === 'wallet' ? hardNanoUsd : (pot.limitNanoUsd ?? hardNanoUsd),
    spentNanoUsd,
    reservedNanoUsd: sums.heldNanoUsd,
    requestedNanoUsd,
    resetsAtEpochMs,
    owner: policy.alerts.owner ?? policy.owner,
  };

  function exhausted(): MoneyRefusalCode {
    if (pot.owner === 'wallet') return 'insufficient_funds';
    if (pot.owner === 'provider') return 'provider_budget_exceeded';
    return withoutHolds - sums.heldNanoUsd > 0n ? 'request_too_expensive' : 'budget_exceeded';
  }
}
