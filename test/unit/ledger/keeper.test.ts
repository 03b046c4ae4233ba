import { entryPartition, holdExpiryEpochSeconds, makeHoldId } from '../../../lambdas/domain/entries.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

const HOUR_MS = 3_600_000;

async function heldCall(ledger: ReturnType<typeof makeLedger>, policy = makePolicy(), bound = 100n) {
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd: 1_000n, atEpochMs: 0 });
  const result = await ledger.gateway.hold(payment(policy, bound));
  if (!result.ok) throw new Error(result.refusal.code);
  return result.held;
}

async function expectBooks(ledger: ReturnType<typeof makeLedger>, spent: bigint, held = 0n) {
  const report = await verifyLedger(ledger.truth, true);
  expect(report.findings).toEqual([]);
  expect({ spent: report.spentNanoUsd, entries: report.entriesNanoUsd, held: report.heldNanoUsd }).toEqual({
    spent,
    entries: spent,
    held,
  });
}

test('a hold whose outcome never came is charged at its bound by default, and given back where the policy says release', async () => {
  for (const [unknownOutcome, spent] of [
    ['charge', 100n],
    ['release', 0n],
  ] as const) {
    const ledger = makeLedger();
    const policy = makePolicy({ unknownOutcome, budgets: [limit('day', 500n), limit('each', 500n, { per: 'user' })] });
    await heldCall(ledger, policy);
    expect(await ledger.keeper.pass(policy)).toMatchObject({ charged: 0, released: 0 });
    await expectBooks(ledger, 0n, 100n);
    ledger.clock.advance(HOUR_MS);
    expect(await ledger.keeper.pass(policy)).toMatchObject(unknownOutcome === 'charge' ? { charged: 1 } : { released: 1 });
    await expectBooks(ledger, spent);
  }
});

test('a crash between entry and settlement charges what the entry says, once, before the hold expires', async () => {
  const ledger = makeLedger();
  const policy = makePolicy();
  const held = await heldCall(ledger, policy);
  const settle = ledger.truth.settle.bind(ledger.truth);
  ledger.truth.settle = () => Promise.reject(new Error('the process is gone'));
  await expect(ledger.gateway.settle(held, 40n, {})).rejects.toThrow('gone');
  ledger.truth.settle = settle;
  expect(await ledger.keeper.pass(policy)).toMatchObject({ settled: 1 });
  expect(await ledger.keeper.pass(policy)).toMatchObject({ settled: 0 });
  await expectBooks(ledger, 40n);
});

test.each([
  ['charge', 40n, 40n, 'LATE'],
  ['release', 40n, 40n, 'LATE'],
  ['charge', 100n, 100n, 'LATE'],
] as const)(
  'a true cost that comes after expiry (%s) corrects the books to it',
  async (unknownOutcome, actual, spent, status) => {
    const ledger = makeLedger();
    const policy = makePolicy({ unknownOutcome, budgets: [limit('day', 500n), limit('each', 500n, { per: 'user' })] });
    const held = await heldCall(ledger, policy);
    ledger.clock.advance(HOUR_MS);
    await ledger.keeper.pass(policy);
    await ledger.gateway.settle(held, actual, { requestId: 'late-one' });
    await ledger.gateway.settle(held, actual, { requestId: 'late-one' });
    await ledger.gateway.idle();
    await expectBooks(ledger, spent);
    expect(await ledger.truth.readEntry(held.hid)).toMatchObject({
      status,
      chargeNanoUsd: spent,
      detail: { requestId: 'late-one' },
    });
  },
);

test('a late cost that no pot can pay any more is a loss, never a charge', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ unknownOutcome: 'release', budgets: [limit('day', 120n)] });
  const held = await heldCall(ledger, policy);
  ledger.clock.advance(HOUR_MS);
  await ledger.keeper.pass(policy);
  const other = await ledger.gateway.hold(payment(policy, 110n));
  if (!other.ok) throw new Error(other.refusal.code);
  await ledger.gateway.settle(held, 90n, {});
  await ledger.gateway.settle(other.held, 110n, {});
  await ledger.gateway.idle();
  await expectBooks(ledger, 110n);
  expect(await ledger.truth.readEntry(held.hid)).toMatchObject({ status: 'LOST', chargeNanoUsd: 0n, lossNanoUsd: 90n });
});

