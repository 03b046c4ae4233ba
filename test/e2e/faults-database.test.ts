/** The database dies, is slow or says nothing: the gateway sends nothing that it could not pay for, and recovers by itself. */
import { readFileSync, readdirSync } from 'node:fs';
import { type Answer, type DatabaseProxy, ask, databaseOf, holdLock, startProxy } from '../support/crash-faults.ts';
import { type Started, eventually, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { type Upstream, startUpstream, wish } from '../support/upstream.ts';

/** A gateway that cannot reach its ledger says so within this time. */
const FAIL_CLOSED_MS = 12_000;
const RECOVER_MS = 15_000;

let upstream: Upstream;
let directory: string;
let policy: string;
let remove: () => Promise<void>;
const running: Started[] = [];
const homes = new Set<string>();

beforeAll(async () => {
  upstream = await startUpstream();
  ({ directory, remove } = await temporaryDirectory());
  const wallets = { team_one: '1000000.00' };
  const groups = [{ name: 'team', wallet: 'team_one', budgets: ['{ name: day, window: day, limit_usd: "1000000.00" }'] }];
  policy = await writePolicies(directory, {
    dev: testPolicy({ stage: 'dev', baseUrl: upstream.baseUrl, wallets, groups }),
    prod: testPolicy({ stage: 'prod', baseUrl: upstream.baseUrl, wallets, groups }),
  });
});

afterAll(async () => {
  for (const one of running) await one.end('SIGKILL');
  // A killed gateway ends no database.
  for (const home of homes) {
    const database = await databaseOf(home);
    if (database !== undefined) process.kill(database.pid, 'SIGTERM');
  }
  await upstream?.stop();
  await remove?.();
});

interface Gateway {
  readonly started: Started;
  readonly call: (tokens?: number) => Promise<Answer>;
}

async function gateway(home: string, variables: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  homes.add(home);
  const started = await startTollgate({ home, policy, more: ['--hold-seconds', '3'] }, variables);
  running.push(started);
  const { openaiBaseUrl, keys } = started.ready.stages.dev;
  const call = (tokens = 10): Promise<Answer> =>
    ask(openaiBaseUrl, keys.team ?? '', { model: 'team', max_tokens: tokens, messages: wish({ tokens }) });
  return { started, call };
}

async function booksAgree(home: string, variables: Readonly<Record<string, string>> = {}): Promise<void> {
  const local = ['--local', '--home', home, '--policy', policy];
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const kept = await tollgate(['ledger', 'keep', '--once', ...local], { variables });
  expect([kept.code, kept.stderr]).toEqual([0, '']);
  const { code, stdout } = await tollgate(['ledger', 'verify', '--quiesced', '--stage', 'dev', '--json', ...local], {
    variables,
  });
  const report = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  expect({ code, findings: report.findings, held: report.heldUsd, spent: report.spentUsd }).toEqual({
    code: 0,
    findings: [],
    held: '0.00',
    spent: report.entriesUsd,
  });
}

/** Processes that serve a home's data, by what the kernel says of their command lines. */
function servers(home: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`${home}/database/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('the database is killed: 503 ledger_unavailable and nothing sent while it is away, and it comes back on the same port', async () => {
  const home = `${directory}/killed`;
  const { call } = await gateway(home);
  const second = await gateway(home);
  expect([(await call()).status, (await second.call()).status]).toEqual([200, 200]);
  const before = await databaseOf(home);
  if (before === undefined) throw new Error('the home names no database');

  const letGo = await holdLock(home);
  process.kill(before.pid, 'SIGKILL');
  const sent = upstream.calls.length;
  const away = await Promise.all([call(), call(), second.call()]);
  expect(away.map(({ status, code, retryAfter }) => [status, code, retryAfter])).toEqual(
    away.map(() => [503, 'ledger_unavailable', '1']),
  );
  expect(upstream.calls.length).toBe(sent);
  expect(Math.max(...away.map(({ tookMs }) => tookMs))).toBeLessThan(FAIL_CLOSED_MS);

  await letGo();
  await eventually(async () => ((await call()).status === 200 ? true : undefined), RECOVER_MS, 'calls are answered again');
  expect((await second.call()).status).toBe(200);
  // It answers a moment before the home says who it is.
  const after = await eventually(
    async () => {
      const now = await databaseOf(home);
      return now?.pid === before.pid ? undefined : now;
    },
    RECOVER_MS,
    'the home names the new database',
  );
  expect(after.port).toBe(before.port);
  if (process.platform === 'linux') expect(servers(home)).toEqual([after.pid]);
  await booksAgree(home);
}, 120_000);

test('the database is killed under load: calls wait for it, no call is lost and the books agree', async () => {
  const home = `${directory}/restarted`;
  const { call } = await gateway(home);
  expect((await call()).status).toBe(200);
  const load = { over: false };
  const answers: Answer[] = [];
  const caller = async (): Promise<void> => {
    while (!load.over) answers.push(await call(1 + Math.floor(Math.random() * 50)));
  };
  const callers = Promise.all(Array.from({ length: 4 }, caller));
  for (let kill = 0; kill < 3; kill += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const database = await databaseOf(home);
    if (database !== undefined) process.kill(database.pid, 'SIGKILL');
  }
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  load.over = true;
  await callers;
  const statuses = Map.groupBy(answers, ({ status }) => status);
  expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  expect(statuses.get(200)?.length ?? 0).toBeGreaterThan(20);
  await booksAgree(home);
}, 120_000);

const TROUBLES = [
  ['swallow', 'takes requests and never answers'],
  ['lose replies', 'does the work and loses every reply'],
  ['slow', 'gets requests when nobody waits for them any longer'],
  ['refuse', 'refuses every connection'],
] as const;

describe('behind a proxy', () => {
  let proxy: DatabaseProxy;
  let one: Gateway;
  let home: string;

  beforeAll(async () => {
    home = `${directory}/proxied`;
    const holder = await gateway(`${directory}/holder`);
    expect((await holder.call()).status).toBe(200);
    const database = await databaseOf(`${directory}/holder`);
    proxy = await startProxy(`http://127.0.0.1:${database?.port}`);
    one = await gateway(home, { TOLLGATE_DYNAMODB_ENDPOINT: proxy.endpoint });
    expect((await one.call()).status).toBe(200);
  });

  afterAll(() => proxy?.stop());

  test.each(TROUBLES)(
    '%s, a database that %s: 503 within a bounded time, nothing sent, and calls go on when it is well',
    async (mode) => {
      const sent = upstream.calls.length;
      proxy.mode = mode;
      proxy.delayMs = 6_000;
      const away = await Promise.all([one.call(), one.call()]);
      expect(away.map(({ status, code, retryAfter }) => [status, code, retryAfter])).toEqual(
        away.map(() => [503, 'ledger_unavailable', '1']),
      );
      expect(upstream.calls.length).toBe(sent);
      expect(Math.max(...away.map(({ tookMs }) => tookMs))).toBeLessThan(FAIL_CLOSED_MS);
      proxy.mode = 'pass';
      await eventually(
        async () => ((await one.call()).status === 200 ? true : undefined),
        RECOVER_MS,
        'calls are answered again',
      );
    },
    180_000,
  );

  test('a database that is slow is waited for, and each call is sent once', async () => {
    const sent = upstream.calls.length;
    proxy.mode = 'slow';
    proxy.delayMs = 300;
    const answers = await Promise.all([one.call(), one.call(), one.call()]);
    proxy.mode = 'pass';
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(upstream.calls.length).toBe(sent + 3);
  }, 60_000);

  test(
    'after all of it the books agree and nothing is held',
    () => booksAgree(home, { TOLLGATE_DYNAMODB_ENDPOINT: proxy.endpoint }),
    60_000,
  );
});
