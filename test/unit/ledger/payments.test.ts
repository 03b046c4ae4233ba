import type { Held, HoldResult } from '../../../lambdas/application/payments.ts';
import { LedgerUnavailableError } from '../../../lambdas/application/payments.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import type { LaneState } from '../../../lambdas/domain/pots.ts';
import { limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

async function fund(ledger: ReturnType<typeof makeLedger>, wallet: string, amount: bigint, id = `fund-${wallet}`) {
  await ledger.truth.topUp({ id, walletId: wallet, amountNanoUsd: amount, atEpochMs: 0 });
}

function admitted(results: readonly HoldResult[]): readonly Held[] {
  return results.flatMap((result) => (result.ok ? [result.held] : []));
}

async function expectSound(ledger: ReturnType<typeof makeLedger>) {
  const report = await verifyLedger(ledger.truth, true);
  expect(report.findings).toEqual([]);
  return report;
}

describe('20 concurrent calls of 75 against 500', () => {
  test.each([
    ['a wallet', 500n, {}],
    ['a budget', 10_000n, { budgets: [limit('day', 500n)] }],
    ['a provider budget', 10_000n, { providerBudgets: [limit('month', 500n, { window: 'month' as const })] }],
    ['a budget per user', 10_000n, { budgets: [limit('each', 500n, { per: 'user' as const })] }],
  ])('%s admits exactly 6, in one process and in three, and 6 after the others asked again', async (_what, money, parts) => {
    for (const processes of [1, 3]) {
      const ledger = makeLedger({ processes, seed: processes });
      const policy = makePolicy(parts);
      await fund(ledger, 'team_dev', money);
      const ask = (n: number) => ledger.gateways[n % processes]?.hold(payment(policy, 75n)) as Promise<HoldResult>;
      const first = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
      const again = await Promise.all(Array.from({ length: 14 }, (_, n) => ask(n)));
      expect(admitted(first)).toHaveLength(6);
      expect(admitted(again)).toHaveLength(0);
      for (const result of again)
        expect(result).toMatchObject({ ok: false, refusal: { code: 'funds_reserved', reservedNanoUsd: 450n } });
      await expectSound(ledger);
    }
  });
});

test('a dry pot is marked, so that another process refuses without looking through its lanes', async () => {
  const ledger = makeLedger({ processes: 2 });
  const policy = makePolicy({ budgets: [limit('day', 100n)] });
  await fund(ledger, 'team_dev', 1_000n);
  expect((await ledger.gateways[0]?.hold(payment(policy, 100n)))?.ok).toBe(true);
  expect((await ledger.gateways[0]?.hold(payment(policy, 50n)))?.ok).toBe(false);
  const ask = async () => {
    ledger.calls.length = 0;
    const result = await ledger.gateways[1]?.hold(payment(policy, 50n));
    expect(result).toMatchObject({ ok: false, refusal: { code: 'funds_reserved', reservedNanoUsd: 100n } });
    return ledger.calls;
  };
  expect(await ask()).toEqual(['reserve', 'readPots']);
  ledger.clock.advance(1_001);
  expect(await ask()).toContain('lanesOf');
});

test('a dry mark is out of date once spend was flushed, also when a new hold of the same size makes up for it', async () => {
  const ledger = makeLedger({ processes: 3 });
  const policy = makePolicy({ budgets: [limit('day', 200n)] });
  await fund(ledger, 'team_dev', 1_000n);
  const [first, second, third] = ledger.gateways;
  await first?.hold(payment(policy, 40n));
  const spent = await first?.hold(payment(policy, 53n));
  if (spent?.ok) await first?.settle(spent.held, 53n, {});
  ledger.clock.advance(1);
  expect(await first?.hold(payment(policy, 130n))).toMatchObject({ ok: false, refusal: { code: 'funds_reserved' } });
  const lanes: LaneState[] = [];
  for await (const page of ledger.truth.allLanes()) lanes.push(...page);
  const [lane] = lanes;
  if (lane === undefined) throw new Error('no lane');
  expect(await ledger.truth.flush([{ lane, amountNanoUsd: 53n }])).toBe(true);
  expect((await second?.hold(payment(policy, 53n)))?.ok).toBe(true);
  expect(await third?.hold(payment(policy, 130n))).toMatchObject({
    ok: false,
    refusal: { code: 'funds_reserved', spentNanoUsd: 53n, reservedNanoUsd: 93n },
  });
});

test('a settled call frees what it did not use, for the next one', async () => {
  const ledger = makeLedger();
  const policy = makePolicy();
  await fund(ledger, 'team_dev', 100n);
  for (let call = 0; call < 10; call += 1) {
    const result = await ledger.gateway.hold(payment(policy, 60n));
    if (!result.ok) throw new Error(`call ${call} was refused: ${result.refusal.code}`);
    await ledger.gateway.settle(result.held, 4n, {});
  }
  const refused = await ledger.gateway.hold(payment(policy, 61n));
  expect(refused).toMatchObject({
    ok: false,
    by: 'caller',
    refusal: { code: 'insufficient_funds', limitedBy: 'wallet/team_dev', spentNanoUsd: 40n, limitNanoUsd: 100n },
  });
  await ledger.gateway.idle();
  expect((await expectSound(ledger)).spentNanoUsd).toBe(40n);
});

test('the refusal names what stands in the way and whether waiting helps', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 100n)] });
  await fund(ledger, 'team_dev', 1_000n);
  const tooLarge = await ledger.gateway.hold(payment(policy, 101n));
  expect(tooLarge).toMatchObject({
    ok: false,
    refusal: { code: 'request_too_expensive', limitedBy: 'budget/dev/day', requestedNanoUsd: 101n },
  });
  const held = await ledger.gateway.hold(payment(policy, 100n));
  expect(held.ok).toBe(true);
  expect(await ledger.gateway.hold(payment(policy, 10n))).toMatchObject({
    ok: false,
    refusal: { code: 'funds_reserved', reservedNanoUsd: 100n },
  });
  if (held.ok) await ledger.gateway.settle(held.held, 100n, {});
  expect(await ledger.gateway.hold(payment(policy, 10n))).toMatchObject({
    ok: false,
    refusal: { code: 'budget_exceeded', spentNanoUsd: 100n, resetsAtEpochMs: Date.parse('2026-11-24T00:00:00Z') },
  });
  await ledger.gateway.idle();
});

