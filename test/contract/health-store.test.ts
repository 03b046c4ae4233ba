/** What every store of the targets' health promises, in memory and on the embedded database. */
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { DynamoHealthStore } from '../../lambdas/adapters/dynamodb/health-store.ts';
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import type { HealthStore } from '../../lambdas/application/ports-health.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';

let shared: TestDatabase | undefined;
beforeAll(async () => {
  shared = await startTestDatabase();
});
afterAll(async () => shared?.stop());

async function newTable() {
  if (!shared) throw new Error('the database did not start');
  return { client: shared.client, tableName: await shared.newTable() };
}

const A = 'openai/gpt-5-mini';
const B = 'local/org/model:tag#1';

async function of(store: HealthStore, target: string) {
  return (await store.readHealth([target])).get(target);
}

describe.each<[string, () => Promise<HealthStore>]>([
  ['memory', async () => new MemoryHealthStore()],
  ['dynoxide', async () => new DynamoHealthStore(await newTable())],
])('health in %s', (_name, open) => {
  test('targets are kept apart, and one that nobody wrote of is absent', async () => {
    const store = await open();
    expect(await store.readHealth([])).toEqual(new Map());
    await store.addFailure(A, 1_000);
    expect(await store.readHealth([A, B, 'x/y'])).toEqual(new Map([[A, { failures: 1 }]]));
    expect(await store.addFailure(B, 1_000)).toEqual({ failures: 1 });
    expect([...(await store.readHealth([A, B])).keys()].toSorted()).toEqual([B, A].toSorted());
  });

  test('failures of concurrent writers are all counted', async () => {
    const store = await open();
    const counts = await Promise.all(Array.from({ length: 16 }, () => store.addFailure(A, 1_000)));
    expect(counts.map(({ failures }) => failures).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 16 }, (_, at) => at + 1),
    );
  });

  test('of concurrent cooldowns the longest stands', async () => {
    const store = await open();
    await Promise.all([5_000, 9_000, 7_000].map((until) => store.cool(A, until, 1_000)));
    expect(await of(store, A)).toEqual({ failures: 0, openedEpochMs: 1_000, coolUntilEpochMs: 9_000 });
    expect(await store.cool(A, 9_000, 2_000)).toMatchObject({ openedEpochMs: 1_000, coolUntilEpochMs: 9_000 });
  });

  test('a probe is taken by one of many, not before the cooldown is over, and again when the prober never came back', async () => {
    const store = await open();
    expect((await store.takeProbe(A, 9_000, 8_000)).taken).toBe(false);
    expect(await of(store, A)).toBeUndefined();
    await store.cool(A, 5_000, 1_000);
    expect((await store.takeProbe(A, 9_000, 4_999)).taken).toBe(false);
    const taken = await Promise.all(Array.from({ length: 8 }, () => store.takeProbe(A, 9_000, 5_000)));
    expect(taken.filter((one) => one.taken)).toHaveLength(1);
    for (const { health } of taken) expect(health).toMatchObject({ coolUntilEpochMs: 5_000, probeUntilEpochMs: 9_000 });
    expect((await store.takeProbe(A, 12_000, 8_999)).taken).toBe(false);
    expect((await store.takeProbe(A, 13_000, 9_000)).taken).toBe(true);
  });

  test('a probe is given back by who took it, and by nobody else', async () => {
    const store = await open();
    await store.cool(A, 5_000, 1_000);
    await store.takeProbe(A, 9_000, 5_000);
    expect(await store.dropProbe(A, 8_000, 5_100)).toMatchObject({ probeUntilEpochMs: 9_000 });
    expect(await store.dropProbe(A, 9_000, 5_100)).toEqual({ failures: 0, openedEpochMs: 1_000, coolUntilEpochMs: 5_000 });
    expect((await store.takeProbe(A, 9_500, 5_200)).taken).toBe(true);
    expect(await store.dropProbe(B, 9_000, 5_100)).toEqual({ failures: 0 });
  });

  test('a failed probe ends with a new cooldown', async () => {
    const store = await open();
    await store.cool(A, 5_000, 1_000);
    await store.takeProbe(A, 9_000, 5_000);
    expect(await store.cool(A, 10_000, 5_500)).toEqual({ failures: 0, openedEpochMs: 5_500, coolUntilEpochMs: 10_000 });
  });

  test('a success ends failures, cooldown and probe, but for one that was sent before the cooldown began', async () => {
    const store = await open();
    await store.addFailure(A, 1_000);
    await store.cool(A, 5_000, 1_000);
    expect(await store.recover(A, 1_000, 1_500)).toMatchObject({ failures: 1, coolUntilEpochMs: 5_000 });
    await store.takeProbe(A, 9_000, 5_000);
    expect(await store.recover(A, 5_001, 5_500)).toEqual({ failures: 0 });
    expect(await of(store, A)).toEqual({ failures: 0 });
    await store.addFailure(A, 6_000);
    expect(await store.recover(A, 1, 6_500)).toEqual({ failures: 0 });
  });

  test('a latency is written over the one that was seen, and outlives a cooldown', async () => {
    const store = await open();
    expect(await store.keepLatency(A, 120, undefined, 1_000)).toMatchObject({ latencyMs: 120, latencyEpochMs: 1_000 });
    expect(await store.keepLatency(A, 999, undefined, 1_100)).toMatchObject({ latencyMs: 120, latencyEpochMs: 1_000 });
    expect(await store.keepLatency(A, 999, 900, 1_100)).toMatchObject({ latencyMs: 120, latencyEpochMs: 1_000 });
    expect(await store.keepLatency(A, 140, 1_000, 1_200)).toMatchObject({ latencyMs: 140, latencyEpochMs: 1_200 });
    await store.cool(A, 5_000, 1_300);
    await store.recover(A, 1_400, 1_500);
    expect(await of(store, A)).toEqual({ failures: 0, latencyMs: 140, latencyEpochMs: 1_200 });
  });
});

test('a target is one item under 1 KB that expires a day after its last write', async () => {
  const { client, tableName } = await newTable();
  const store = new DynamoHealthStore({ client, tableName });
  const longest = `${'p'.repeat(64)}/${'m'.repeat(200)}`;
  const now = Date.UTC(2026, 10, 23);
  await store.addFailure(longest, now);
  await store.cool(longest, now + 30_000, now);
  await store.takeProbe(longest, now + 60_000, now + 30_000);
  await store.keepLatency(longest, 123_456, undefined, now + 30_000);
  const { Items = [] } = await client.send(new ScanCommand({ TableName: tableName }));
  expect(Items).toHaveLength(1);
  expect(Items[0]?.pk).toBe(`HEALTH#${longest}`);
  expect(Items[0]?.ttl).toBe(BigInt(now / 1_000 + 30 + 86_400));
  expect(
    JSON.stringify(Items[0], (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)).length,
  ).toBeLessThan(600);
});
