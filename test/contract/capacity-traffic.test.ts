/**
 * What traffic costs on DynamoDB: the production payments, alerts and keeper over the embedded database, by a clock that moves by
 * hand, one call after the other begun at a steady pace, each lasting 8 s, with a keeper's pass a minute. Units follow the
 * documented rules of capacity.ts. docs/costs.md shows the same figures.
 */
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { DynamoAlertLog } from '../../lambdas/adapters/dynamodb/alert-log.ts';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { sha256Fingerprint } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { Keeper } from '../../lambdas/application/keeper.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import type { Held } from '../../lambdas/application/payments.ts';
import { verifyLedger } from '../../lambdas/application/verify.ts';
import { LIMITS } from '../../lambdas/http/limits.ts';
import type { EntryDetail } from '../../lambdas/domain/entries.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { CapacityBook } from '../support/capacity-book.ts';
import { CapacityMeter } from '../support/capacity-meter.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';
import { HandClock, THRESHOLDS, limit, makePolicy, payment, seeded } from '../support/ledger.ts';

const USD = 1_000_000_000n;
const SEED = 7;
const CALL_MS = 8_000;
/** A deadline against hanging, never a measure. */
const PATIENCE_MS = 600_000;
const KEEPER_MS = 60_000;
/** A prompt of 4 KB and a cap of 1,024 tokens at $0.25 and $2.00 a million: what bytes and cap allow. */
const BOUND = 3_123_457n;

/** Four pots: wallet, the group's day and month, the provider's month. */
const FOUR_POTS = makePolicy({
  budgets: [limit('day', 500n * USD), limit('month', 3_000n * USD, { window: 'month' })],
  providerBudgets: [limit('month', 2_500n * USD, { window: 'month' })],
  walletThresholds: THRESHOLDS,
});
const WITH_USER_POT = makePolicy({
  budgets: [
    limit('day', 500n * USD),
    limit('month', 3_000n * USD, { window: 'month' }),
    limit('each-developer', 50n * USD, { per: 'user' }),
  ],
  providerBudgets: [limit('month', 2_500n * USD, { window: 'month' })],
  walletThresholds: THRESHOLDS,
});

let database: TestDatabase | undefined;
let meter: CapacityMeter | undefined;
let plain: DynamoDBDocumentClient | undefined;
beforeAll(async () => {
  database = await startTestDatabase();
  meter = new CapacityMeter(database.client, database.endpoint);
}, 60_000);
afterAll(async () => {
  meter?.stop();
  plain?.destroy();
  await database?.stop();
});

const book = new CapacityBook('traffic', 'traffic');

/** A client without a meter: a filtered scan cannot be metered. */
function unwatchedClient(): DynamoDBDocumentClient {
  plain ??= createDynamoClient({ endpoint: database?.endpoint });
  return plain;
}

async function gateway(fundedNanoUsd: bigint) {
  if (!database || !meter) throw new Error('the database did not start');
  const watch = meter;
  const options = { client: database.client, tableName: await database.newTable(), onCall: watch.onCall };
  const store = new DynamoLedgerStore(options);
  const clock = new HandClock();
  const random = seeded(SEED);
  const persistence = { clock, random };
  const silent = () => {};
  const reporter = { info: silent, warn: silent, error: silent };
  const publisher = { publish: async () => {} };
  const alerts = new AlertDesk({ store, publisher, log: new DynamoAlertLog(options), persistence, reporter });
  const make = () => new LedgerPayments({ store, alerts, persistence, fingerprint: sha256Fingerprint, reporter });
  const keeper = new Keeper({ store, alerts, persistence, reporter });
  await store.topUp({ id: 'first', walletId: 'team_dev', amountNanoUsd: fundedNanoUsd, atEpochMs: clock.now() });
  watch.take();
  const unwatched = () => new DynamoLedgerStore({ client: unwatchedClient(), tableName: options.tableName });
  return { store, unwatched, clock, random, payments: make(), another: make, keeper, watch };
}

/** What an entry says of an ordinary call. */
function detail(requestId: string): EntryDetail {
  return {
    requestId: `req_${requestId}`,
    group: 'dev',
    user: 'ann.example@example.com',
    keyId: '0123456789ab',
    route: 'economy',
    provider: 'openai',
    model: 'gpt-5-mini-2026-08-07',
    attempt: 1,
    usage: {
      inputTokens: 1_234,
      cachedInputTokens: 512,
      outputTokens: 345,
      reasoningTokens: 128,
      cacheWriteInputTokens: 256,
      cacheWriteHourInputTokens: 64,
    },
    estimated: false,
    outcome: 'ok',
    purpose: 'traffic',
    tags: { feature: 'search', case: '17', tenant: 'customer-0042', release: '2026.11.3' },
  };
}

