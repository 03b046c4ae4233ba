/** Corners of single conditions that no movement of money reaches by itself, on both stores. scripts/mutate-clauses.mjs found them open. */
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import type { LedgerStore } from '../../lambdas/application/ports.ts';
import type { Hold } from '../../lambdas/domain/pots.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';
import {
  BUDGET,
  USER,
  USER_MONTH,
  laneNow,
  CHAIN,
  LANE,
  NOW,
  entryOf,
  fund,
  grant,
  holdOf,
  limitPot,
  newHid,
  potNow,
  potsOf,
  reserve,
} from './ledger/world.ts';

let database: TestDatabase | undefined;
beforeAll(async () => {
  database = await startTestDatabase();
}, 60_000);
afterAll(async () => database?.stop());

const STORES: readonly (readonly [string, () => Promise<LedgerStore>])[] = [
  ['memory', async () => new MemoryLedgerStore()],
  [
    'dynoxide',
    async () => {
      if (!database) throw new Error('the database did not start');
      return new DynamoLedgerStore({ client: database.client, tableName: await database.newTable() });
    },
  ],
];

describe.each(STORES)('%s', (_, open) => {
  test('an amount at or below 0 is reached by a pot that nothing was settled in, and only by what is settled otherwise', async () => {
    const store = await open();
    await fund(store, 1_000n);
    await grant(store, 100n);
    const hid = newHid();
    await reserve(store, hid, 50n);
    await store.expire(LANE, holdOf(50n), entryOf(hid, 'ESTIMATED', 50n));
    // The refund of spend that is not flushed yet takes settled below 0 for a moment.
    const seen = { status: 'ESTIMATED', chargeNanoUsd: 50n } as const;
    const owners = { walletId: CHAIN.walletId, groupId: CHAIN.groupId, providerId: CHAIN.providerId };
    const late = {
      hid,
      seen,
      chargeNanoUsd: 20n,
      lossNanoUsd: 0n,
      lane: LANE,
      chain: potsOf(CHAIN),
      ...owners,
      direct: [],
      nowEpochMs: NOW,
    };
    expect(await store.late(late)).toEqual({ ok: true });
    expect((await potNow(store, BUDGET)).settledNanoUsd).toBe(-30n);

    expect(await store.raiseMarker(BUDGET, '50_1', NOW, -29n)).toBe(false);
    expect(await store.raiseMarker(BUDGET, '50_1', NOW, -30n)).toBe(true);
    const untouched = limitPot('budget/dev/untouched', 100n);
    expect(await store.raiseMarker(untouched, '50_1', NOW, 1n)).toBe(false);
    expect(await store.raiseMarker(untouched, '50_1', NOW, 0n)).toBe(true);
  });

  test('spend of a lane that is gone is not flushed', async () => {
    const store = await open();
    await fund(store, 1_000n);
    await grant(store, 100n);
    const lane = await laneNow(store);
    expect(await store.giveBack(lane, 100n)).toBe(true);
    expect(await store.closeLane(LANE, lane.lastUseEpochMs)).toBe(true);
    expect(await store.flush([{ lane, amountNanoUsd: 1n }])).toBe(false);
    expect((await potNow(store, BUDGET)).settledNanoUsd).toBe(0n);
  });

  test('a hold is settled only under the user pots that it was charged to', async () => {
    const store = await open();
    await fund(store, 1_000n);
    await grant(store, 100n);
    const hid = newHid();
    await reserve(store, hid, 50n, [USER]);
    const settle = (hold: Hold) => store.settle({ lane: LANE, hid, hold, chargeNanoUsd: 20n });
    expect(await settle(holdOf(50n, [USER_MONTH]))).toEqual({ ok: false });
    expect(await settle(holdOf(50n, [USER, USER_MONTH]))).toEqual({ ok: false });
    expect(await settle(holdOf(50n))).toEqual({ ok: false });
    expect((await laneNow(store)).unflushedNanoUsd).toBe(0n);
    expect(await settle(holdOf(50n, [USER]))).toEqual({ ok: true });
  });
});
