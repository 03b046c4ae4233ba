/** Guarantees of the ledger at its edges: free calls, lagging reads, lost messages, lowered limits, overlapping keepers. */
import type { LaneId } from '../../../lambdas/domain/pots.ts';
import { LedgerUnavailableError } from '../../../lambdas/application/payments.ts';
import { NotAppliedError, UnknownOutcomeError } from '../../../lambdas/application/ports.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { THRESHOLDS, limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

type Ledger = ReturnType<typeof makeLedger>;
type Policy = ReturnType<typeof makePolicy>;

async function funded(amountNanoUsd: bigint, options: Parameters<typeof makeLedger>[0] = {}) {
  const ledger = makeLedger(options);
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd, atEpochMs: 0 });
  return ledger;
}

async function held(ledger: Ledger, policy: Policy, bound: bigint, more: Parameters<typeof payment>[2] = {}) {
  const result = await ledger.gateway.hold(payment(policy, bound, more));
  if (!result.ok) throw new Error(result.refusal.code);
  return result.held;
}

async function spend(ledger: Ledger, policy: Policy, bound: bigint, actual = bound, more: Parameters<typeof payment>[2] = {}) {
  await ledger.gateway.settle(await held(ledger, policy, bound, more), actual, {});
  await ledger.gateway.idle();
}

async function keep(ledger: Ledger, policy: Policy, passes: number, everyMs = 61_000) {
  for (let pass = 0; pass < passes; pass += 1) {
    ledger.clock.advance(everyMs);
    await ledger.keeper.pass(policy);
  }
}

test('a call whose bound is 0 is held at once, on a lane that does not exist yet too', async () => {
  const ledger = await funded(500n);
  const now = ledger.clock.now.bind(ledger.clock);
  ledger.clock.now = () => {
    ledger.clock.advance(1);
    return now();
  };
  await expect(ledger.gateway.hold(payment(makePolicy(), 0n))).resolves.toMatchObject({ ok: true });
  expect(ledger.calls.length).toBeLessThan(8);
});

test('a lane with a hold is never closed, not even when the hold is worth nothing', async () => {
  const ledger = await funded(500n);
  const policy = makePolicy();
  await spend(ledger, policy, 75n);
  await ledger.keeper.pass(policy);
  const free = await held(ledger, policy, 0n);
  await keep(ledger, policy, 3, 301_000);
  expect(await ledger.truth.readEntry(free.hid)).toMatchObject({ status: 'ESTIMATED' });
});

test('calls that only wait for money in flight are told so, when the index does not show the lanes yet too', async () => {
  const ledger = await funded(500n);
  const policy = makePolicy({ walletThresholds: THRESHOLDS });
  ledger.truth.lanesOf = async () => [];
  const results = await Promise.all(Array.from({ length: 20 }, () => ledger.gateway.hold(payment(policy, 75n))));
  const codes = results.map((result) => (result.ok ? 'ok' : result.refusal.code));
  expect(new Set(codes)).toEqual(new Set(['ok', 'funds_reserved']));
  expect(ledger.published).toEqual([]);
});

test('nobody is refused for lack of money on an eventual read alone', async () => {
  const ledger = await funded(10n);
  const policy = makePolicy({ walletThresholds: THRESHOLDS });
  const before = await ledger.truth.readPots(['wallet/team_dev#life']);
  await ledger.truth.topUp({ id: 'more', walletId: 'team_dev', amountNanoUsd: 5_000n, atEpochMs: 0 });
  const read: Ledger['store']['readPots'] = ledger.truth.readPots.bind(ledger.truth);
  const lagging: Ledger['store']['readPots'] = async (keys, options) =>
    options?.consistent === true ? read(keys, options) : before;
  Object.assign(ledger.truth, { readPots: lagging });
  await expect(ledger.gateway.hold(payment(policy, 75n))).resolves.toMatchObject({ ok: true });
  expect(ledger.published).toEqual([]);
});

