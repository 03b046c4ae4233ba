/** The database of the local stages: one per home, kept through crashes, shared, ended by the last, and never at the cost of data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { answers, isRunning } from '../../lambdas/local/database-process.ts';
import { type Database, ensureTable, startDatabase } from '../../lambdas/local/embedded-database.ts';

const TABLE = 'ledger';
const HOLDER = fileURLToPath(new URL('../support/database-holder.ts', import.meta.url));
const homes: string[] = [];
const opened: Database[] = [];
const children: ChildProcess[] = [];

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'tollgate-home-'));
  homes.push(home);
  return home;
}

async function open(home: string): Promise<Database> {
  const database = await startDatabase({ home, tables: [TABLE] });
  opened.push(database);
  return database;
}

/** Another process on the home. */
async function holder(home: string): Promise<{ readonly child: ChildProcess; readonly endpoint: string }> {
  const child = spawn(process.execPath, [HOLDER, home, TABLE], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  if (!child.stdout) throw new Error('no output');
  const [line]: unknown[] = await once(child.stdout, 'data');
  const said: unknown = JSON.parse(String(line));
  if (typeof said !== 'object' || said === null || !('endpoint' in said)) throw new Error(`the holder said ${String(line)}`);
  return { child, endpoint: String(said.endpoint) };
}

async function storeAt<T>(database: { readonly endpoint: string }, work: (store: DynamoLedgerStore) => Promise<T>): Promise<T> {
  const client = createDynamoClient({ endpoint: database.endpoint, requestTimeoutMs: 10_000 });
  try {
    return await work(new DynamoLedgerStore({ client, tableName: TABLE }));
  } finally {
    client.destroy();
  }
}

const fund = (database: { readonly endpoint: string }, id: string) =>
  storeAt(database, (store) => store.topUp({ id, walletId: 'team', amountNanoUsd: 5n, atEpochMs: 1 }));

const funded = (database: { readonly endpoint: string }) =>
  storeAt(database, async (store) => (await store.readPots(['wallet/team#life'])).get('wallet/team#life')?.fundedNanoUsd);

function pidOf(home: string): number {
  const state: unknown = JSON.parse(readFileSync(join(home, 'database.json'), 'utf8'));
  if (typeof state !== 'object' || state === null || !('pid' in state)) throw new Error('no state');
  return Number(state.pid);
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function untilGone(pid: number): Promise<void> {
  for (let i = 0; i < 200 && isRunning(pid); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isRunning(pid)).toBe(false);
}

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await gone(child);
  }
  for (const database of opened.splice(0)) await database.stop();
  for (const home of homes.splice(0)) {
    // Databases whose users were killed in a test.
    if (existsSync(join(home, 'home.json')) && !existsSync(join(home, 'keep-out'))) {
      await startDatabase({ home }).then(
        (database) => database.stop(),
        () => undefined,
      );
    }
    rmSync(home, { recursive: true, force: true });
  }
});

test('what was written is there after a clean end and a new start', async () => {
  const home = newHome();
  const first = await open(home);
  expect(first.kind).toBe('dynoxide');
  await fund(first, 'a');
  const pid = pidOf(home);
  await first.stop();
  expect(isRunning(pid)).toBe(false);
  expect(existsSync(join(home, 'database.json'))).toBe(false);
  expect(await funded(await open(home))).toBe(5n);
});

test('what was written survives kill -9 of the database', async () => {
  const home = newHome();
  const first = await open(home);
  await fund(first, 'a');
  process.kill(pidOf(home), 'SIGKILL');
  await untilGone(pidOf(home));
  expect(await funded(await open(home))).toBe(5n);
});

test('after kill -9 of the process that started it, the next start goes on with the same database and ends it', async () => {
  const home = newHome();
  const first = await holder(home);
  await fund(first, 'a');
  const pid = pidOf(home);
  first.child.kill('SIGKILL');
  await gone(first.child);
  const second = await open(home);
  expect(second.endpoint).toBe(first.endpoint);
  expect(await funded(second)).toBe(5n);
  await second.stop();
  await second.stop();
  expect(isRunning(pid)).toBe(false);
});

test('processes that start at once share one database, and the last that leaves ends it', async () => {
  const home = newHome();
  const [a, b, c] = await Promise.all([holder(home), holder(home), holder(home)]);
  expect(new Set([a.endpoint, b.endpoint, c.endpoint]).size).toBe(1);
  const pid = pidOf(home);
  for (const { child } of [a, b]) {
    child.stdin?.end();
    await gone(child);
    expect(isRunning(pid)).toBe(true);
  }
  await fund(c, 'a');
  c.child.stdin?.end();
  await gone(c.child);
  await untilGone(pid);
  expect(readdirSync(join(home, 'instances'))).toEqual([]);
}, 30_000);

test('two homes have two databases', async () => {
  const [a, b] = [await open(newHome()), await open(newHome())];
  expect(a.endpoint).not.toBe(b.endpoint);
  await fund(a, 'a');
  expect(await funded(b)).toBeUndefined();
});