/**
 * Calls at a steady pace, measured after a warm-up in which the lane's chunks grow.
 * @param requests how many are measured
 * @returns the calls to the database while they were made
 */
async function traffic(policy: Policy, perSecond: number, warmUp: number, requests: number) {
  const { unwatched, clock, random, payments, keeper, watch } = await gateway(10_000n * USD);
  const gapMs = 1000 / perSecond;
  const inFlight: { readonly held: Held; readonly endsAt: number }[] = [];
  let keptAt = clock.now();
  const settleUntil = async (until: number) => {
    while (inFlight[0] !== undefined && inFlight[0].endsAt <= until) {
      const { held, endsAt } = inFlight[0];
      inFlight.shift();
      clock.advance(Math.max(0, endsAt - clock.now()));
      // A prompt is about a quarter of its bytes, an answer seldom as long as its cap: 10 to 40 % of the bound.
      const share = BigInt(Math.round(100 + random.fraction() * 300));
      await payments.settle(held, (held.hold.estimateNanoUsd * share) / 1000n, detail(random.id(24)));
      await payments.idle();
    }
  };
  const startedAt = clock.now();
  for (let i = 0; i < warmUp + requests; i += 1) {
    const at = startedAt + i * gapMs;
    await settleUntil(at);
    clock.advance(Math.max(0, at - clock.now()));
    if (i === warmUp) watch.take();
    if (clock.now() - keptAt >= KEEPER_MS) {
      keptAt += KEEPER_MS;
      await keeper.pass(policy);
    }
    // Prompts differ: a bound from half to one and a half of the usual.
    const bound = (BOUND * BigInt(Math.round(500 + random.fraction() * 1000))) / 1000n;
    const request = payment(policy, bound, { userId: 'ann.example@example.com' });
    const result = await payments.hold(request);
    if (!result.ok) throw new Error(`refused: ${result.refusal.code}`);
    await payments.statement(policy, request.group, request.userId, 60_000);
    inFlight.push({ held: result.held, endsAt: clock.now() + CALL_MS });
  }
  const calls = watch.take();
  await settleUntil(Number.POSITIVE_INFINITY);
  // Figures of a ledger that does not add up would say nothing.
  expect((await verifyLedger(unwatched(), true)).findings).toEqual([]);
  return calls;
}

test(
  'at a request a second on a chain of four pots, a request costs at most 3.4 write units, its entry included',
  async () => {
    const calls = await traffic(FOUR_POTS, 1, 120, 360);
    const { writes, reads } = book.add('a request, at 1 a second on the lane (steady state)', calls, 360);
    expect(writes).toBeLessThanOrEqual(3.4);
    expect(writes).toBeGreaterThan(3);
    expect(reads).toBeLessThanOrEqual(0.6);
    // One write unit each, however much the entry tells and however many holds the lane has.
    for (const call of calls.filter(({ operation }) => ['putEntry', 'reserve', 'settle'].includes(operation))) {
      expect(call.bytes).toBeLessThanOrEqual(1024);
      expect(call.writeUnits).toBe(1);
    }
  },
  PATIENCE_MS,
);

test(
  'a chain at 32 calls in flight, the worst fit for lanes of 16, and a quiet one stay under 4.2',
  async () => {
    const busy = book.add('a request, at 4 a second on the chain (two full lanes)', await traffic(FOUR_POTS, 4, 120, 240), 240);
    expect(busy.writes).toBeLessThanOrEqual(4);
    const quiet = book.add('a request, at 1 in 4 seconds', await traffic(FOUR_POTS, 0.25, 45, 75), 75);
    expect(quiet.writes).toBeLessThanOrEqual(4.2);
  },
  PATIENCE_MS,
);

test(
  'a pot of the user costs about three times as much, and no other request pays it',
  async () => {
    const calls = await traffic(WITH_USER_POT, 1, 60, 120);
    const { writes, reads } = book.add('a request under a per-user budget, at 1 a second', calls, 120);
    expect(writes).toBeLessThanOrEqual(10.7);
    expect(reads).toBeLessThanOrEqual(3.5);
  },
  PATIENCE_MS,
);

test(
  'the first call on a cold chain pays for the lane: a grant over four pots, and the lane in three indexes',
  async () => {
    const { payments, watch, random } = await gateway(10n * USD);
    const request = payment(FOUR_POTS, BOUND);
    const result = await payments.hold(request);
    if (!result.ok) throw new Error('refused');
    await payments.settle(result.held, BOUND / 4n, detail(random.id(24)));
    await payments.idle();
    // Reserve, grant with three index entries, reserve, entry, settle.
    const { writes, reads } = book.add('the first call on a cold chain', watch.take());
    expect(writes).toBe(1 + 13 + 1 + 1 + 1);
    expect(reads).toBeLessThanOrEqual(4);
  },
  PATIENCE_MS,
);

