/** The counters behind rate limits: a minute never counts more than its limits, whoever races, in memory and on the database. */
import { DynamoRateStore } from '../../lambdas/adapters/dynamodb/rate-store.ts';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import type { RateMinute } from '../../lambdas/application/ports-rates.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';

let shared: TestDatabase | undefined;
beforeAll(async () => {
  shared = await startTestDatabase();
});
afterAll(async () => shared?.stop());

const MINUTE: RateMinute = { groupId: 'dev', startsAtEpochMs: 1_800_000_000_000 };

describe.each([
  ['memory', async () => new MemoryRateStore()],
  [
    'dynoxide',
    async () => {
      if (!shared) throw new Error('the database did not start');
      return new DynamoRateStore({ client: shared.client, tableName: await shared.newTable() });
    },
  ],
])('rate counters in %s', (_name, open) => {
  test('of 40 racing requests exactly as many are counted as the minute has room for', async () => {
    const store = await open();
    const limits = { requestsPerMinute: 7, tokensPerMinute: 1_000 };
    const taken = await Promise.all(Array.from({ length: 40 }, () => store.takeRate(MINUTE, 10, limits)));
    expect(taken.filter(({ ok }) => ok)).toHaveLength(7);
    expect(await store.takeRate(MINUTE, 10, limits)).toEqual({ ok: false, counts: { requests: 7, tokens: 70 } });
  });

  test('tokens are all or nothing: what does not fit whole is not counted at all', async () => {
    const store = await open();
    const limits = { tokensPerMinute: 100 };
    expect(await store.takeRate(MINUTE, 60, limits)).toEqual({ ok: true, counts: { requests: 1, tokens: 60 } });
    expect(await store.takeRate(MINUTE, 41, limits)).toEqual({ ok: false, counts: { requests: 1, tokens: 60 } });
    expect(await store.takeRate(MINUTE, 40, limits)).toEqual({ ok: true, counts: { requests: 2, tokens: 100 } });
  });

  test('without a token limit tokens are not counted', async () => {
    const store = await open();
    expect(await store.takeRate(MINUTE, 60, { requestsPerMinute: 2 })).toEqual({ ok: true, counts: { requests: 1, tokens: 0 } });
  });

  test('a correction makes room again, and one for a minute that nobody counted does nothing', async () => {
    const store = await open();
    const limits = { requestsPerMinute: 1, tokensPerMinute: 100 };
    const other = { ...MINUTE, groupId: 'other' };
    await store.takeRate(MINUTE, 100, limits);
    await store.adjustRate(MINUTE, { requests: -1, tokens: -100 });
    await store.adjustRate(other, { requests: -1, tokens: -100 });
    expect(await store.takeRate(MINUTE, 100, limits)).toEqual({ ok: true, counts: { requests: 1, tokens: 100 } });
    expect(await store.takeRate(other, 100, limits)).toEqual({ ok: true, counts: { requests: 1, tokens: 100 } });
  });

  test('minutes and groups have counters of their own', async () => {
    const store = await open();
    const limits = { requestsPerMinute: 1 };
    const next = { ...MINUTE, startsAtEpochMs: MINUTE.startsAtEpochMs + 60_000 };
    for (const minute of [MINUTE, next, { ...MINUTE, groupId: 'dev2' }])
      expect((await store.takeRate(minute, 0, limits)).ok).toBe(true);
    expect((await store.takeRate(next, 0, limits)).ok).toBe(false);
  });
});
