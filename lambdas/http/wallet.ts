/** `GET /v1/wallet`: what stands over the caller, and the figures of it that every answer's headers carry. */
import type { PotStatement, Statement } from '../application/payments.ts';
import { formatUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import { type Answer, jsonAnswer } from './messages.ts';

/** The caller's own wallets and budgets, amounts as decimal strings. */
export function walletAnswer(policy: Policy, group: ConsumerGroup, user: string, statement: Statement): Answer {
  return jsonAnswer({
    object: 'wallet',
    stage: policy.stage,
    group: group.name,
    user,
    wallets: statement.wallets.map(describe),
    budgets: statement.budgets.map(describe),
    as_of: isoSeconds(statement.atEpochMs),
  });
}

/** Headers of the tightest pot that can refuse: the least left. Empty without a statement. */
export function budgetHeaders(statement: Statement | undefined): Readonly<Record<string, string>> {
  const hard = [...(statement?.wallets ?? []), ...(statement?.budgets ?? [])].filter((pot) => pot.hard);
  const tightest = hard.reduce<PotStatement | undefined>(
    (least, pot) => (least === undefined || pot.leftNanoUsd < least.leftNanoUsd ? pot : least),
    undefined,
  );
  if (tightest === undefined) return {};
  return {
    'x-tollgate-budget-remaining-usd': formatUsd(tightest.leftNanoUsd > 0n ? tightest.leftNanoUsd : 0n),
    ...(tightest.resetsAtEpochMs === undefined ? {} : { 'x-tollgate-budget-resets-at': isoSeconds(tightest.resetsAtEpochMs) }),
  };
}

function describe(pot: PotStatement): Readonly<Record<string, unknown>> {
  return {
    name: pot.scope,
    window: pot.window,
    hard: pot.hard,
    limit_usd: formatUsd(pot.limitNanoUsd),
    spent_usd: formatUsd(pot.spentNanoUsd),
    held_usd: formatUsd(pot.heldNanoUsd),
    left_usd: formatUsd(pot.leftNanoUsd),
    resets_at: pot.resetsAtEpochMs === undefined ? null : isoSeconds(pot.resetsAtEpochMs),
  };
}

function isoSeconds(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