test('a block at 95 % is a hard cap at 95 % of the limit', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 1_000n, { thresholds: [{ percent: 95, action: 'block' }] })] });
  await fund(ledger, 'team_dev', 10_000n);
  expect((await ledger.gateway.hold(payment(policy, 951n))).ok).toBe(false);
  expect((await ledger.gateway.hold(payment(policy, 950n))).ok).toBe(true);
});

test('a soft budget and an unenforced wallet record everything and refuse nothing', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({
    walletEnforcement: false,
    budgets: [limit('soft', 10n, { thresholds: [{ percent: 80, action: 'notify' }] })],
  });
  for (let call = 0; call < 3; call += 1) {
    const result = await ledger.gateway.hold(payment(policy, 50n));
    if (!result.ok) throw new Error(result.refusal.code);
    await ledger.gateway.settle(result.held, 50n, {});
  }
  await ledger.gateway.idle();
  expect((await expectSound(ledger)).spentNanoUsd).toBe(150n);
});

test('a budget of some models counts only these', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('frontier', 100n, { models: ['frontier'] })] });
  await fund(ledger, 'team_dev', 1_000n);
  expect((await ledger.gateway.hold(payment(policy, 101n, { route: 'frontier' }))).ok).toBe(false);
  expect((await ledger.gateway.hold(payment(policy, 101n, { route: 'economy' }))).ok).toBe(true);
});

test('a budget per user is each user’s own, the shared anonymous one included', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('each', 100n, { per: 'user' })] });
  await fund(ledger, 'team_dev', 1_000n);
  expect((await ledger.gateway.hold(payment(policy, 100n, { userId: 'ann' }))).ok).toBe(true);
  expect((await ledger.gateway.hold(payment(policy, 100n, { userId: 'bob' }))).ok).toBe(true);
  expect((await ledger.gateway.hold(payment(policy, 100n))).ok).toBe(true);
  expect(await ledger.gateway.hold(payment(policy, 1n, { userId: 'ann' }))).toMatchObject({
    ok: false,
    refusal: { limitedBy: 'budget/dev/each/ann' },
  });
  expect(await ledger.gateway.hold(payment(policy, 1n))).toMatchObject({
    ok: false,
    refusal: { limitedBy: 'budget/dev/each/anonymous' },
  });
});