test(
  'on a dry wallet under 100 requests a second, a refusal costs one write unit and at most 3 read units',
  async () => {
    const { payments, watch, random, clock } = await gateway(2n * BOUND);
    const request = payment(FOUR_POTS, BOUND);
    for (let i = 0; i < 2; i += 1) {
      const result = await payments.hold(request);
      if (!result.ok) throw new Error('refused too early');
      await payments.settle(result.held, BOUND, detail(random.id(24)));
      await payments.idle();
    }
    clock.advance(2_000);
    watch.take();
    const refuse = async () => {
      const result = await payments.hold(request);
      expect(result).toMatchObject({ ok: false, refusal: { code: 'insufficient_funds' } });
      clock.advance(10);
    };
    await refuse();
    book.add('the first refusal of a dry wallet, which looks into its lanes', watch.take());
    for (let i = 0; i < 200; i += 1) await refuse();
    const { writes, reads } = book.add('a refusal of a dry wallet, at 100 a second', watch.take(), 200);
    expect(writes).toBeLessThanOrEqual(1.1);
    // 3, and a look into the lanes once a second.
    expect(reads).toBeLessThanOrEqual(3.05);
  },
  PATIENCE_MS,
);

test(
  'figures for people and the keeper’s pass cost reads, not writes, while nothing is to be done',
  async () => {
    const { payments, another, keeper, watch, random, clock } = await gateway(10n * USD);
    const request = payment(FOUR_POTS, BOUND);
    const result = await payments.hold(request);
    if (!result.ok) throw new Error('refused');
    await payments.settle(result.held, BOUND / 4n, detail(random.id(24)));
    await payments.idle();
    watch.take();
    await another().statement(FOUR_POTS, request.group, 'ann', 5_000);
    const statement = book.add('`GET /v1/wallet`, one open lane', watch.take());
    expect(statement.writes).toBe(0);
    expect(statement.reads).toBeLessThanOrEqual(6);

    await keeper.pass(FOUR_POTS);
    const flush = book.add('keeper’s pass: a lane with spend, limits seen for the first time', watch.take());
    expect(flush.writes).toBeLessThanOrEqual(10 + 3);
    await keeper.pass(FOUR_POTS);
    const quiet = book.add('keeper’s pass: a lane with nothing to do', watch.take());
    expect(quiet.writes).toBe(0);
    expect(quiet.reads).toBeLessThanOrEqual(8);
    clock.advance(301_000);
    await keeper.pass(FOUR_POTS);
    expect(book.add('keeper’s pass: an idle lane gives its money back', watch.take()).writes).toBe(10);
    await keeper.pass(FOUR_POTS);
    expect(book.add('keeper’s pass: an empty lane is closed', watch.take()).writes).toBe(4);
    await keeper.pass(FOUR_POTS);
    expect(book.add('keeper’s pass: no open lane', watch.take()).writes).toBe(0);
  },
  PATIENCE_MS,
);

test(
  'an entry with the longest user and tags that the door lets in is one write unit',
  async () => {
    const { payments, watch } = await gateway(10n * USD);
    const result = await payments.hold(payment(FOUR_POTS, BOUND));
    if (!result.ok) throw new Error('refused');
    watch.take();
    const value = (n: number) => `${n}`.padEnd(LIMITS.tagValueChars, 'v');
    const tags: Record<string, string> = {};
    const header = () =>
      Object.entries(tags)
        .map(([key, text]) => `${key}=${text}`)
        .join(',');
    for (let n = 0; n < LIMITS.tags && header().length + 1 + 4 + LIMITS.tagValueChars <= LIMITS.tagsBytes; n += 1)
      tags[`tag${n}`] = value(n);
    expect(header().length).toBeGreaterThan(LIMITS.tagsBytes - LIMITS.tagValueChars - 6);
    const longest = { ...detail('x'.repeat(24)), user: 'u'.repeat(LIMITS.userChars), tags };
    await payments.settle(result.held, BOUND / 4n, longest);
    await payments.idle();
    const [put] = watch.take().filter(({ operation }) => operation === 'putEntry');
    expect(put).toMatchObject({ writeUnits: 1 });
  },
  PATIENCE_MS,
);

test('docs/costs.md shows these figures', () => {
  expect(book.documented()).toBe(book.table());
});
