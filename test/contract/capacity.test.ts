/** What each operation of the ledger costs on DynamoDB, by its documented rules, over a chain of four pots. docs/costs.md shows the same figures. */
import { DynamoAlertLog } from '../../lambdas/adapters/dynamodb/alert-log.ts';
import { DynamoKeyStore } from '../../lambdas/adapters/dynamodb/key-store.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import type { LaneId, LaneState } from '../../lambdas/domain/pots.ts';
import { CapacityBook } from '../support/capacity-book.ts';
import { CapacityMeter } from '../support/capacity-meter.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';
import {
  NOW,
  USER,
  chainOf,
  entryOf,
  fund,
  gather,
  grant,
  holdOf,
  laneNow,
  limitPot,
  newHid,
  potsOf,
  reserve,
  walletPot,
} from './ledger/world.ts';

const CHAIN = chainOf('b64ofsixteenchar', walletPot('team_dev'), [
  limitPot('budget/dev/day', 1_000_000n),
  limitPot('budget/dev/month', 1_000_000n),
  limitPot('provider/openai/month', 1_000_000n, 'provider'),
]);
const LANE: LaneId = { chainHash: CHAIN.hash, n: 0 };
const KEYS = potsOf(CHAIN).map((pot) => pot.key);
const DAY_POT = CHAIN.limits[0] ?? CHAIN.wallet;

let database: TestDatabase | undefined;
let meter: CapacityMeter | undefined;
beforeAll(async () => {
  database = await startTestDatabase();
  meter = new CapacityMeter(database.client, database.endpoint);
}, 60_000);
afterAll(async () => {
  meter?.stop();
  await database?.stop();
});

const book = new CapacityBook('operations', 'operation');

async function world() {
  if (!database || !meter) throw new Error('the database did not start');
  const watch = meter;
  const options = { client: database.client, tableName: await database.newTable(), onCall: watch.onCall };
  const store = new DynamoLedgerStore(options);
  await fund(store, 1_000_000n);
  watch.take();
  /** Runs one operation and gives its write and read units; with a name, they stand in the document. */
  const cost = async (name: string | undefined, run: () => Promise<unknown>): Promise<readonly [number, number]> => {
    watch.take();
    await run();
    const calls = watch.take();
    const row = name === undefined ? new CapacityBook('', '').add('', calls) : book.add(name, calls);
    return [row.writes, row.reads];
  };
  const give = (amount: bigint, change: Parameters<typeof grant>[2] = {}) =>
    grant(store, amount, { chain: CHAIN, lane: LANE, ...change });
  return { store, options, cost, give };
}

const entry = (hid: string, status: Parameters<typeof entryOf>[1], charge: bigint) =>
  entryOf(hid, status, charge, { lane: LANE, chain: KEYS });

test('the usual request is three writes of one unit: reserve, entry, settle', async () => {
  const { store, cost, give } = await world();
  await give(1_000n);
  const hid = newHid();
  expect(await cost('reserve', () => reserve(store, hid, 50n, [], LANE))).toEqual([1, 0]);
  expect(await cost('entry', () => store.putEntry(entry(hid, 'FINAL', 20n)))).toEqual([1, 0]);
  const settle = { lane: LANE, hid, hold: holdOf(50n), chargeNanoUsd: 20n };
  expect(await cost('settle', () => store.settle(settle))).toEqual([1, 0]);
  expect(await cost(undefined, () => store.settle(settle))).toEqual([1, 0]);
});

test('a lane with sixteen holds still costs one unit a write', async () => {
  const { store, cost, give } = await world();
  await give(900_000n);
  for (let i = 0; i < 16; i += 1)
    expect(await cost(undefined, () => reserve(store, newHid(), 51_234n, [], LANE))).toEqual([1, 0]);
  expect(await cost('reserve that a full lane refuses', () => reserve(store, newHid(), 1n, [], LANE))).toEqual([1, 0]);
});