test('a cascade draws on the next wallet when the first is short, and answers 429 only when no later one can pay', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ funding: ['team_two'] });
  await fund(ledger, 'team_dev', 100n);
  await fund(ledger, 'team_two', 50n);
  const first = await ledger.gateway.hold(payment(policy, 80n));
  const second = await ledger.gateway.hold(payment(policy, 50n));
  expect(first).toMatchObject({ ok: true, held: { chain: { walletId: 'team_dev' } } });
  expect(second).toMatchObject({ ok: true, held: { chain: { walletId: 'team_two' } } });
  expect(await ledger.gateway.hold(payment(policy, 50n))).toMatchObject({ ok: false, refusal: { code: 'funds_reserved' } });
  if (first.ok) await ledger.gateway.settle(first.held, 80n, {});
  if (second.ok) await ledger.gateway.settle(second.held, 50n, {});
  expect(await ledger.gateway.hold(payment(policy, 50n))).toMatchObject({
    ok: false,
    refusal: { code: 'insufficient_funds', limitedBy: 'wallet/team_dev' },
  });
  await ledger.gateway.idle();
  await expectSound(ledger);
});

test('a used-up provider budget is told apart, so that another target can be tried', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ providerBudgets: [limit('month', 100n, { window: 'month' })] });
  await fund(ledger, 'team_dev', 1_000n);
  expect(await ledger.gateway.hold(payment(policy, 101n))).toMatchObject({
    ok: false,
    by: 'provider',
    refusal: { code: 'provider_budget_exceeded', limitedBy: 'provider/mock/month' },
  });
  expect((await ledger.gateway.hold(payment(policy, 101n, { provider: 'spare' }))).ok).toBe(true);
});

test('idle money in one group’s lane never refuses another group of the same wallet', async () => {
  const ledger = makeLedger();
  const policy = makePolicy();
  await fund(ledger, 'team_dev', 100n);
  const first = await ledger.gateway.hold(payment(policy, 90n));
  if (first.ok) await ledger.gateway.settle(first.held, 1n, {});
  expect((await ledger.gateway.hold(payment(policy, 90n, { groupName: 'other' }))).ok).toBe(true);
  await ledger.gateway.idle();
  await expectSound(ledger);
});

test('more than 16 calls in flight of one chain get more lanes', async () => {
  const ledger = makeLedger();
  const policy = makePolicy();
  await fund(ledger, 'team_dev', 10_000n);
  const results = await Promise.all(Array.from({ length: 100 }, () => ledger.gateway.hold(payment(policy, 10n))));
  expect(admitted(results)).toHaveLength(100);
  for (const held of admitted(results)) await ledger.gateway.settle(held, 10n, {});
  await ledger.gateway.idle();
  expect((await expectSound(ledger)).spentNanoUsd).toBe(1_000n);
});

test('a warm call makes one store call before it may be sent', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 100_000n), limit('month', 100_000n, { window: 'month' })] });
  await fund(ledger, 'team_dev', 100_000n);
  for (let call = 0; call < 5; call += 1) {
    const warm = await ledger.gateway.hold(payment(policy, 100n));
    if (warm.ok) await ledger.gateway.settle(warm.held, 10n, {});
    await ledger.gateway.idle();
  }
  ledger.calls.length = 0;
  expect((await ledger.gateway.hold(payment(policy, 100n))).ok).toBe(true);
  expect(ledger.calls).toEqual(['reserve']);
});

test('a store that stays away refuses the call: nothing may be sent', async () => {
  const ledger = makeLedger({ faults: { notApplied: 0, lostRequest: 1, lostReply: 0 } });
  await fund(ledger, 'team_dev', 1_000n);
  await expect(ledger.gateway.hold(payment(makePolicy(), 10n))).rejects.toThrow(LedgerUnavailableError);
});

