import {
  blockPercent,
  crossingSettledNanoUsd,
  isCrossed,
  levelOf,
  markerName,
  thresholdAlert,
} from '../../../lambdas/domain/alerts.ts';
import type { Policy, Threshold } from '../../../lambdas/domain/policy.ts';
import type { Pot, PotState } from '../../../lambdas/domain/pots.ts';
import { LIFE } from '../../../lambdas/domain/windows.ts';
import { makePolicy } from '../../support/ledger.ts';

const NANO = 1_000_000_000n;
const RAISED = Date.parse('2026-11-23T12:00:00Z');

function potState(more: Partial<PotState>): PotState {
  return {
    key: 'k',
    kind: 'limit',
    availableNanoUsd: 0n,
    fundedNanoUsd: 0n,
    withdrawnNanoUsd: 0n,
    baseNanoUsd: 0n,
    committedNanoUsd: 0n,
    settledNanoUsd: 0n,
    alerts: {},
    ...more,
  };
}

const DAY: Pot = {
  key: 'budget/dev/day#d2026-11-23',
  scope: 'budget/dev/day',
  kind: 'limit',
  owner: 'budget',
  limitNanoUsd: 20n * NANO,
  hardLimitNanoUsd: 20n * NANO,
  enforced: true,
  thresholds: [],
  window: {
    kind: 'day',
    key: 'd2026-11-23',
    startsAtEpochMs: Date.parse('2026-11-23T00:00:00Z'),
    endsAtEpochMs: Date.parse('2026-11-24T00:00:00Z'),
  },
};
const WALLET: Pot = {
  key: 'wallet/team_dev#life',
  scope: 'wallet/team_dev',
  kind: 'wallet',
  owner: 'wallet',
  enforced: true,
  thresholds: [],
  window: LIFE,
};
const percent = (value: number, action: Threshold['action'] = 'notify'): Threshold => ({ percent: value, action });

test('a limit’s level is what is settled, and what is not flushed where it is told', () => {
  expect(levelOf(DAY, undefined)).toEqual({ spentNanoUsd: 0n, limitNanoUsd: 20n * NANO, limitName: '20000000000' });
  expect(levelOf(DAY, potState({ settledNanoUsd: 5n }), 2n).spentNanoUsd).toBe(7n);
  expect(levelOf({ kind: 'limit' }, potState({ settledNanoUsd: 5n }))).toEqual({
    spentNanoUsd: 5n,
    limitNanoUsd: 0n,
    limitName: '0',
  });
});

test('a wallet’s level counts from its last top-up', () => {
  const state = potState({ kind: 'wallet', settledNanoUsd: 50n, baseNanoUsd: 40n, fundedNanoUsd: 140n });
  expect(levelOf(WALLET, state, 5n)).toEqual({ spentNanoUsd: 15n, limitNanoUsd: 100n, limitName: '140-40' });
  expect(levelOf(WALLET, undefined)).toEqual({ spentNanoUsd: 0n, limitNanoUsd: 0n, limitName: '0-0' });
  expect(markerName(90, levelOf(WALLET, state))).toBe('90_140-40');
  const withdrawn = { ...state, fundedNanoUsd: 110n, withdrawnNanoUsd: 30n };
  expect(levelOf(WALLET, withdrawn)).toEqual({ spentNanoUsd: 10n, limitNanoUsd: 70n, limitName: '140-40' });
});

test('nothing is crossed before anything is spent, and exactly at the percent it is', () => {
  const level = (spentNanoUsd: bigint, limitNanoUsd = 100n) => ({ spentNanoUsd, limitNanoUsd, limitName: '' });
  expect([isCrossed(50, level(49n)), isCrossed(50, level(50n)), isCrossed(50, level(51n))]).toEqual([false, true, true]);
  expect([isCrossed(50, level(0n, 0n)), isCrossed(50, level(1n, 0n)), isCrossed(50, level(-1n, -10n))]).toEqual([
    false,
    true,
    false,
  ]);
});