test('the alert of a user’s budget that could not be sent is sent later', async () => {
  const ledger = await funded(5_000n);
  const policy = makePolicy({ budgets: [limit('each', 100n, { per: 'user' })] });
  ledger.publisher.failing = true;
  await spend(ledger, policy, 100n, 100n, { userId: 'ann' });
  ledger.publisher.failing = false;
  await keep(ledger, policy, 5);
  expect(ledger.published).toHaveLength(1);
});

test.each([
  ['while its lane is open', 0],
  ['when its lane was closed long before', 3],
])('a refusal’s alert of a user’s budget that could not be sent is sent by the keeper, %s', async (_when, passes) => {
  const ledger = await funded(5_000n);
  const policy = makePolicy({ budgets: [limit('each', 100n, { per: 'user', window: 'week' })] });
  await spend(ledger, policy, 40n, 40n, { userId: 'ann:1#2' });
  await keep(ledger, policy, passes, 301_000);
  const refused = () => ledger.gateway.hold(payment(policy, 75n, { userId: 'ann:1#2' }));
  ledger.publisher.failing = true;
  expect(await refused()).toMatchObject({ ok: false, refusal: { limitedBy: 'budget/dev/each/ann:1#2' } });
  ledger.publisher.failing = false;
  await keep(ledger, policy, 2);
  expect(ledger.published).toMatchObject([{ kind: 'block', subject: 'budget/dev/each/ann:1#2', percent: 100 }]);
  expect((await refused()).ok).toBe(false);
  await keep(ledger, policy, 6, 301_000);
  expect(ledger.published).toHaveLength(1);
  expect(await ledger.keeper.pass(policy)).toMatchObject({ lanes: 0 });
});

test('the alert of a user’s budget outlives a process that dies right after the settlement', async () => {
  const ledger = await funded(5_000n);
  const policy = makePolicy({ budgets: [limit('each', 100n, { per: 'user' })] });
  const money = await held(ledger, policy, 100n, { userId: 'ann' });
  await ledger.truth.putEntry({
    hid: money.hid,
    status: 'FINAL',
    chargeNanoUsd: 100n,
    lossNanoUsd: 0n,
    estimateNanoUsd: 100n,
    lane: money.lane,
    chain: [money.chain.wallet.key],
    direct: money.hold.direct,
    atEpochMs: ledger.clock.now(),
    detail: {},
  });
  await ledger.truth.settle({ lane: money.lane, hid: money.hid, hold: money.hold, chargeNanoUsd: 100n });
  await keep(ledger, policy, 5);
  expect(ledger.published).toHaveLength(1);
});

test('a crossing is told by the settlement that makes it, also when the keeper has flushed a moment before', async () => {
  const ledger = await funded(5_000_000n);
  const policy = makePolicy({ budgets: [limit('day', 100_000n)] });
  await spend(ledger, policy, 80_000n, 1n);
  ledger.clock.advance(16_000);
  for (let call = 0; call < 48; call += 1) await spend(ledger, policy, 1_000n);
  await ledger.keeper.pass(policy);
  ledger.clock.advance(1_000);
  for (let call = 0; call < 3; call += 1) await spend(ledger, policy, 1_000n);
  expect(ledger.published).toHaveLength(1);
});

test('one lane that cannot be read does not stop the keeper for the others', async () => {
  const ledger = await funded(5_000n, { holdSeconds: 5 });
  const policy = makePolicy();
  const broken = await held(ledger, policy, 75n);
  await ledger.truth.topUp({ id: 'two', walletId: 'team_two', amountNanoUsd: 5_000n, atEpochMs: 0 });
  const other = await held(ledger, policy, 75n, { groupName: 'other' });
  const read = ledger.truth.readLane.bind(ledger.truth);
  ledger.truth.readLane = async (id: LaneId) => {
    if (id.chainHash === broken.lane.chainHash) throw new Error('damaged item');
    return read(id);
  };
  await keep(ledger, policy, 2).catch(() => undefined);
  expect(await ledger.truth.readEntry(other.hid)).toMatchObject({ status: 'ESTIMATED' });
});