test('a refused reserve costs its write, with a lane or without one', async () => {
  const { store, cost, give } = await world();
  expect(await cost('reserve that finds no lane', () => reserve(store, newHid(), 50n, [], LANE))).toEqual([1, 0]);
  await give(10n);
  expect(await cost('reserve that finds too little', () => reserve(store, newHid(), 50n, [], LANE))).toEqual([1, 0]);
});

test('a user’s pot makes reserve and settle transactions of two items', async () => {
  const { store, cost, give } = await world();
  await give(1_000n);
  const hid = newHid();
  expect(await cost('reserve, one user pot', () => reserve(store, hid, 50n, [USER], LANE))).toEqual([4, 0]);
  const hold = holdOf(50n, [USER]);
  expect(await cost('settle, one user pot', () => store.settle({ lane: LANE, hid, hold, chargeNanoUsd: 20n }))).toEqual([4, 0]);
  expect(await cost('user pot taken off the watch list', () => store.unwatch(LANE, [USER.key], NOW))).toEqual([1, 0]);
});

test('a grant is a transaction over p pots and the lane: 2 (p + 1), and the indexes’ entries for a new lane', async () => {
  const { cost, give } = await world();
  expect(await cost('grant, new lane', () => give(1_000n))).toEqual([10 + 3, 0]);
  expect(await cost('grant, open lane', () => give(1_000n))).toEqual([10, 0]);
  expect(await cost('grant that a pot refuses', () => give(999_999n))).toEqual([10, 0]);
  const three = chainOf('anotherchainhash', CHAIN.wallet, CHAIN.limits.slice(0, 2));
  expect(await cost(undefined, () => give(10n, { chain: three, lane: { chainHash: three.hash, n: 0 } }))).toEqual([8 + 3, 0]);
});

test('money goes home and spend is flushed in one transaction, whatever the number of lanes of a chain', async () => {
  const { store, cost, give } = await world();
  await give(1_000n);
  const lane = await laneNow(store, LANE);
  expect(await cost('give back', () => store.giveBack(lane, 100n))).toEqual([10, 0]);
  const spent: { readonly lane: LaneState; readonly amountNanoUsd: bigint }[] = [];
  for (let n = 0; n < 25; n += 1) {
    const id = { chainHash: CHAIN.hash, n };
    const hid = newHid();
    await give(1_000n, { lane: id });
    await reserve(store, hid, 50n, [], id);
    await store.settle({ lane: id, hid, hold: holdOf(50n), chargeNanoUsd: 40n });
    spent.push({ lane: await laneNow(store, id), amountNanoUsd: 20n });
  }
  expect(await cost('flush of one lane', () => store.flush(spent.slice(0, 1)))).toEqual([10, 0]);
  expect(
    await cost('flush of 25 lanes', () => store.flush(spent.slice(0).map((one) => ({ ...one, amountNanoUsd: 10n })))),
  ).toEqual([58, 0]);
});

test('an expiry writes lane and entry at once; a late cost passes every pot again', async () => {
  const { store, cost, give } = await world();
  await give(10_000n);
  const held = async () => {
    const hid = newHid();
    await reserve(store, hid, 50n, [], LANE);
    return hid;
  };
  const [released, charged, lost] = [await held(), await held(), await held()];
  expect(await cost('expire', () => store.expire(LANE, holdOf(50n), entry(released, 'RELEASED', 0n)))).toEqual([4, 0]);
  await store.expire(LANE, holdOf(50n), entry(charged, 'ESTIMATED', 50n));
  await store.expire(LANE, holdOf(50n), entry(lost, 'ESTIMATED', 50n));
  const late = (hid: string, seen: Parameters<typeof entryOf>[1], was: bigint, chargeNanoUsd: bigint) =>
    store.late({
      hid,
      seen: { status: seen, chargeNanoUsd: was },
      chargeNanoUsd,
      lossNanoUsd: 0n,
      lane: LANE,
      chain: potsOf(CHAIN),
      walletId: 'team_dev',
      groupId: 'dev',
      providerId: 'openai',
      direct: [],
      nowEpochMs: NOW,
    });
  expect(await cost('late charge', () => late(released, 'RELEASED', 0n, 30n))).toEqual([12, 0]);
  expect(await cost('late refund', () => late(charged, 'ESTIMATED', 50n, 30n))).toEqual([10, 0]);
  expect(await cost('late, as estimated', () => late(lost, 'ESTIMATED', 50n, 50n))).toEqual([1, 0]);
  expect(await cost('late cost that is lost', () => store.lose(lost, 'LATE', 5n))).toEqual([1, 0]);
});

