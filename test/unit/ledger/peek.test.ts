/** Figures for routing rules: what is kept, never waited for, read anew beside the call. */
import { limit, makeLedger, makePolicy, payment } from '../../support/ledger.ts';

async function world() {
  const ledger = makeLedger();
  const policy = makePolicy({ budgets: [limit('day', 1_000n), limit('each', 500n, { per: 'user' })] });
  const [group] = policy.consumerGroups;
  if (group === undefined) throw new Error('no group');
  await ledger.wallets.fund(policy, 'team_dev', 10_000n, 'fund');
  const peek = (user = 'ann') => ledger.gateway.peek(policy, group, user);
  const reads = (): number => ledger.calls.filter((call) => call === 'readPots').length;
  return { ...ledger, policy, peek, reads };
}

test('without a snapshot there is no answer, and the next one has it: read once, however many ask meanwhile', async () => {
  const at = await world();
  const before = at.reads();
  expect([at.peek(), at.peek(), at.peek()]).toEqual([undefined, undefined, undefined]);
  await at.gateway.idle();
  expect(at.reads() - before).toBe(1);
  expect(at.peek()?.budgets.map(({ scope, spentNanoUsd }) => [scope, spentNanoUsd])).toEqual([
    ['budget/dev/day', 0n],
    ['budget/dev/each/ann', 0n],
  ]);
  expect(at.peek('bob')).toBeUndefined();
  await at.gateway.idle();
});

test('a snapshot is used for a minute and read anew after half of one, beside the call', async () => {
  const at = await world();
  at.peek();
  await at.gateway.idle();
  const first = at.peek()?.atEpochMs;
  const before = at.reads();
  at.clock.advance(30_000);
  expect(at.peek()?.atEpochMs).toBe(first);
  expect(at.reads()).toBe(before);
  at.clock.advance(1);
  expect(at.peek()?.atEpochMs).toBe(first);
  await at.gateway.idle();
  expect(at.reads()).toBe(before + 1);
  expect(at.peek()?.atEpochMs).toBe((first ?? 0) + 30_001);
  at.clock.advance(60_001);
  expect(at.peek()).toBeUndefined();
  await at.gateway.idle();
});

test('what this process settles moves it on at once', async () => {
  const at = await world();
  at.peek();
  await at.gateway.idle();
  const result = await at.gateway.hold(payment(at.policy, 300n, { userId: 'ann' }));
  if (!result.ok) throw new Error('refused');
  await at.gateway.settle(result.held, 250n, { requestId: 'r' });
  expect(at.peek()?.budgets.map(({ spentNanoUsd }) => spentNanoUsd)).toEqual([250n, 250n]);
  expect(at.peek()?.wallets[0]).toMatchObject({ spentNanoUsd: 250n, baseNanoUsd: 0n });
});

test('a store that is away leaves it at no answer', async () => {
  const at = await world();
  at.faults.lostRequest = 1;
  expect(at.peek()).toBeUndefined();
  await at.gateway.idle();
  expect(at.peek()).toBeUndefined();
  await at.gateway.idle();
});