test('the settled amount of a crossing is the least one that crosses', () => {
  for (const limitNanoUsd of [1n, 3n, 99n, 100n, 101n]) {
    for (const at of [1, 33, 50, 100]) {
      const level = { spentNanoUsd: 0n, limitNanoUsd, limitName: '' };
      const settled = crossingSettledNanoUsd(at, level, undefined, 'limit');
      expect(isCrossed(at, { ...level, spentNanoUsd: settled })).toBe(true);
      expect(isCrossed(at, { ...level, spentNanoUsd: settled - 1n })).toBe(false);
    }
  }
  const none = { spentNanoUsd: 0n, limitNanoUsd: 0n, limitName: '' };
  const funded = potState({ kind: 'wallet', baseNanoUsd: 40n });
  const hundred = { ...none, limitNanoUsd: 100n };
  expect(crossingSettledNanoUsd(50, none, undefined, 'limit')).toBe(1n);
  expect(crossingSettledNanoUsd(50, hundred, funded, 'wallet')).toBe(90n);
  expect(crossingSettledNanoUsd(50, hundred, funded, 'limit')).toBe(50n);
  expect(crossingSettledNanoUsd(50, hundred, undefined, 'wallet')).toBe(50n);
});

test('the lowest block is where spend is refused', () => {
  expect(blockPercent([percent(50), percent(100, 'block'), percent(95, 'block')])).toBe(95);
  expect(blockPercent([percent(50)])).toBeUndefined();
});

function alertOf(pot: Pot, crossed: readonly Threshold[], refused = false, policy: Policy = makePolicy()) {
  const state = potState({ kind: pot.kind, settledNanoUsd: 18n * NANO, fundedNanoUsd: 36n * NANO });
  return thresholdAlert(policy, pot, crossed, levelOf(pot, state), RAISED, refused);
}

test('a message tells the highest percent, the money, whom to ask and what to do', () => {
  expect(alertOf(DAY, [percent(50), percent(90), percent(75)])).toEqual({
    alertId: 'budget/dev/day#d2026-11-23:90_20000000000',
    stage: 'dev',
    kind: 'threshold',
    severity: 'informational',
    subject: 'budget/dev/day',
    pot: 'budget/dev/day#d2026-11-23',
    percent: 90,
    mergedPercents: [75, 50],
    spentUsd: '18.00',
    limitUsd: '20.00',
    resetsAt: '2026-11-24T00:00:00.000Z',
    owner: 'platform@example.com',
    runbook: undefined,
    title: '[dev] budget/dev/day reached 90 % ($18.00 of $20.00)',
    action:
      'Nothing is refused because of this. To allow more, raise limit_usd of budget/dev/day in policy/dev.yaml and run: npx tollgate policy apply --stage dev',
    raisedAt: '2026-11-23T12:00:00.000Z',
  });
});

test('a block that is enforced says until when requests are refused', () => {
  const alert = alertOf(DAY, [percent(90), percent(100, 'block')]);
  expect(alert).toMatchObject({ kind: 'block', percent: 100, mergedPercents: [90] });
  expect(alert.action).toBe(
    'Requests that do not fit are refused until 2026-11-24T00:00:00.000Z. To allow more, raise limit_usd of budget/dev/day in policy/dev.yaml and run: npx tollgate policy apply --stage dev',
  );
  expect(alertOf({ ...DAY, enforced: false }, [percent(100, 'block')]).kind).toBe('threshold');
  expect(alertOf(DAY, [percent(50, 'block'), percent(60)]).kind).toBe('threshold');
});

test('a refusal’s alert says that requests are being refused', () => {
  expect(alertOf(DAY, [percent(100, 'block')], true).title).toBe(
    '[dev] budget/dev/day: requests are being refused ($18.00 of $20.00 spent)',
  );
});

test('a wallet never resets, and its alert says how to add money', () => {
  const alert = alertOf(WALLET, [percent(50, 'block')]);
  expect(alert.resetsAt).toBeUndefined();
  expect(alert.action).toBe(
    'Requests that do not fit are refused until somebody acts. To add money: npx tollgate wallet fund team_dev --stage dev --usd AMOUNT --id UNIQUE',
  );
});

test('the alerts’ owner stands before the stage’s, and the runbook goes along', () => {
  const policy = makePolicy();
  const alerts = { ...policy.alerts, owner: 'ml@example.com', runbook: 'https://example.com/r', severity: 'actionable' as const };
  expect(alertOf(DAY, [percent(50)], false, { ...policy, alerts })).toMatchObject({
    owner: 'ml@example.com',
    runbook: 'https://example.com/r',
    severity: 'actionable',
  });
});

test('an alert needs a threshold', () => {
  expect(() => alertOf(DAY, [])).toThrow(new RangeError('an alert needs a threshold'));
});