test('a top-up is two items, a repeat costs the same, and a lane’s end its delete and three index entries', async () => {
  const { store, cost, give } = await world();
  expect(await cost('top-up, with the balance that it shows', () => fund(store, 10n, 'second'))).toEqual([4, 1]);
  expect(await cost(undefined, () => fund(store, 10n, 'second'))).toEqual([4, 0]);
  await give(10n);
  await store.giveBack(await laneNow(store, LANE), 10n);
  expect(await cost('lane closed', () => store.closeLane(LANE, NOW))).toEqual([1 + 3, 0]);
  expect(await cost(undefined, () => store.closeLane(LANE, NOW))).toEqual([1, 0]);
});

test('markers and hints are one unit each', async () => {
  const { store, options, cost, give } = await world();
  await give(10n);
  expect(await cost('lane count doubled', () => store.growLanes(LANE, 1))).toEqual([1, 0]);
  const watchOn = { lane: LANE, chain: CHAIN };
  expect(await cost("alert of a user's refusal raised", () => store.raiseMarker(USER, '100_1', NOW, undefined, watchOn))).toEqual(
    [4, 0],
  );
  expect(await cost('alert marker raised', () => store.raiseMarker(DAY_POT, '50_1', NOW))).toEqual([1, 0]);
  expect(await cost('alert marker sent', () => store.sendMarker(DAY_POT.key, '50_1', NOW))).toEqual([1, 0]);
  expect(await cost('limit noted', () => store.noteLimit(DAY_POT.key, 5n))).toEqual([1, 0]);
  const mark = { untilEpochMs: NOW, idleNanoUsd: 2n, heldNanoUsd: 1n, unflushedNanoUsd: 1n, settledNanoUsd: 1n };
  expect(await cost('pot marked dry', () => store.markDry(DAY_POT.key, mark))).toEqual([1, 0]);
  const alert = {
    alertId: 'a',
    stage: 'dev',
    kind: 'block',
    severity: 'informational',
    subject: 's',
    title: 't',
    action: 'a',
  } as const;
  const log = new DynamoAlertLog(options);
  expect(await cost('alert recorded', () => log.record({ ...alert, raisedAt: '2026-11-23T10:00:00Z' }))).toEqual([4, 0]);
});

test('reads: half a unit an item where an eventual one will do', async () => {
  const { store, options, cost, give } = await world();
  await give(10n);
  expect(await cost('read four pots', () => store.readPots(KEYS))).toEqual([0, 2]);
  expect(await cost('read four pots, strongly', () => store.readPots(KEYS, { consistent: true }))).toEqual([0, 4]);
  expect(await cost(undefined, () => store.readPots(['budget/none#life']))).toEqual([0, 0.5]);
  expect(await cost('read a lane', () => store.readLane(LANE))).toEqual([0, 0.5]);
  expect(await cost('read a lane, strongly', () => store.readLane(LANE, { consistent: true }))).toEqual([0, 1]);
  expect(await cost(undefined, () => store.readLanes([LANE, { ...LANE, n: 1 }]))).toEqual([0, 1]);
  expect(await cost('read an entry', () => store.readEntry(newHid()))).toEqual([0, 1]);
  expect(await cost('lanes of an owner, up to about 40', () => store.lanesOf('wallet', 'team_dev'))).toEqual([0, 0.5]);
  expect(await cost('all open lanes, a page of about 40', () => gather(store.openLanes()))).toEqual([0, 0.5]);
  const keys = new DynamoKeyStore(options);
  const [, keyReads] = await cost('look-up of an API key', () => keys.find('a'.repeat(64)));
  expect(keyReads).toBeLessThanOrEqual(1);
});

test('docs/costs.md shows these figures', () => {
  expect(book.documented()).toBe(book.table());
});
