/** The life of the local stages: start, restart, end, and what they say when they cannot start. */
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { eventually, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { type Upstream, startUpstream, wish } from '../support/upstream.ts';

let upstream: Upstream;
let directory: string;
let remove: () => Promise<void>;
let policy: string;

beforeAll(async () => {
  upstream = await startUpstream();
  ({ directory, remove } = await temporaryDirectory());
  const groups = [{ name: 'team', wallet: 'team_one' }];
  const wallets = { team_one: '100.00' };
  policy = await writePolicies(directory, {
    dev: testPolicy({ stage: 'dev', baseUrl: upstream.baseUrl, wallets, groups }),
    prod: testPolicy({ stage: 'prod', baseUrl: upstream.baseUrl, wallets, groups }),
  });
});

afterAll(async () => {
  await upstream?.stop();
  await remove?.();
});

function sdkOf(started: Awaited<ReturnType<typeof startTollgate>>): OpenAI {
  const { openaiBaseUrl, keys } = started.ready.stages.dev;
  return new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys.team ?? '', maxRetries: 0 });
}

async function spent(home: string): Promise<string> {
  const { stdout } = await tollgate([
    'wallet',
    'show',
    'team_one',
    '--stage',
    'dev',
    '--json',
    '--local',
    '--home',
    home,
    '--policy',
    policy,
  ]);
  return (JSON.parse(stdout) as { readonly spentUsd: string }).spentUsd;
}

test('the shipped policies start with simulated providers, the banner says so, and its curl works as pasted', async () => {
  const started = await startTollgate({ home: path.join(directory, 'shipped') });
  try {
    const said = started.stderr();
    expect(said).toContain('SIMULATED');
    expect(said).toContain('set OPENAI_API_KEY to call the real one');
    for (const stage of ['dev', 'prod'] as const) {
      const { baseUrl, openaiBaseUrl, keys } = started.ready.stages[stage];
      expect(openaiBaseUrl).toBe(`${baseUrl}/v1`);
      expect(said).toContain(openaiBaseUrl);
      const sdk = new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys[stage] ?? '', maxRetries: 0 });
      const answer = await sdk.chat.completions.create({ model: 'economy', messages: [{ role: 'user', content: 'Hello' }] });
      expect(answer.choices[0]?.message.content).toContain('simulated');
    }
    const pasted = /^curl (?:.*\\\n)+.*$/m.exec(said.slice(said.indexOf('A first call')))?.[0] ?? '';
    const [, url = ''] = /^curl (\S+)/.exec(pasted) ?? [];
    const headers = [...pasted.matchAll(/-H '([^:]+): ([^']+)'/g)].map(
      ([, name = '', value = '']) => [name, value] as [string, string],
    );
    const answer = await fetch(url, { method: 'POST', headers, body: /-d '(.*)'/.exec(pasted)?.[1] });
    expect(answer.status).toBe(200);
    expect(started.stdout().trim().split('\n')).toHaveLength(1);
    expect(await started.end('SIGINT')).toBe(0);
  } finally {
    await started.end('SIGTERM');
  }
}, 40_000);

test('a restart keeps money, spend and keys, and the demo money comes once', async () => {
  const home = path.join(directory, 'again');
  const first = await startTollgate({ home, policy });
  await sdkOf(first).chat.completions.create({ model: 'team', max_tokens: 100, messages: wish({}) });
  expect(await first.end('SIGTERM')).toBe(0);
  expect(await spent(home)).toBe('10.00');
  const second = await startTollgate({ home, policy });
  try {
    expect(second.ready.stages.dev.keys).toEqual(first.ready.stages.dev.keys);
    await sdkOf(second).chat.completions.create({ model: 'team', max_tokens: 100, messages: wish({}) });
    const { stdout } = await tollgate([
      'wallet',
      'list',
      '--stage',
      'dev',
      '--json',
      '--local',
      '--home',
      home,
      '--policy',
      policy,
    ]);
    expect(JSON.parse(stdout)).toMatchObject([{ wallet: 'team_one', fundedUsd: '100.00', spentUsd: '20.00', leftUsd: '80.00' }]);
  } finally {
    await second.end('SIGTERM');
  }
}, 40_000);

test('without demo money every call is refused until the wallet is funded', async () => {
  const home = path.join(directory, 'poor');
  const started = await startTollgate({ home, policy, more: ['--no-demo-funds'] });
  try {
    const ask = () => sdkOf(started).chat.completions.create({ model: 'team', max_tokens: 10, messages: wish({}) });
    await expect(ask()).rejects.toMatchObject({ status: 402, code: 'insufficient_funds' });
    const fund = [
      'wallet',
      'fund',
      'team_one',
      '--usd',
      '5.00',
      '--id',
      'first',
      '--stage',
      'dev',
      '--local',
      '--home',
      home,
      '--policy',
      policy,
    ];
    expect((await tollgate(fund)).code).toBe(0);
    expect((await tollgate(fund)).stderr).toContain('nothing moved now');
    await eventually(
      () =>
        ask().then(
          (answer) => answer,
          () => undefined,
        ),
      5_000,
      'a call after funding',
    );
  } finally {
    await started.end('SIGTERM');
  }
}, 40_000);

test('SIGTERM lets a stream in flight finish and settle', async () => {
  const home = path.join(directory, 'ending');
  const started = await startTollgate({ home, policy });
  const stream = await sdkOf(started).chat.completions.create({
    model: 'team',
    max_tokens: 100,
    stream: true,
    messages: wish({ tokens: 50, delayMs: 1_000 }),
  });
  const ended = started.end('SIGTERM');
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('ok');
  expect(await ended).toBe(0);
  expect(await spent(home)).toBe('5.00');
}, 40_000);