test('after a lowered limit the keeper takes idle money home, so that no more is spent than is in flight', async () => {
  const ledger = await funded(5_000_000n);
  const before = makePolicy({ budgets: [limit('day', 100_000n)] });
  for (let call = 0; call < 20; call += 1) await spend(ledger, before, 100n);
  const after = makePolicy({ budgets: [limit('day', 1_000n)] });
  await ledger.keeper.pass(after);
  await expect(ledger.gateway.hold(payment(after, 100n))).resolves.toMatchObject({ ok: false });
});

test('what a late answer cost above its bound stands in its entry', async () => {
  const ledger = await funded(5_000n, { holdSeconds: 5 });
  const policy = makePolicy();
  const money = await held(ledger, policy, 100n);
  await keep(ledger, policy, 1);
  await ledger.gateway.settle(money, 150n, {});
  expect((await verifyLedger(ledger.truth, true)).lossNanoUsd).toBe(50n);
});

test('cost above the bound is told also when the settlement is left to the keeper', async () => {
  const ledger = await funded(5_000n);
  const policy = makePolicy();
  const money = await held(ledger, policy, 75n);
  ledger.truth.settle = async () => {
    throw new NotAppliedError('busy');
  };
  await ledger.gateway.settle(money, 200n, {});
  expect(ledger.published.map((alert) => alert.kind)).toEqual(['overage']);
});

test('lanes that are gone cost nothing to watch', async () => {
  const ledger = await funded(100_000n);
  const block = [{ percent: 100, action: 'block' as const }];
  const policy = makePolicy({
    walletThresholds: THRESHOLDS,
    budgets: [limit('hour', 100_000n, { window: 'hour', thresholds: block })],
  });
  for (let hour = 0; hour < 40; hour += 1) {
    ledger.calls.length = 0;
    await spend(ledger, policy, 700n);
    await keep(ledger, policy, 12, 300_000);
  }
  ledger.calls.length = 0;
  await spend(ledger, policy, 700n);
  expect(ledger.calls.length).toBeLessThan(12);
});

test('two keepers at once raise no false alarm about a hold that one of them has just ended', async () => {
  const ledger = await funded(5_000n, { holdSeconds: 5 });
  const policy = makePolicy();
  await held(ledger, policy, 75n);
  ledger.clock.advance(10_000);
  const read = ledger.truth.readEntry.bind(ledger.truth);
  let first = true;
  ledger.truth.readEntry = async (hid: string) => {
    if (first) {
      first = false;
      await ledger.keeper.pass(policy);
    }
    return read(hid);
  };
  await ledger.keeper.pass(policy);
  expect(ledger.reports.filter((report) => report.level === 'error')).toEqual([]);
});

/** A hold whose reply is lost, and a store that takes no void until it is healed. */
async function inDoubt() {
  const ledger = await funded(5_000n, { holdSeconds: 20 });
  const policy = makePolicy();
  await spend(ledger, policy, 75n);
  const reserve = ledger.truth.reserve.bind(ledger.truth);
  const putEntry = ledger.truth.putEntry.bind(ledger.truth);
  const lost: string[] = [];
  const state = { away: true };
  ledger.truth.reserve = async (request) => {
    const outcome = await reserve(request);
    if (lost.length > 0 || !outcome.ok) return outcome;
    lost.push(request.hid);
    throw new UnknownOutcomeError('reply lost');
  };
  ledger.truth.putEntry = async (entry) => {
    if (state.away && entry.status === 'VOID') throw new UnknownOutcomeError('no answer');
    return putEntry(entry);
  };
  const money = await held(ledger, policy, 75n);
  await ledger.gateway.settle(money, 75n, {});
  const [hid] = lost;
  if (hid === undefined) throw new Error('no reply was lost');
  const turns = async (until: () => boolean | Promise<boolean>) => {
    while (!(await until())) await new Promise((resolve) => void setImmediate(resolve));
  };
  return { ledger, policy, hid, state, turns, entry: () => ledger.truth.readEntry(hid) };
}

