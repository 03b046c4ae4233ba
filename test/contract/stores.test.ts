/** Keys, the alert log, damaged items and round trips: what the DynamoDB adapters promise beside the ledger's operations. */
import { PutCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { DynamoAlertLog } from '../../lambdas/adapters/dynamodb/alert-log.ts';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { DynamoKeyStore } from '../../lambdas/adapters/dynamodb/key-store.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { entryItemKey, laneItemKey, potItemKey } from '../../lambdas/adapters/dynamodb/table.ts';
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryKeyStore } from '../../lambdas/adapters/memory/key-store.ts';
import { type ApiKey, UnknownOutcomeError } from '../../lambdas/application/ports.ts';
import type { Alert } from '../../lambdas/domain/alerts.ts';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import type { AddressInfo } from 'node:net';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';
import { BUDGET, LANE, WALLET, entryOf, fund, gather, grant, holdOf, newHid, reserve } from './ledger/world.ts';

let shared: TestDatabase | undefined;
beforeAll(async () => {
  shared = await startTestDatabase();
});
afterAll(async () => shared?.stop());

async function newTable() {
  if (!shared) throw new Error('the database did not start');
  return { client: shared.client, tableName: await shared.newTable() };
}

const KEY: ApiKey = { id: 'abcdefabcdef', sha256: `abcdefabcdef${'0'.repeat(52)}`, group: 'dev', createdEpochMs: 5 };

describe.each([
  ['memory', async () => new MemoryKeyStore()],
  ['dynoxide', async () => new DynamoKeyStore(await newTable())],
])('keys in %s', (_name, open) => {
  test('a key is found by its hash as it was made, and only once made', async () => {
    const keys = await open();
    const full = { ...KEY, sha256: `f${KEY.sha256.slice(1)}`, id: 'fbcdefabcdef', user: 'ann', note: 'n', expiresEpochMs: 9 };
    expect(await keys.create(KEY)).toBe(true);
    expect(await keys.create({ ...KEY, group: 'prod' })).toBe(false);
    expect(await keys.create(full)).toBe(true);
    expect(await keys.find(KEY.sha256)).toEqual(KEY);
    expect(await keys.find(full.sha256)).toEqual(full);
    expect(await keys.find('0'.repeat(64))).toBeUndefined();
    expect(await keys.list()).toEqual([KEY, full]);
  });

  test('revoking twice keeps the first time, and an unknown key is said to be none', async () => {
    const keys = await open();
    await keys.create(KEY);
    expect(await keys.revoke('000000000000', 7)).toBe(false);
    expect(await keys.revoke(KEY.id, 7)).toBe(true);
    expect(await keys.revoke(KEY.id, 8)).toBe(true);
    expect((await keys.find(KEY.sha256))?.revokedEpochMs).toBe(7);
  });
});

function alertAt(alertId: string, raisedAt: string): Alert {
  const about = { stage: 'dev', kind: 'threshold', severity: 'informational', subject: 's' } as const;
  return { ...about, alertId, raisedAt, percent: 50, mergedPercents: [25], title: alertId, action: 'none' };
}

describe.each([
  ['memory', async () => new MemoryAlertLog()],
  ['dynoxide', async () => new DynamoAlertLog(await newTable())],
])('alerts in %s', (_name, open) => {
  test('an alert is kept once per id, whatever time a repeat carries, and repeats are counted', async () => {
    const log = await open();
    const first = alertAt('a', '2026-11-23T10:00:00.000Z');
    await log.record(first);
    await log.record(alertAt('a', '2026-11-23T10:05:00.000Z'));
    await log.record(first);
    expect(await log.list(10)).toEqual([first]);
    expect(await log.deliveries('a')).toBe(3);
    expect(await log.deliveries('b')).toBe(0);
  });

  test('the newest come first, and no more than asked for', async () => {
    const log = await open();
    const days = ['2026-11-21', '2026-11-23', '2026-11-22'];
    for (const day of days) await log.record(alertAt(day, `${day}T10:00:00.000Z`));
    expect((await log.list(2)).map(({ alertId }) => alertId)).toEqual(['2026-11-23', '2026-11-22']);
  });
});