test('idle lanes give their money back and empty ones close, one pass after the other', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 900n)] });
  const held = await heldCall(ledger, policy);
  await ledger.gateway.settle(held, 10n, {});
  await ledger.gateway.idle();
  await ledger.keeper.pass(policy);
  ledger.clock.advance(6 * 60_000);
  expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 1, closed: 0 });
  expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 1, closed: 1 });
  expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 0 });
  await expectBooks(ledger, 10n);
  const pots = await ledger.truth.readPots(['wallet/team_dev#life', 'budget/dev/day#d2026-11-23']);
  expect(pots.get('wallet/team_dev#life')).toMatchObject({ availableNanoUsd: 990n, settledNanoUsd: 10n });
  expect(pots.get('budget/dev/day#d2026-11-23')).toMatchObject({ committedNanoUsd: 10n, settledNanoUsd: 10n });
});

test('a new window is a new pot: yesterday’s spend is not in it, and its lane drains', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 100n)] });
  const held = await heldCall(ledger, policy);
  expect((await ledger.gateway.hold(payment(policy, 1n))).ok).toBe(false);
  await ledger.gateway.settle(held, 100n, {});
  ledger.clock.advance(12 * HOUR_MS);
  expect((await ledger.gateway.hold(payment(policy, 100n))).ok).toBe(true);
  await ledger.gateway.idle();
  await ledger.keeper.pass(policy);
  await expectBooks(ledger, 100n, 100n);
});

test('a busy lane is filled for the next window in the last minute of this one, once', async () => {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 1_000_000n)] });
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd: 10_000_000n, atEpochMs: 0 });
  const call = async () => {
    const result = await ledger.gateway.hold(payment(policy, 100n));
    if (!result.ok) throw new Error(result.refusal.code);
    await ledger.gateway.settle(result.held, 100n, {});
    await ledger.gateway.idle();
  };
  for (let n = 0; n < 60; n += 1) await call();
  const tomorrow = async () => (await ledger.truth.readPots(['budget/dev/day#d2026-11-24'])).get('budget/dev/day#d2026-11-24');
  expect(await tomorrow()).toBeUndefined();
  ledger.clock.advance(12 * HOUR_MS - 59_000);
  for (let second = 0; second < 59; second += 1) {
    await call();
    ledger.clock.advance(1_000);
  }
  const granted = await tomorrow();
  expect(granted?.committedNanoUsd).toBeGreaterThanOrEqual(800n);
  ledger.calls.length = 0;
  ledger.clock.advance(1_000);
  const first = await ledger.gateway.hold(payment(policy, 100n));
  expect(first).toMatchObject({ ok: true });
  expect(ledger.calls).toEqual(['reserve']);
  expect(await tomorrow()).toEqual(granted);
  expect((await verifyLedger(ledger.truth, true)).findings).toEqual([]);
});

test('a lane that does not add up is reported, and verify names it', async () => {
  const ledger = makeLedger();
  const policy = makePolicy();
  await heldCall(ledger, policy);
  const readLane = ledger.truth.readLane.bind(ledger.truth);
  ledger.truth.readLane = async (id) => {
    const lane = await readLane(id);
    return lane === undefined ? undefined : { ...lane, escrowNanoUsd: lane.escrowNanoUsd + 1n };
  };
  expect(await ledger.keeper.pass(policy)).toMatchObject({ drifted: 1 });
  expect(ledger.reports).toContainEqual({ level: 'error', message: expect.stringContaining('does not add up') });
  const allLanes = ledger.truth.allLanes.bind(ledger.truth);
  ledger.truth.allLanes = async function* () {
    for await (const page of allLanes()) yield page.map((lane) => ({ ...lane, idleNanoUsd: lane.idleNanoUsd + 1n }));
  };
  expect((await verifyLedger(ledger.truth, true)).findings).toMatchObject([{ invariant: 'escrow = idle + holds + unflushed' }]);
});

test('verify finds a charge that no entry explains, and a wallet that lost money', async () => {
  const ledger = makeLedger();
  const held = await heldCall(ledger);
  await ledger.gateway.settle(held, 10n, {});
  await ledger.gateway.idle();
  ledger.truth.allEntries = async function* () {
    yield [];
  };
  const { findings } = await verifyLedger(ledger.truth, true);
  expect(findings).toMatchObject([{ invariant: 'settled + unflushed = sum of entries', subject: 'wallet/team_dev#life' }]);
});

test('a hold id carries its expiry, and every writer computes the same place of its entry', () => {
  const hid = makeHoldId(1_795_435_200, 'abcdefghi');
  expect(holdExpiryEpochSeconds(hid)).toBe(1_795_435_200);
  expect(entryPartition(hid)).toEqual(entryPartition(hid));
  expect(entryPartition(hid).date).toBe('2026-11-23');
  expect(() => holdExpiryEpochSeconds('nonsense')).toThrow(RangeError);
});
