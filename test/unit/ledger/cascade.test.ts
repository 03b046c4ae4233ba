/** A group that draws on further wallets: cheap while the first one is dry, and never a moment too long. */
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { THRESHOLDS, limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

const policy = makePolicy({
  funding: ['team_two'],
  walletThresholds: THRESHOLDS,
  budgets: [limit('day', 1_000_000n), limit('month', 1_000_000n, { window: 'month' })],
});

/** A first wallet of 100 that is spent but for 7 nano-USD, which lie in its lane, and a second one that is full. */
async function drained(options: { readonly processes?: number; readonly held?: bigint } = {}) {
  const ledger = makeLedger(options);
  for (const [walletId, amountNanoUsd] of [
    ['team_dev', 100n],
    ['team_two', 100_000n],
  ] as const) {
    await ledger.truth.topUp({ id: `fund-${walletId}`, walletId, amountNanoUsd, atEpochMs: 0 });
  }
  const { gateway, clock } = ledger;
  const call = async (bound: bigint, actual = bound, by = gateway) => {
    clock.advance(1);
    const result = await by.hold(payment(policy, bound));
    if (!result.ok) return result.refusal.code;
    await by.settle(result.held, actual, {});
    await by.idle();
    return result.held.chain.walletId;
  };
  /** The store calls that a hold waits for. */
  const callsOf = async (bound: bigint, by = gateway) => {
    ledger.calls.length = 0;
    const result = await by.hold(payment(policy, bound));
    const calls = [...ledger.calls];
    if (!result.ok) throw new Error(result.refusal.code);
    await by.settle(result.held, bound, {});
    await by.idle();
    return { calls, wallet: result.held.chain.walletId };
  };
  if (options.held === undefined) expect(await call(100n, 93n)).toBe('team_dev');
  else await gateway.hold(payment(policy, options.held));
  // The second wallet's lane has money for many calls.
  expect(await call(20_000n, 0n)).toBe('team_two');
  return { ledger, call, callsOf };
}

test('while the first wallet is dry, a warm call makes one store call before it is sent, and one more each second', async () => {
  const { ledger, callsOf } = await drained();
  for (let second = 0; second < 5; second += 1) {
    for (let more = 0; more < 3; more += 1) {
      expect(await callsOf(80n)).toEqual({ calls: ['reserve'], wallet: 'team_two' });
      ledger.clock.advance(10);
    }
    ledger.clock.advance(1_001);
    expect(await callsOf(80n)).toEqual({ calls: ['readPots', 'reserve'], wallet: 'team_two' });
  }
});

test('while the first wallet’s money is in flight, its lanes are looked into once a second', async () => {
  const { ledger, callsOf } = await drained({ held: 100n });
  expect(await callsOf(80n)).toEqual({ calls: ['reserve'], wallet: 'team_two' });
  ledger.clock.advance(1_001);
  expect(await callsOf(80n)).toEqual({ calls: ['readPots', 'lanesOf', 'readLanes', 'reserve'], wallet: 'team_two' });
  expect(await callsOf(80n)).toEqual({ calls: ['reserve'], wallet: 'team_two' });
});

test('calls that come at once look together whether the first wallet is still dry', async () => {
  const { ledger } = await drained();
  ledger.clock.advance(1_001);
  ledger.calls.length = 0;
  await Promise.all(Array.from({ length: 8 }, () => ledger.gateway.hold(payment(policy, 10n))));
  expect(ledger.calls.filter((name) => name === 'readPots')).toHaveLength(1);
});

test('a top-up of the first wallet is used within a second', async () => {
  const { ledger, callsOf } = await drained();
  await ledger.truth.topUp({ id: 'more', walletId: 'team_dev', amountNanoUsd: 1_000n, atEpochMs: 0 });
  ledger.clock.advance(1_001);
  expect((await callsOf(80n)).wallet).toBe('team_dev');
});

test('a call that fits what the first wallet has left is paid from it', async () => {
  const { callsOf } = await drained();
  expect((await callsOf(7n)).wallet).toBe('team_dev');
});

test('money that a call of this process gives back to the first wallet is used by the next one', async () => {
  const { ledger, callsOf } = await drained();
  await ledger.truth.topUp({ id: 'more', walletId: 'team_dev', amountNanoUsd: 90n, atEpochMs: 0 });
  ledger.clock.advance(1_001);
  const all = await ledger.gateway.hold(payment(policy, 97n));
  if (!all.ok) throw new Error(all.refusal.code);
  expect(all.held.chain.walletId).toBe('team_dev');
  expect((await callsOf(80n)).wallet).toBe('team_two');
  await ledger.gateway.settle(all.held, 10n, {});
  expect((await callsOf(80n)).wallet).toBe('team_dev');
});

test('money that another process gives back to the first wallet is used within a second', async () => {
  const { ledger, callsOf } = await drained({ processes: 2, held: 100n });
  const lanes = [];
  for await (const page of ledger.truth.allLanes()) lanes.push(...page);
  const lane = lanes.find(({ walletId }) => walletId === 'team_dev');
  const [hid, hold] = [...(lane?.holds ?? [])][0] ?? [];
  if (lane === undefined || hid === undefined || hold === undefined) throw new Error('nothing is held');
  await ledger.truth.settle({ lane: lane.id, hid, hold, chargeNanoUsd: 0n });
  ledger.clock.advance(1_001);
  expect((await callsOf(80n)).wallet).toBe('team_dev');
});

test('when no wallet can pay, all are looked at, and the refusal is of the first', async () => {
  const { ledger, call } = await drained();
  expect(await call(99_000n)).toBe('team_two');
  expect(await call(1_001n)).toBe('insufficient_funds');
  expect(await ledger.gateway.hold(payment(policy, 1_001n))).toMatchObject({
    ok: false,
    refusal: { code: 'insufficient_funds', limitedBy: 'wallet/team_dev' },
  });
  expect(await verifyLedger(ledger.truth, true)).toMatchObject({ findings: [] });
});

test('429 when a wallet, whichever it is, only has its money in flight', async () => {
  const { ledger, call } = await drained({ held: 100n });
  expect(await call(99_950n)).toBe('team_two');
  expect(await ledger.gateway.hold(payment(policy, 90n))).toMatchObject({
    ok: false,
    refusal: { code: 'funds_reserved', limitedBy: 'wallet/team_dev' },
  });
});

test('a look during which another process took money into a lane passes no wallet by', async () => {
  const { ledger, call, callsOf } = await drained({ processes: 3 });
  await ledger.truth.topUp({ id: 'more', walletId: 'team_dev', amountNanoUsd: 200n, atEpochMs: 0 });
  ledger.clock.advance(1_001);
  const [, other, cold] = ledger.gateways;
  const readLanes = ledger.truth.readLanes.bind(ledger.truth);
  let once = true;
  ledger.truth.readLanes = async (ids) => {
    const lanes = await readLanes(ids);
    if (once) {
      once = false;
      const held = await other?.hold(payment(policy, 190n, { groupName: 'other' }));
      if (held?.ok) await other?.settle(held.held, 0n, {});
    }
    return lanes;
  };
  expect(await call(300n, 300n, cold)).toBe('team_two');
  expect(once).toBe(false);
  expect((await callsOf(150n, cold)).wallet).toBe('team_dev');
});
