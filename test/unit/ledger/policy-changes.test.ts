/** A policy that changes under money in flight: wallets that leave it, zones that change in the middle of a window. */
import fc from 'fast-check';
import { windowAt } from '../../../lambdas/domain/windows.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { type PolicyParts, THRESHOLDS, limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

type Policy = ReturnType<typeof makePolicy>;

async function start(options: Parameters<typeof makeLedger>[0] = {}) {
  const ledger = makeLedger(options);
  for (const walletId of ['team_dev', 'team_two']) {
    await ledger.truth.topUp({ id: `fund-${walletId}`, walletId, amountNanoUsd: 100_000n, atEpochMs: 0 });
  }
  const hold = (policy: Policy, bound: bigint) => ledger.gateway.hold(payment(policy, bound));
  const spend = async (policy: Policy, amount: bigint) => {
    const result = await hold(policy, amount);
    if (!result.ok) return result.refusal.code;
    await ledger.gateway.settle(result.held, amount, {});
    await ledger.gateway.idle();
    return 'ok';
  };
  const keep = async (policy: Policy, passes: number) => {
    for (let pass = 0; pass < passes; pass += 1) {
      ledger.clock.advance(301_000);
      await ledger.keeper.pass(policy);
    }
  };
  const pot = async (key: string) => (await ledger.truth.readPots([key])).get(key);
  return { ledger, hold, spend, keep, pot };
}

/** The policy after the group's wallet has left it and another one pays. */
function without(walletId: string, parts: PolicyParts): Policy {
  const policy = makePolicy(parts);
  return {
    ...policy,
    wallets: policy.wallets.filter((wallet) => wallet.teamId !== walletId),
    consumerGroups: policy.consumerGroups.map((group) => ({ ...group, walletTeamId: 'team_two', funding: [] })),
  };
}

const PARTS: PolicyParts = { budgets: [limit('day', 50_000n)], walletThresholds: THRESHOLDS };

test.each([
  ['before its hold expires', 0, 'FINAL'],
  ['after it', 3, 'LATE'],
] as const)(
  'a wallet that leaves the policy gets its idle money home, and a call in flight is charged to it, %s',
  async (_when, passes, status) => {
    const { ledger, hold, spend, keep, pot } = await start({ holdSeconds: 600 });
    const before = makePolicy(PARTS);
    const after = without('team_dev', PARTS);
    await spend(before, 300n);
    const open = await hold(before, 700n);
    if (!open.ok) throw new Error(open.refusal.code);

    expect(await spend(after, 50n)).toBe('ok');
    await keep(after, passes);
    await ledger.gateway.settle(open.held, 200n, {});
    await ledger.gateway.idle();
    expect(await ledger.truth.readEntry(open.held.hid)).toMatchObject({ status, chargeNanoUsd: 200n });
    await keep(after, 4);
    expect(await ledger.keeper.pass(after)).toMatchObject({ lanes: 0, drifted: 0, unfinished: 0 });
    expect(await pot('wallet/team_dev#life')).toMatchObject({ availableNanoUsd: 99_500n, settledNanoUsd: 500n });
    expect(await pot('wallet/team_two#life')).toMatchObject({ availableNanoUsd: 99_950n, settledNanoUsd: 50n });
    expect(await pot('budget/dev/day#d2026-11-23')).toMatchObject({ committedNanoUsd: 550n, settledNanoUsd: 550n });
    expect((await verifyLedger(ledger.truth, true)).findings).toEqual([]);
    expect(ledger.reports.filter(({ level }) => level === 'error')).toEqual([]);

    // It comes back with its money.
    expect(await spend(before, 40_000n)).toBe('ok');
  },
);

test('a hold of a wallet that left the policy, whose outcome never comes, is decided by policy and strands nothing', async () => {
  const { ledger, hold, keep, pot } = await start({ holdSeconds: 60 });
  const open = await hold(makePolicy(PARTS), 700n);
  expect(open.ok).toBe(true);
  const after = without('team_dev', PARTS);
  await keep(after, 5);
  expect(await ledger.keeper.pass(after)).toMatchObject({ lanes: 0 });
  expect(await pot('wallet/team_dev#life')).toMatchObject({ availableNanoUsd: 99_300n, settledNanoUsd: 700n });
  expect((await verifyLedger(ledger.truth, true)).findings).toEqual([]);
});

test('a zone that changes in the middle of a day opens no second budget, and what was told stays told', async () => {
  const { ledger, spend, keep } = await start();
  const inZone = (timezone: string) => makePolicy({ timezone, budgets: [limit('day', 1_000n)] });
  expect(await spend(inZone('Europe/Berlin'), 600n)).toBe('ok');
  for (const timezone of ['America/New_York', 'Asia/Tokyo', 'UTC']) {
    expect(await spend(inZone(timezone), 401n)).toBe('request_too_expensive');
    await ledger.keeper.pass(inZone(timezone));
  }
  expect(await spend(inZone('America/New_York'), 400n)).toBe('ok');
  expect(await spend(inZone('Europe/Berlin'), 1n)).toBe('budget_exceeded');
  // Auckland has the next day already: its budget is that day's, for all zones.
  expect(await spend(inZone('Pacific/Auckland'), 700n)).toBe('ok');
  expect(await spend(inZone('Europe/Berlin'), 1n)).toBe('budget_exceeded');
  ledger.clock.advance(12 * 3_600_000);
  expect(await spend(inZone('Europe/Berlin'), 301n)).toBe('request_too_expensive');
  expect(await spend(inZone('Europe/Berlin'), 300n)).toBe('ok');
  await keep(inZone('Europe/Berlin'), 3);
  expect(ledger.published.map(({ pot, percent }) => [pot?.slice(-3), percent])).toEqual([
    ['-23', 50],
    ['-23', 100],
    ['-24', 50],
    ['-24', 100],
  ]);
  expect((await verifyLedger(ledger.truth, true)).findings).toEqual([]);
});

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Australia/Lord_Howe'];

test('whatever zones a stage goes through, a window of a name is spent once', async () => {
  const step = fc.record({
    zone: fc.constantFrom(...ZONES),
    hours: fc.integer({ min: 0, max: 20 }),
    bound: fc.bigInt({ min: 1n, max: 60n }),
    keep: fc.boolean(),
  });
  const kinds = fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const, 'total' as const);
  const property = fc.asyncProperty(kinds, fc.array(step, { minLength: 5, maxLength: 40 }), async (window, steps) => {
    const { ledger, spend, keep, pot } = await start();
    const spent = new Map<string, bigint>();
    for (const { zone, hours, bound, keep: keeps } of steps) {
      ledger.clock.advance(hours * 3_600_000);
      const policy = makePolicy({ timezone: zone, budgets: [limit('only', 100n, { window })] });
      if (keeps) await ledger.keeper.pass(policy);
      const { key } = windowAt(window, ledger.clock.now(), zone);
      const before = spent.get(key) ?? 0n;
      const outcome = await spend(policy, bound);
      expect([key, before, bound, outcome === 'ok']).toEqual([key, before, bound, before + bound <= 100n]);
      if (outcome === 'ok') spent.set(key, before + bound);
    }
    await keep(makePolicy({ budgets: [limit('only', 100n, { window })] }), 4);
    for (const [key, amount] of spent) {
      expect(await pot(`budget/dev/only#${key}`)).toMatchObject({ settledNanoUsd: amount, committedNanoUsd: amount });
    }
    expect((await verifyLedger(ledger.truth, true)).findings).toEqual([]);
  });
  await fc.assert(property, { numRuns: 100 });
}, 60_000);
