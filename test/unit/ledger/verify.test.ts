/** Reconciliation of a live stage: what moves between its reads is no finding, and what is wrong and stands still is one. */
import type { LedgerStore } from '../../../lambdas/application/ports.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { limit, makeLedger, makePolicy, payment, seeded } from '../../support/ledger.ts';

const policy = makePolicy({
  budgets: [limit('day', 1_000_000n), limit('each', 1_000_000n, { per: 'user' })],
  providerBudgets: [limit('month', 1_000_000n, { window: 'month' })],
});

async function live() {
  const ledger = makeLedger();
  await ledger.truth.topUp({ id: 'fund', walletId: 'team_dev', amountNanoUsd: 1_000_000n, atEpochMs: 0 });
  const call = async (bound: bigint) => {
    ledger.clock.advance(1);
    const result = await ledger.gateway.hold(payment(policy, bound, { userId: 'ann' }));
    if (!result.ok) throw new Error(result.refusal.code);
    return result.held;
  };
  const end = async (held: Awaited<ReturnType<typeof call>>, cost: bigint) => {
    await ledger.gateway.settle(held, cost, {});
    await ledger.gateway.idle();
  };
  return { ledger, call, end };
}

/** The store, with something that happens before each listing. */
function interrupted(store: LedgerStore, happen: (listing: string) => Promise<void>): LedgerStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      if (!name.startsWith('all')) return method.bind(target);
      return async function* () {
        await happen(name);
        yield* Reflect.apply(method, target, []) as AsyncIterable<readonly unknown[]>;
      };
    },
  });
}

test('calls that cost nothing and come and go between the reads are no finding', async () => {
  const { ledger, call, end } = await live();
  let open = await call(75n);
  const busy = interrupted(ledger.truth, async (listing) => {
    if (listing === 'allLanes') await end(open, 0n);
    if (listing === 'allPots') open = await call(75n);
  });
  expect((await verifyLedger(busy, false)).findings).toEqual([]);
});

test('whatever calls, flushes and recalls do between the reads, there is no finding', async () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const { ledger, call, end } = await live();
    const random = seeded(seed);
    const pick = (n: number): number => Math.floor(random.fraction() * n);
    const open: Awaited<ReturnType<typeof call>>[] = [await call(75n)];
    const busy = interrupted(ledger.truth, async () => {
      for (let step = pick(3); step > 0; step -= 1) {
        const kind = pick(6);
        const held = open.at(0);
        if (kind < 2) open.push(await call(75n));
        else if (kind < 4 && held !== undefined) {
          open.shift();
          await end(held, pick(3) === 0 ? 10n : 0n);
        } else {
          for await (const page of ledger.truth.allLanes())
            for (const lane of page) {
              if (kind === 4) await ledger.truth.flush([{ lane, amountNanoUsd: lane.unflushedNanoUsd }]);
              else await ledger.truth.giveBack(lane, lane.idleNanoUsd);
            }
        }
      }
    });
    expect([seed, (await verifyLedger(busy, false)).findings]).toEqual([seed, []]);
  }
}, 60_000);

test('what is wrong is found on a live stage too, beside pots that move', async () => {
  const { ledger, call, end } = await live();
  await end(await call(75n), 75n);
  const stray = {
    hid: 'zzzzzz-strayentry1',
    status: 'FINAL' as const,
    chargeNanoUsd: 9n,
    lossNanoUsd: 0n,
    estimateNanoUsd: 9n,
    lane: { chainHash: 'none', n: 0 },
    chain: ['wallet/team_two#life'],
    direct: [],
    atEpochMs: 0,
    detail: {},
  };
  await ledger.truth.putEntry(stray);
  await ledger.truth.topUp({ id: 'two', walletId: 'team_two', amountNanoUsd: 100n, atEpochMs: 0 });
  const busy = interrupted(ledger.truth, async () => end(await call(10n), 1n));
  const report = await verifyLedger(busy, false);
  expect(report.findings).toMatchObject([
    { invariant: 'settled + unflushed = sum of entries', subject: 'wallet/team_two#life', expectedUsd: '0.000000009' },
  ]);
  expect(report.moving).toBe(4);
});