test('a reserve whose reply was lost is voided and taken once', async () => {
  const ledger = makeLedger();
  await fund(ledger, 'team_dev', 1_000n);
  const policy = makePolicy();
  const warm = await ledger.gateway.hold(payment(policy, 100n));
  if (warm.ok) await ledger.gateway.settle(warm.held, 100n, {});
  await ledger.gateway.idle();
  const reserve = ledger.truth.reserve.bind(ledger.truth);
  let lost = 0;
  ledger.truth.reserve = async (request) => {
    const outcome = await reserve(request);
    if (lost === 0 && outcome.ok) {
      lost += 1;
      ledger.faults.lostReply = 0;
      const { UnknownOutcomeError } = await import('../../../lambdas/application/ports.ts');
      throw new UnknownOutcomeError('reply lost');
    }
    return outcome;
  };
  const result = await ledger.gateway.hold(payment(policy, 100n));
  if (!result.ok) throw new Error(result.refusal.code);
  expect(lost).toBe(1);
  await ledger.gateway.settle(result.held, 100n, {});
  await ledger.gateway.idle();
  const report = await expectSound(ledger);
  expect(report.spentNanoUsd).toBe(200n);
  expect(report.heldNanoUsd).toBe(0n);
});

test('a provider that bills above the bound is charged the bound; the rest is a loss, recorded and alarmed', async () => {
  const ledger = makeLedger();
  await fund(ledger, 'team_dev', 1_000n);
  const result = await ledger.gateway.hold(payment(makePolicy(), 100n));
  if (!result.ok) throw new Error(result.refusal.code);
  await ledger.gateway.settle(result.held, 130n, {});
  await ledger.gateway.idle();
  const report = await expectSound(ledger);
  expect(report.spentNanoUsd).toBe(100n);
  expect(report.lossNanoUsd).toBe(30n);
  expect(ledger.published).toMatchObject([{ kind: 'overage', subject: 'mock/mock-1' }]);
});

test('each cost above the bound stands in its entry and is reported; one a day and target is told', async () => {
  const ledger = makeLedger();
  await fund(ledger, 'team_dev', 10_000n);
  const bill = async (provider: string) => {
    const result = await ledger.gateway.hold(payment(makePolicy(), 100n, { provider }));
    if (!result.ok) throw new Error(result.refusal.code);
    await ledger.gateway.settle(result.held, 130n, {});
    await ledger.gateway.idle();
    return ledger.truth.readEntry(result.held.hid);
  };
  for (const provider of ['mock', 'mock', 'spare', 'mock']) {
    expect(await bill(provider)).toMatchObject({ status: 'FINAL', chargeNanoUsd: 100n, lossNanoUsd: 30n });
  }
  ledger.clock.advance(24 * 3_600_000);
  await bill('mock');
  const about = { kind: 'overage', spentUsd: '0.00000013', limitUsd: '0.0000001' };
  expect(ledger.published).toMatchObject([
    { ...about, alertId: 'overage/mock/mock-1#d2026-11-23' },
    { ...about, alertId: 'overage/spare/mock-1#d2026-11-23' },
    { ...about, alertId: 'overage/mock/mock-1#d2026-11-24' },
  ]);
  expect((await ledger.log.list(10)).map(({ kind }) => kind)).toEqual(['overage', 'overage', 'overage']);
  const errors = ledger.reports.filter(({ level }) => level === 'error').map(({ message }) => message);
  expect(errors).toEqual(Array.from({ length: 5 }, () => 'provider billed above the bound'));
  expect((await expectSound(ledger)).lossNanoUsd).toBe(150n);
});

test('the statement shows spent, held and left, and counts idle escrow as left', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 1_000n)] });
  await fund(ledger, 'team_dev', 5_000n);
  const done = await ledger.gateway.hold(payment(policy, 100n));
  if (done.ok) await ledger.gateway.settle(done.held, 30n, {});
  await ledger.gateway.hold(payment(policy, 100n));
  const group = policy.consumerGroups[0];
  if (group === undefined) throw new Error('no group');
  const statement = await ledger.gateway.statement(policy, group, 'anonymous', 0);
  expect(statement).toMatchObject({
    wallets: [{ scope: 'wallet/team_dev', limitNanoUsd: 5_000n, spentNanoUsd: 30n, heldNanoUsd: 100n, leftNanoUsd: 4_870n }],
    budgets: [{ scope: 'budget/dev/day', limitNanoUsd: 1_000n, spentNanoUsd: 30n, heldNanoUsd: 100n, leftNanoUsd: 870n }],
  });
});