test('a home reached by another path is the same home', async () => {
  const home = newHome();
  const link = `${newHome()}/link`;
  symlinkSync(home, link);
  const [a, b] = [await open(home), await open(link)];
  expect(b.endpoint).toBe(a.endpoint);
});

test('a lock and an instance of a process that is gone are no obstacle', async () => {
  const home = newHome();
  const child = spawn(process.execPath, ['-e', '']);
  await gone(child);
  const dead = JSON.stringify({ pid: child.pid });
  mkdirSync(join(home, 'instances'));
  writeFileSync(join(home, 'database.lock'), dead);
  writeFileSync(join(home, 'instances', `${child.pid}-x`), dead);
  const database = await open(home);
  const pid = pidOf(home);
  await database.stop();
  expect(isRunning(pid)).toBe(false);
});

test('a state file that names a process which is not the database is not believed, and that process is left alone', async () => {
  const home = newHome();
  const stranger = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const { port } = stranger.address() as AddressInfo;
  writeFileSync(join(home, 'database.json'), JSON.stringify({ pid: process.pid, port, engine: 'dynoxide', startedAt: 'x' }));
  const database = await open(home);
  expect(database.endpoint).not.toBe(`http://127.0.0.1:${port}`);
  await database.stop();
  expect(isRunning(process.pid)).toBe(true);
  await new Promise((resolve) => stranger.close(resolve));
});

test.each([
  ['database.json', '{"pid":'],
  ['database.json', '{"pid":-1,"port":1,"engine":"dynoxide","startedAt":""}'],
  ['home.json', 'not json'],
])('a damaged %s is named in an error that says what to do, and stays as it is', async (file, text) => {
  const home = newHome();
  await (await open(home)).stop();
  writeFileSync(join(home, file), text);
  await expect(startDatabase({ home })).rejects.toMatchObject({
    code: 'local_stage',
    message: expect.stringContaining(join(home, file)),
    advice: expect.stringContaining('remove that file'),
  });
  expect(readFileSync(join(home, file), 'utf8')).toBe(text);
  rmSync(join(home, file));
});

test('a damaged database file is named in an error that says what to do, and stays as it is', async () => {
  const home = newHome();
  mkdirSync(join(home, 'database'));
  const file = join(home, 'database', 'tollgate.db');
  const garbage = 'this is no database '.repeat(500);
  writeFileSync(file, garbage);
  await expect(startDatabase({ home })).rejects.toMatchObject({
    code: 'local_stage',
    advice: expect.stringContaining('put a backup in its place'),
  });
  expect(readFileSync(file, 'utf8')).toBe(garbage);
  expect(existsSync(join(home, 'database.json'))).toBe(false);
  rmSync(file);
});

test('a home.json that was lost is written again from the data', async () => {
  const home = newHome();
  await (await open(home)).stop();
  const before = readFileSync(join(home, 'home.json'), 'utf8');
  rmSync(join(home, 'home.json'));
  await open(home);
  expect(readFileSync(join(home, 'home.json'), 'utf8')).toBe(before);
});

test('a home that is a file, or has one where its database belongs, is named in an error', async () => {
  const file = join(newHome(), 'file');
  writeFileSync(file, 'mine');
  await expect(startDatabase({ home: file })).rejects.toMatchObject({
    code: 'local_stage',
    message: expect.stringContaining(file),
  });
  expect(readFileSync(file, 'utf8')).toBe('mine');
  const home = newHome();
  writeFileSync(join(home, 'database'), 'mine');
  await expect(startDatabase({ home })).rejects.toMatchObject({
    code: 'local_stage',
    message: expect.stringContaining('a file stands'),
  });
});

test('a table of another shape is refused by name, and the database is not left running', async () => {
  const home = newHome();
  const database = await open(home);
  const client = createDynamoClient({ endpoint: database.endpoint });
  await client.send(
    new CreateTableCommand({
      TableName: 'other',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    }),
  );
  await expect(ensureTable(client, 'other')).rejects.toThrow(/the table other .* lacks .*RANGE key 'sk'.*index byWallet/);
  client.destroy();
  await database.stop();
  await expect(startDatabase({ home, tables: ['other'] })).rejects.toMatchObject({ code: 'local_stage' });
  expect(existsSync(join(home, 'database.json'))).toBe(false);
});

test.each(['http://db.example.com:8000', 'ftp://127.0.0.1', 'nonsense', 'http://user:secret@127.0.0.1:8000'])(
  'the endpoint %s is refused without being called',
  async (endpoint) => {
    const failure = startDatabase({ home: newHome(), endpoint });
    await expect(failure).rejects.toMatchObject({ code: 'local_stage', message: expect.not.stringContaining('secret') });
  },
);

test('a given endpoint is used as it is and is not ended', async () => {
  const base = await open(newHome());
  const given = await startDatabase({ home: newHome(), endpoint: base.endpoint, tables: ['given'] });
  expect(given).toMatchObject({ endpoint: base.endpoint, kind: 'given' });
  await given.stop();
  expect(await answers(base.endpoint)).toBe(true);
  await base.stop();
  await expect(startDatabase({ home: newHome(), endpoint: base.endpoint })).rejects.toThrow(/no database answers/);
});
