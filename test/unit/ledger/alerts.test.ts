import { AlertDesk } from '../../../lambdas/application/alert-desk.ts';
import { limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

const DAY = 'budget/dev/day#d2026-11-23';

async function spender(parts: Parameters<typeof makePolicy>[0] = { budgets: [limit('day', 1_000n)] }, money = 100_000n) {
  const ledger = makeLedger();
  let policy = makePolicy(parts);
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd: money, atEpochMs: 0 });
  const spend = async (amount: bigint, bound = amount) => {
    const result = await ledger.gateway.hold(payment(policy, bound));
    if (result.ok) await ledger.gateway.settle(result.held, amount, {});
    await ledger.gateway.idle();
    return result;
  };
  return {
    ledger,
    spend,
    get policy() {
      return policy;
    },
    change: (next: typeof policy) => {
      policy = next;
    },
    told: () => ledger.published.map((alert) => alert.percent),
  };
}

test('50, 90 and 100 % are told once each, as soon as a settlement crosses them', async () => {
  const { ledger, spend, policy, told } = await spender();
  await spend(499n);
  expect(told()).toEqual([]);
  await spend(1n);
  expect(told()).toEqual([50]);
  await spend(399n);
  expect(told()).toEqual([50]);
  await spend(1n);
  await spend(99n);
  expect(told()).toEqual([50, 90]);
  await spend(1n);
  expect(told()).toEqual([50, 90, 100]);
  expect((await spend(1n)).ok).toBe(false);
  await ledger.keeper.pass(policy);
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50, 90, 100]);
  expect(ledger.published[2]).toMatchObject({
    kind: 'block',
    subject: 'budget/dev/day',
    alertId: `${DAY}:100_1000`,
    spentUsd: '0.000001',
    limitUsd: '0.000001',
    resetsAt: '2026-11-24T00:00:00.000Z',
    owner: 'platform@example.com',
  });
});

test('a jump past several percents sends the highest and records the lower ones as merged', async () => {
  const { ledger, spend, told } = await spender();
  await spend(950n);
  expect(told()).toEqual([90]);
  expect(ledger.published[0]?.mergedPercents).toEqual([50]);
  const records = await ledger.log.list(10);
  expect(
    records.map((alert) => [alert.percent, alert.mergedInto]).toSorted((a, b) => String(a).localeCompare(String(b))),
  ).toEqual([
    [50, `${DAY}:90_1000`],
    [90, undefined],
  ]);
});

test('a block is told at the first refusal that it causes, once, and the lower percents still come when they are crossed', async () => {
  const { spend, told } = await spender();
  await spend(450n);
  await spend(600n);
  await spend(600n);
  expect(told()).toEqual([100]);
  await spend(60n);
  expect(told()).toEqual([100, 50]);
  await spend(490n);
  expect(told()).toEqual([100, 50]);
});

test('calls that only wait for money in flight raise no block', async () => {
  const { ledger, policy, told } = await spender();
  await ledger.gateway.hold(payment(policy, 1_000n));
  expect(await ledger.gateway.hold(payment(policy, 10n))).toMatchObject({ ok: false, refusal: { code: 'funds_reserved' } });
  expect(told()).toEqual([]);
});

test('after a raised limit the percents already passed stay silent and those above are armed; a lowered one fires those now passed', async () => {
  const spending = await spender();
  const { ledger, spend, told } = spending;
  await spend(950n);
  spending.change(makePolicy({ budgets: [limit('day', 1_800n)] }));
  await ledger.keeper.pass(spending.policy);
  expect(told()).toEqual([90]);
  await spend(600n);
  expect(told()).toEqual([90]);
  await spend(80n);
  expect(told()).toEqual([90, 90]);
  spending.change(makePolicy({ budgets: [limit('day', 1_000n)] }));
  await ledger.keeper.pass(spending.policy);
  expect(told()).toEqual([90, 90, 100]);
});

