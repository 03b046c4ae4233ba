/**
 * One hot wallet under DynamoDB's limits, in modelled time: what the limits are made of, and that the ledger stays within them.
 * Smaller than the runs of `npm run simulate:hot`, whose figures docs/hot-wallets.md shows.
 */
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { NotAppliedError } from '../../lambdas/application/ports.ts';
import { type Chain, type LaneId, type LaneState, MAX_HOLDS_PER_LANE, type Pot } from '../../lambdas/domain/pots.ts';
import { LIFE } from '../../lambdas/domain/windows.ts';
import { Dice } from './support/dice.ts';
import { DynamoStore, NEW_TABLE, WARM_TABLE } from './support/dynamo-limits.ts';
import { Engine } from './support/engine.ts';
import { runHotWallet } from './support/hot-wallet.ts';
import { laneBytes } from './support/touches.ts';

const HALF = {
  perSecond: 500,
  callMs: 8_000,
  cost: [1, 1],
  table: NEW_TABLE,
  rampMs: 40_000,
  settleInMs: 20_000,
  measureMs: 15_000,
} as const;

const EMPTY: LaneState = {
  id: { chainHash: '0123456789abcdef', n: 1_023 },
  idleNanoUsd: 0n,
  escrowNanoUsd: 0n,
  unflushedNanoUsd: 0n,
  holds: new Map(),
  watched: [],
  chain: [],
  walletId: 'team_dev',
  groupId: 'dev',
  providerId: 'near',
  lastUseEpochMs: 0,
  laneCount: 1,
};