test('a hold that nobody was given is void as soon as the store takes it, without another call', async () => {
  const { ledger, state, turns, entry } = await inDoubt();
  expect(await entry()).toBeUndefined();
  state.away = false;
  await turns(async () => (await entry()) !== undefined);
  expect(await entry()).toMatchObject({ status: 'VOID', chargeNanoUsd: 0n });
  await ledger.gateway.idle();
  expect(await verifyLedger(ledger.truth, true)).toMatchObject({ findings: [], heldNanoUsd: 0n });
});

test('what the keeper charged for a hold that nobody was given is given back after the outage', async () => {
  const { ledger, policy, state, turns, entry } = await inDoubt();
  await turns(() => ledger.clock.now() > Date.parse('2026-11-23T12:00:30Z'));
  await ledger.keeper.pass(policy);
  expect(await entry()).toMatchObject({ status: 'ESTIMATED', chargeNanoUsd: 75n });
  state.away = false;
  await turns(async () => (await entry())?.status !== 'ESTIMATED');
  expect(await entry()).toMatchObject({ status: 'LATE', chargeNanoUsd: 0n });
  expect(await verifyLedger(ledger.truth, true)).toMatchObject({ findings: [], spentNanoUsd: 150n });
});

test('a process that was frozen since declares its holds void with its next call, and is not done before', async () => {
  const { ledger, policy, state, entry } = await inDoubt();
  ledger.clock.sleep = () => new Promise<never>(() => {});
  await new Promise((resolve) => void setImmediate(resolve));
  state.away = false;
  expect(await entry()).toBeUndefined();
  await ledger.gateway.settle(await held(ledger, policy, 75n), 75n, {});
  await ledger.gateway.idle();
  expect(await entry()).toMatchObject({ status: 'VOID' });
});

/** A ledger with a warm lane whose reserves fail until `forMs` have passed, and how long a hold then took. */
async function holdThrough(forMs: number, fail: (ledger: Ledger) => Promise<never>) {
  const ledger = await funded(5_000n);
  const policy = makePolicy();
  await spend(ledger, policy, 75n);
  const from = ledger.clock.now();
  const reserve = ledger.truth.reserve.bind(ledger.truth);
  ledger.truth.reserve = async (request) => (ledger.clock.now() < from + forMs ? fail(ledger) : reserve(request));
  const code = await ledger.gateway.hold(payment(policy, 75n)).then(
    (result) => (result.ok ? 'ok' : result.refusal.code),
    (error: unknown) => (error instanceof LedgerUnavailableError ? error.code : String(error)),
  );
  return { code, tookMs: ledger.clock.now() - from };
}

test.each([
  ['takes no connection', 1_000 + 3_000, async () => Promise.reject(new NotAppliedError('refused', { unreachable: true }))],
  [
    'lets every call wait for its 3 s',
    // The void that goes on in the background pauses on the same clock.
    3_000 + 1_000,
    async ({ clock }: Ledger) => {
      clock.advance(3_000);
      throw new UnknownOutcomeError('no answer');
    },
  ],
])('a store that %s is given up after 3 s', async (_what, atMostMs, fail) => {
  const { code, tookMs } = await holdThrough(Number.POSITIVE_INFINITY, fail);
  expect([code, tookMs >= 3_000, tookMs <= atMostMs, tookMs]).toEqual(['ledger_unavailable', true, true, tookMs]);
});

test('a burst of throttling of 6 s is waited out, and one without end is given up after 8 s', async () => {
  const throttled = async () => Promise.reject(new NotAppliedError('throttled'));
  expect((await holdThrough(6_000, throttled)).code).toBe('ok');
  const { code, tookMs } = await holdThrough(Number.POSITIVE_INFINITY, throttled);
  expect([code, tookMs >= 8_000, tookMs <= 9_000, tookMs]).toEqual(['ledger_unavailable', true, true, tookMs]);
});