test('a second signal ends it at once, and the call that was cut off is still held for the keeper', async () => {
  const home = path.join(directory, 'hurry');
  const started = await startTollgate({ home, policy });
  const call = sdkOf(started).chat.completions.create({ model: 'team', max_tokens: 100, messages: wish({ delayMs: 20_000 }) });
  call.catch(() => undefined);
  await eventually(
    async () =>
      started.stderr().includes('Ctrl-C') && upstream.calls.some((one) => JSON.stringify(one.body).includes('20000'))
        ? true
        : undefined,
    5_000,
    'the call upstream',
  );
  started.child.kill('SIGTERM');
  await sleep(1_200);
  const asked = performance.now();
  expect(await started.end('SIGTERM')).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
  await expect(call).rejects.toThrow();
  const { stdout } = await tollgate([
    'ledger',
    'verify',
    '--stage',
    'dev',
    '--json',
    '--local',
    '--home',
    home,
    '--policy',
    policy,
  ]);
  expect(JSON.parse(stdout)).toMatchObject({ findings: [], heldUsd: '10.00', spentUsd: '0.00' });
}, 40_000);

test('when the process that started it goes away, it ends the clean way', async () => {
  const started = await startTollgate({ home: path.join(directory, 'orphan'), policy, channel: true });
  started.child.disconnect();
  expect(await started.end('SIGCONT')).toBe(0);
}, 40_000);

test('a key that was revoked is replaced at the next start, and a damaged key file makes new keys', async () => {
  const home = path.join(directory, 'keys');
  const first = await startTollgate({ home, policy });
  await first.end('SIGTERM');
  const file = path.join(home, 'keys.json');
  expect([(await stat(home)).mode & 0o777, (await stat(file)).mode & 0o777]).toEqual([0o700, 0o600]);
  const common = ['--stage', 'dev', '--local', '--home', home, '--policy', policy];
  const { stdout } = await tollgate(['keys', 'list', '--json', ...common]);
  const [key] = JSON.parse(stdout) as readonly { readonly id: string }[];
  expect((await tollgate(['keys', 'revoke', key?.id ?? '', ...common])).code).toBe(0);
  const second = await startTollgate({ home, policy });
  await second.end('SIGTERM');
  expect(second.ready.stages.dev.keys.team).not.toBe(first.ready.stages.dev.keys.team);
  expect(second.ready.stages.prod.keys.team).toBe(first.ready.stages.prod.keys.team);
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
  const third = await startTollgate({ home, policy });
  await third.end('SIGTERM');
  expect(third.stderr()).toContain('keys.json is damaged');
  expect(third.ready.stages.prod.keys.team).not.toBe(first.ready.stages.prod.keys.team);
}, 60_000);

describe('what cannot be started says why and what to do', () => {
  async function cannotStart(
    words: readonly string[],
  ): Promise<{ readonly code: number | null; readonly stderr: string; readonly stdout: string }> {
    return tollgate(['start', '--json', '--policy', policy, ...words]);
  }

  test('a port in use names the port and its option, and what was started is stopped', async () => {
    const taken = await listen();
    const { port } = taken.address() as AddressInfo;
    const home = path.join(directory, 'port');
    const { code, stderr, stdout } = await cannotStart(['--home', home, '--dev-port', '0', '--prod-port', String(port)]);
    taken.close();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`port ${port} (--prod-port, stage prod) is in use`);
    expect(stderr).toContain('--prod-port PORT');
    const started = await startTollgate({ home, policy });
    expect(await started.end('SIGTERM')).toBe(0);
  }, 30_000);

  test('a home that is a file', async () => {
    const home = path.join(directory, 'file');
    await writeFile(home, 'something of mine');
    const { code, stderr } = await cannotStart(['--home', home, '--dev-port', '0', '--prod-port', '0']);
    expect([code, await readFile(home, 'utf8')]).toEqual([1, 'something of mine']);
    expect(stderr).toContain('is not a directory');
  });

  test('a damaged home keeps what it has', async () => {
    const home = path.join(directory, 'damaged');
    const started = await startTollgate({ home, policy });
    await started.end('SIGTERM');
    const file = await databaseFile(home);
    const damage = Buffer.alloc(8_192, 'damaged ');
    await writeFile(file, damage);
    const { code, stderr, stdout } = await cannotStart(['--home', home, '--dev-port', '0', '--prod-port', '0']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(home);
    expect(await readFile(file)).toEqual(damage);
  }, 30_000);

  test('a policy with a typo ends with 4 and says file, line and suggestion', async () => {
    const broken = path.join(directory, 'broken');
    await mkdir(broken);
    const text = await readFile(path.join(policy, 'dev.yaml'), 'utf8');
    await writeFile(path.join(broken, 'dev.yaml'), text.replace('wallet_team_id', 'walet_team_id'));
    await writeFile(path.join(broken, 'prod.yaml'), await readFile(path.join(policy, 'prod.yaml'), 'utf8'));
    const home = path.join(directory, 'typo');
    const { code, stderr } = await tollgate(['start', '--home', home, '--policy', broken, '--dev-port', '0', '--prod-port', '0']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/dev\.yaml:\d+:\d+.*walet_team_id.*did you mean 'wallet_team_id'/);
    await expect(stat(home)).rejects.toThrow('ENOENT');
  });

  test('the same port twice is a usage error', async () => {
    expect((await cannotStart(['--dev-port', '4321', '--prod-port', '4321'])).code).toBe(2);
  });
});

async function listen(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function databaseFile(home: string): Promise<string> {
  const names = await readdir(home, { recursive: true });
  const name = names.find((candidate) => candidate.endsWith('.db'));
  if (name === undefined) throw new Error(`no database among ${names.join(', ')}`);
  return path.join(home, name);
}