describe('the limits', () => {
  const lane: LaneId = { chainHash: 'chain', n: 0 };
  const other: LaneId = { chainHash: 'chain', n: 1 };
  const limit: Pot = {
    key: 'budget/g/day#d',
    scope: 'budget/g/day',
    kind: 'limit',
    owner: 'budget',
    enforced: true,
    hardLimitNanoUsd: 1_000n,
    thresholds: [],
    window: LIFE,
  };
  const chain: Chain = {
    hash: 'chain',
    line: 'line',
    wallet: { ...limit, key: 'wallet/one#life', kind: 'wallet', owner: 'wallet', enforced: false },
    limits: [limit],
    direct: [],
    walletId: 'one',
    groupId: 'g',
    providerId: 'p',
    userId: 'u',
  };

  function world(table = NEW_TABLE) {
    const engine = new Engine(0);
    const store = new DynamoStore(new MemoryLedgerStore(), engine, new Dice(1), table);
    const client = store.client();
    const grant = (laneId: LaneId) =>
      client.grant({
        lane: laneId,
        chain,
        pots: [limit],
        amountNanoUsd: 1n,
        flushNanoUsd: 0n,
        nowEpochMs: 0,
      });
    const reserve = (hid: string) =>
      client.reserve({ lane, hid, estimateNanoUsd: 1n, direct: [], nowEpochMs: 0 }).then(
        () => 'answered',
        (error: unknown) => (error instanceof NotAppliedError ? 'refused' : 'failed'),
      );
    return { engine, store, grant, reserve };
  }

  test('of two transactions on one pot at once the later is cancelled; one after the other both go through', async () => {
    const { engine, store, grant } = world();
    const both = Promise.allSettled([grant(lane), grant(other)]);
    await engine.run(1_000, 1_000);
    expect((await both).map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const later = grant(other);
    await engine.run(1_000, 2_000);
    expect(await later).toEqual({ ok: true });
    expect([store.counts.transactions, store.counts.cancelled]).toEqual([2, 1]);
    expect(store.items.pots.get(limit.key)?.committedNanoUsd).toBe(2n);
  });

  test('a single write on an item of a running transaction is refused, and nothing of the transaction shows before its end', async () => {
    const { engine, store, grant, reserve } = world();
    const granted = grant(lane);
    await engine.run(1_000, 10);
    expect(store.items.lanes.size).toBe(0);
    const met = reserve('zzzzzz-000000001');
    await engine.run(1_000, 1_000);
    expect([await granted, await met, store.counts.rejected]).toEqual([{ ok: true }, 'refused', 1]);
    const after = reserve('zzzzzz-000000002');
    await engine.run(1_000, 2_000);
    expect(await after).toBe('answered');
  });

  test('a partition takes 1,000 write units a second; the rest is throttled and costs nothing', async () => {
    const { engine, store, reserve } = world();
    const all = Promise.all(Array.from({ length: 1_500 }, (_, at) => reserve(`zzzzzz-${String(at).padStart(9, '0')}`)));
    await engine.run(100_000, 60);
    await engine.run(100_000, 1_000);
    const refused = (await all).filter((answer) => answer === 'refused').length;
    expect([refused, store.counts.throttled]).toEqual([refused, refused]);
    expect(store.counts.writes).toBe(1_500 - refused);
    // What came back in the few milliseconds in which they arrived is not much.
    expect(store.counts.writes).toBeGreaterThanOrEqual(1_000);
    expect(store.counts.writes).toBeLessThan(1_100);
  });

  test('a lane of four pots with all of its 16 holds is one write unit', () => {
    const holds = new Map(Array.from({ length: MAX_HOLDS_PER_LANE }, (_, at) => [`h${at}`, { estimateNanoUsd: 1n, direct: [] }]));
    const full = {
      ...EMPTY,
      chain: ['wallet/team_dev#life', 'budget/dev/day#d2026-11-24', 'budget/dev/month#m2026-11', 'provider/near/month#m2026-11'],
      holds,
    };
    expect(laneBytes(full)).toBeGreaterThan(600);
    expect(laneBytes(full)).toBeLessThanOrEqual(1_024);
  });
});

test('a wallet of 500 debits a second at calls of 8 s, a process for each call in flight: holds are quick, pots are seldom asked, nobody is refused', async () => {
  const result = await runHotWallet({ ...HALF, name: 'long calls', processes: 'lambda' });
  expect(result.requests).toBeGreaterThan(7_000);
  expect([result.admitted, result.falseRefusals, result.findings]).toEqual([result.requests, 0, 0]);
  expect(result.holdMs.p99).toBeLessThan(50);
  expect(result.potTransactions.mean).toBeLessThanOrEqual(15);
  expect(result.writesARequest).toBeLessThan(3.4);
}, 120_000);

test('a wallet of 2,500 debits a second at calls of half a second, in four processes', async () => {
  const result = await runHotWallet({
    ...HALF,
    name: 'short calls',
    perSecond: 2_500,
    callMs: 500,
    table: WARM_TABLE,
    processes: 4,
    rampMs: 6_000,
    settleInMs: 9_000,
    measureMs: 4_000,
  });
  expect([result.admitted, result.falseRefusals, result.findings]).toEqual([result.requests, 0, 0]);
  expect(result.holdMs.p99).toBeLessThan(50);
  expect(result.potTransactions.mean).toBeLessThanOrEqual(15);
}, 120_000);

test('at midnight, when every lane needs the new window, 99 of 100 holds take at most 250 ms and nobody is refused', async () => {
  const result = await runHotWallet({
    ...HALF,
    name: 'midnight',
    perSecond: 150,
    processes: 'lambda',
    rampMs: 20_000,
    settleInMs: 10_000,
    measureMs: 100_000,
    midnightAfterMs: 75_000,
  });
  expect([result.admitted, result.falseRefusals, result.findings]).toEqual([result.requests, 0, 0]);
  expect(result.midnightMs?.p99).toBeLessThanOrEqual(250);
  expect(result.midnightMs?.p99).toBeGreaterThan(0);
}, 120_000);

test.each(['lambda', 4] as const)(
  'a dry wallet under 100 requests a second costs at most 3 read units a refusal (%s)',
  async (processes) => {
    const result = await runHotWallet({
      ...HALF,
      name: 'dry',
      perSecond: 100,
      callMs: 500,
      processes,
      bounds: 1_000,
      rampMs: 0,
      settleInMs: 30_000,
      measureMs: 30_000,
    });
    expect(result.refused).toBeGreaterThan(2_000);
    expect([result.admitted, result.falseRefusals, result.findings]).toEqual([0, 0, 0]);
    expect(result.readsARequest).toBeLessThanOrEqual(3);
  },
  120_000,
);