test('a wallet’s percent counts from its last top-up', async () => {
  const { ledger, spend, told } = await spender({ walletThresholds: makePolicy().costTracking.budgetAlerts }, 1_000n);
  await spend(600n);
  expect(told()).toEqual([50]);
  await ledger.truth.topUp({ id: 'again', walletId: 'team_dev', amountNanoUsd: 1_000n, atEpochMs: 0 });
  await spend(690n);
  expect(told()).toEqual([50]);
  await spend(20n);
  expect(told()).toEqual([50, 50]);
});

test('a withdrawal fires the percents that it passes, and those told before stay silent, the block too', async () => {
  const { ledger, spend, policy, told } = await spender({ walletThresholds: makePolicy().costTracking.budgetAlerts }, 1_000n);
  const withdraw = async (amount: bigint, id: string) => ledger.wallets.withdraw(policy, 'team_dev', amount, id);
  await spend(600n);
  expect(told()).toEqual([50]);
  await withdraw(100n, 'to-900');
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50]);
  await withdraw(240n, 'to-660');
  expect(told()).toEqual([50, 90]);
  expect((await spend(100n)).ok).toBe(false);
  expect(told()).toEqual([50, 90, 100]);
  await withdraw(60n, 'to-600');
  expect((await spend(100n)).ok).toBe(false);
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50, 90, 100]);
  await ledger.wallets.fund(policy, 'team_dev', 1_000n, 'again');
  await spend(500n);
  expect(told()).toEqual([50, 90, 100, 50]);
});

test('an empty wallet is told at its first refusal', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ walletThresholds: makePolicy().costTracking.budgetAlerts });
  expect(await ledger.gateway.hold(payment(policy, 10n))).toMatchObject({ ok: false, refusal: { code: 'insufficient_funds' } });
  await ledger.gateway.hold(payment(policy, 10n));
  expect(ledger.published).toMatchObject([{ kind: 'block', subject: 'wallet/team_dev' }]);
});

test('a budget per user is watched for each user', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('each', 1_000n, { per: 'user' })] });
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd: 100_000n, atEpochMs: 0 });
  for (const userId of ['ann', 'bob']) {
    const result = await ledger.gateway.hold(payment(policy, 600n, { userId }));
    if (result.ok) await ledger.gateway.settle(result.held, 600n, {});
  }
  await ledger.gateway.idle();
  expect(ledger.published.map((alert) => alert.subject).toSorted()).toEqual(['budget/dev/each/ann', 'budget/dev/each/bob']);
});

test('an alert that could not be sent is sent by the keeper, once it stood for a minute', async () => {
  const { ledger, spend, policy, told } = await spender();
  ledger.publisher.failing = true;
  await spend(500n);
  expect(told()).toEqual([]);
  ledger.publisher.failing = false;
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([]);
  ledger.clock.advance(61_000);
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50]);
  ledger.clock.advance(61_000);
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50]);
});

test('a lane is not closed before its last spend is told', async () => {
  const { ledger, spend, policy, told } = await spender();
  ledger.publisher.failing = true;
  await spend(500n);
  for (let pass = 0; pass < 4; pass += 1) {
    ledger.clock.advance(6 * 60_000);
    expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 1, closed: 0 });
  }
  ledger.publisher.failing = false;
  ledger.clock.advance(6 * 60_000);
  await ledger.keeper.pass(policy);
  await ledger.keeper.pass(policy);
  expect(told()).toEqual([50]);
  expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 0 });
});

test('whoever ends a function can wait for an alert that nobody waits for', async () => {
  const { ledger, policy } = await spender();
  const published: string[] = [];
  let send = (): void => {};
  const sent = new Promise<void>((resolve) => (send = resolve));
  const desk = new AlertDesk({
    store: ledger.truth,
    publisher: { publish: (alert) => sent.then(() => void published.push(alert.kind)) },
    log: ledger.log,
    persistence: { clock: ledger.clock, random: { fraction: () => 0, id: () => 'id' } },
    reporter: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await desk.idle();
  void desk.brokenPolicy(policy, 'a part is missing');
  // Told already: it must not hide the one that is under way.
  void desk.brokenPolicy(policy, 'a part is missing');
  const idle = desk.idle();
  send();
  await idle;
  expect(published).toEqual(['policy_broken']);
});
