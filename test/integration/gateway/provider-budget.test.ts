/** A provider's budget bounds what its vendor may cost, whoever calls at once; the calls go on to the next target. */
import { DynamoLedgerStore } from '../../../lambdas/adapters/dynamodb/ledger-store.ts';
import { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import type { LedgerStore } from '../../../lambdas/application/ports.ts';
import { HttpProvider } from '../../../lambdas/adapters/providers/http-provider.ts';
import { SimulatedProvider } from '../../../lambdas/local/simulated-provider.ts';
import { type TestDatabase, startTestDatabase } from '../../support/database.ts';
import { FakeLog, fixture, policy, price, provider, route } from '../../support/gateway-fixture.ts';
import { memoryPayments } from '../../support/memory-payments.ts';

const USD = 1_000_000_000n;
const CALLERS = 64;
/** Output tokens cost a cent and input nothing, so a call of 3 tokens costs 3 cents; its bound is 5. */
const COST = (3n * USD) / 100n;
const ASK = { model: 'economy', max_completion_tokens: 5, messages: [{ role: 'user', content: 'x' }] };

let database: TestDatabase;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  database = await startTestDatabase();
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => database?.stop());

/** Two gateways on one store before two providers, each with a budget. */
async function world(store: LedgerStore, budgets: { readonly first: bigint; readonly second: bigint }) {
  const first = new SimulatedProvider({ answerTokens: 3, latencyMs: 20 });
  const second = new SimulatedProvider({ answerTokens: 3, latencyMs: 20 });
  await first.start();
  await second.start();
  const budget = (limitNanoUsd: bigint) => ({
    budgets: [
      { name: 'month', window: 'month' as const, limitNanoUsd, thresholds: [{ percent: 100, action: 'block' as const }] },
    ],
  });
  const inForce = policy({
    providers: [
      provider('first', first.baseUrl, budget(budgets.first)),
      provider('second', second.baseUrl, budget(budgets.second)),
    ],
    routes: [route('economy', ['first/small', 'second/small'])],
    prices: [price('first', 'small', '0.00', '10000.00'), price('second', 'small', '0.00', '10000.00')],
  });
  const ledgers = [memoryPayments(store), memoryPayments(store)];
  await ledgers[0]?.fund('team', 1_000n * USD);
  const client = new HttpProvider({ find: () => Promise.resolve(undefined) }, new FakeLog(), '0.0.0-test');
  const gateways = ledgers.map(({ payments }) => fixture(inForce, client, {}, { payments }));
  ends.push(async () => {
    await client.close();
    await first.stop();
    await second.stop();
  });
  let turn = 0;
  return {
    first,
    second,
    async call(): Promise<{ readonly status: number; readonly code?: string; readonly provider: string | null }> {
      const at = gateways[turn++ % gateways.length];
      if (at === undefined) throw new Error('no gateway');
      const { response, done } = await at.gateway.handle(
        new Request('http://gateway/v1/chat/completions', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}` },
          body: JSON.stringify(ASK),
        }),
      );
      const body = (await response.json()) as { readonly error?: { readonly code: string } };
      await done;
      return { status: response.status, code: body.error?.code, provider: response.headers.get('x-tollgate-provider') };
    },
    async idle(): Promise<void> {
      await Promise.all(ledgers.map(({ payments }) => payments.idle()));
    },
    /** What the entries say that a provider has cost. */
    async spentOn(name: string): Promise<bigint> {
      const entries = (await ledgers[0]?.entries()) ?? [];
      return entries.filter(({ detail }) => detail.provider === name).reduce((sum, entry) => sum + entry.chargeNanoUsd, 0n);
    },
  };
}

describe.each<[string, () => Promise<LedgerStore>]>([
  ['in memory', async () => new MemoryLedgerStore()],
  [
    'on the embedded database',
    async () => new DynamoLedgerStore({ client: database.client, tableName: await database.newTable() }),
  ],
])('%s', (_name, open) => {
  test('with $1 on the first target its spend never passes it under 64 callers at once, and the calls go on to the next', async () => {
    const at = await world(await open(), { first: USD, second: 1_000n * USD });
    const results: Awaited<ReturnType<typeof at.call>>[] = [];
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        for (let i = 0; i < 2; i += 1) {
          results.push(await at.call());
          // What the vendor has truly done, at any moment.
          expect(BigInt(at.first.requests) * COST).toBeLessThanOrEqual(USD);
        }
      }),
    );
    await at.idle();
    expect(results.filter(({ status }) => status !== 200)).toEqual([]);
    // What is left of it serves calls until not even one bound fits.
    for (let served = at.first.requests; ; served = at.first.requests) {
      await at.call();
      await at.idle();
      if (at.first.requests === served) break;
    }
    const spent = await at.spentOn('first');
    expect(spent).toBe(BigInt(at.first.requests) * COST);
    expect(spent).toBeLessThanOrEqual(USD);
    expect(spent).toBeGreaterThan(USD - (5n * USD) / 100n);
    expect(at.second.requests).toBeGreaterThanOrEqual(2 * CALLERS - at.first.requests);
  }, 120_000);

  test('when the budgets of all targets are used up the answer is a 402, and nothing is sent', async () => {
    const at = await world(await open(), { first: (8n * USD) / 100n, second: (8n * USD) / 100n });
    const results = [];
    for (let i = 0; i < 6; i += 1) {
      results.push(await at.call());
      await at.idle();
    }
    // Two calls of 3 cents fit into 8 beside a bound of 5, on each of them.
    expect(results.map(({ status, provider: served }) => [status, served])).toEqual([
      [200, 'first'],
      [200, 'first'],
      [200, 'second'],
      [200, 'second'],
      [402, null],
      [402, null],
    ]);
    expect(results.at(-1)?.code).toBe('provider_budget_exceeded');
    expect([at.first.requests, at.second.requests]).toEqual([2, 2]);
  }, 60_000);
});