describe('damaged items', () => {
  async function world() {
    const table = await newTable();
    const store = new DynamoLedgerStore(table);
    await fund(store, 500n);
    await grant(store, 100n);
    return { ...table, store };
  }

  test('a dry mark of an earlier version, which does not say what was settled, is none', async () => {
    const { store, client, tableName } = await world();
    await store.markDry(WALLET.key, {
      untilEpochMs: 9,
      idleNanoUsd: 0n,
      heldNanoUsd: 1n,
      unflushedNanoUsd: 2n,
      settledNanoUsd: 0n,
    });
    expect((await store.readPots([WALLET.key])).get(WALLET.key)?.dry).toBeDefined();
    const key = potItemKey(WALLET.key);
    await client.send(new UpdateCommand({ TableName: tableName, Key: key, UpdateExpression: 'REMOVE di, ds' }));
    expect((await store.readPots([WALLET.key])).get(WALLET.key)?.dry).toBeUndefined();
  });

  test.each([
    ['available', 'missing'],
    ['settled', 'missing'],
    ['settled', 'text'],
    ['settled', 1.5],
  ])("a wallet whose '%s' is %s is an error that names it, never an empty wallet", async (attribute, value) => {
    const { store, client, tableName } = await world();
    const remove = value === 'missing';
    await client.send(
      new UpdateCommand({
        TableName: tableName,
        Key: potItemKey(WALLET.key),
        UpdateExpression: remove ? 'REMOVE #x' : 'SET #x = :x',
        ExpressionAttributeNames: { '#x': attribute },
        ...(remove ? {} : { ExpressionAttributeValues: { ':x': value } }),
      }),
    );
    await expect(store.readPots([WALLET.key])).rejects.toThrow(
      new RegExp(`POT#wallet/team_dev#life / - is damaged: '${attribute}'`),
    );
    await expect(gather(store.allPots())).rejects.toMatchObject({ code: 'damaged_item' });
  });

  test.each([
    [
      'a lane without holds',
      laneItemKey(LANE),
      { a: 1, c: 1, u: 0, chain: [], gw: 'w', gg: 'g', gp: 'p', t: 1 },
      /'h' is missing/,
    ],
    [
      'a hold of no known form',
      laneItemKey(LANE),
      { h: { x: ['a'] }, a: 1, c: 1, u: 0, chain: [], gw: 'w', gg: 'g', gp: 'p', t: 1 },
      /hold 'x'/,
    ],
  ])('%s is an error that names the lane', async (_name, key, item, text) => {
    const { store, client, tableName } = await world();
    await client.send(new PutCommand({ TableName: tableName, Item: { ...key, ...item } }));
    await expect(store.readLane(LANE)).rejects.toThrow(text);
    await expect(store.readLane(LANE)).rejects.toThrow(/LANE#chainA#0/);
  });

  test('an entry of an unknown status is an error that names it', async () => {
    const { store, client, tableName } = await world();
    const entry = entryOf(newHid(), 'FINAL', 1n);
    await store.putEntry(entry);
    const change = { UpdateExpression: 'SET st = :st', ExpressionAttributeValues: { ':st': 'PAID' } };
    await client.send(new UpdateCommand({ TableName: tableName, Key: entryItemKey(entry.hid), ...change }));
    await expect(store.readEntry(entry.hid)).rejects.toThrow(`/ ${entry.hid} is damaged: 'PAID' is no entry status`);
  });
});

test('a warm call costs one database call before it and two after it, and every operation is one call', async () => {
  const calls: string[] = [];
  const store = new DynamoLedgerStore({ ...(await newTable()), onCall: (operation) => calls.push(operation) });
  await fund(store, 500n);
  await grant(store, 100n);
  calls.length = 0;
  const hid = newHid();
  await reserve(store, hid, 10n);
  await store.putEntry(entryOf(hid, 'FINAL', 1n));
  await store.settle({ lane: LANE, hid, hold: holdOf(10n), chargeNanoUsd: 1n });
  expect(calls).toEqual(['reserve', 'putEntry', 'settle']);
});

test('limits expire 400 days after their window, and wallets never', async () => {
  const { client, tableName } = await newTable();
  const store = new DynamoLedgerStore({ client, tableName });
  await fund(store, 500n);
  await grant(store, 100n);
  const { Items = [] } = await client.send(new ScanCommand({ TableName: tableName }));
  const ttls = new Map(Items.map((item) => [item.pk, item.ttl]));
  expect(ttls.get(`POT#${BUDGET.key}`)).toBe(BigInt(Date.UTC(2026, 10, 24) / 1000 + 400 * 86_400));
  expect(ttls.get(`POT#${WALLET.key}`)).toBeUndefined();
});

describe('a database that does not answer', () => {
  test('gets each call once, and a lost answer leaves the outcome unknown', async () => {
    let requests = 0;
    const server = createServer((request) => {
      requests += 1;
      request.resume();
      if (requests > 1) request.socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createDynamoClient({ endpoint, requestTimeoutMs: 200 });
    const store = new DynamoLedgerStore({ client, tableName: 'x' });
    await expect(reserve(store, newHid(), 1n)).rejects.toBeInstanceOf(UnknownOutcomeError);
    expect(requests).toBe(1);
    await expect(grant(store, 1n)).rejects.toBeInstanceOf(UnknownOutcomeError);
    expect(requests).toBe(2);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    client.destroy();
  });

  // In a process of its own: in jest the SDK does not know Node's own errors (another realm) and wraps their code away.
  test('at a port where nobody listens, a call was surely not applied', async () => {
    const at = (file: string) => new URL(`../../lambdas/adapters/dynamodb/${file}`, import.meta.url).href;
    const script = `
      import { createDynamoClient } from '${at('client.ts')}';
      import { DynamoLedgerStore } from '${at('ledger-store.ts')}';
      const store = new DynamoLedgerStore({ client: createDynamoClient({ endpoint: 'http://127.0.0.1:1' }), tableName: 'x' });
      await store.closeLane({ chainHash: 'a', n: 0 }, 1).catch((error) => console.log(error.name, error.message));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout.trim()).toBe('NotAppliedError closeLane: no connection to the database (ECONNREFUSED)');
  });

  test('a missing table is neither, and is named as that', async () => {
    const store = new DynamoLedgerStore({ ...(await newTable()), tableName: 'not-there' });
    await expect(reserve(store, newHid(), 1n)).rejects.toThrow("the ledger's table does not exist");
  });
});
