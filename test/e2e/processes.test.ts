/** Several gateway processes on one home share one database, and no limit is per process. */
import OpenAI from 'openai';
import { type Started, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { type Upstream, startUpstream, wish } from '../support/upstream.ts';

const PROCESSES = 3;
const CALLS_EACH = 7;
const ALL = '{ name: all, window: total, limit_usd: "500.00" }';

let upstream: Upstream;
let processes: readonly Started[];
let remove: () => Promise<void>;
let local: readonly string[];

beforeAll(async () => {
  upstream = await startUpstream();
  const temporary = await temporaryDirectory();
  const groups = [
    { name: 'purse', wallet: 'team_purse' },
    { name: 'capped', wallet: 'team_rich', budgets: [ALL] },
    { name: 'vendor', wallet: 'team_rich', providerBudgets: [ALL] },
  ];
  const wallets = { team_purse: '500.00', team_rich: '100000.00' };
  const policy = await writePolicies(temporary.directory, {
    dev: testPolicy({ stage: 'dev', baseUrl: upstream.baseUrl, wallets, groups }),
    prod: testPolicy({ stage: 'prod', baseUrl: upstream.baseUrl, wallets, groups }),
  });
  const home = `${temporary.directory}/home`;
  remove = temporary.remove;
  local = ['--local', '--home', home, '--policy', policy];
  processes = await Promise.all(Array.from({ length: PROCESSES }, () => startTollgate({ home, policy })));
});

afterAll(async () => {
  await Promise.all((processes ?? []).map((one) => one.end('SIGTERM')));
  await upstream?.stop();
  await remove?.();
});

test.each(['purse', 'capped', 'vendor'])(
  '21 calls of 75 over three processes against 500 (%s): never more than 6, and 6 once the refused have asked again',
  async (group) => {
    const clients = processes.map((one) => {
      const { openaiBaseUrl, keys } = one.ready.stages.dev;
      return new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys[group] ?? '', maxRetries: 0 });
    });
    const ask = { model: group, max_tokens: 750, messages: wish({ delayMs: 300 }) };
    let through = 0;
    for (let round = 0; round < 5 && through < 6; round += 1) {
      const calls = Array.from({ length: CALLS_EACH }).flatMap(() => clients.map((sdk) => sdk.chat.completions.create(ask)));
      const results = await Promise.allSettled(calls);
      through += results.filter((result) => result.status === 'fulfilled').length;
      expect(upstream.countOf(group)).toBeLessThanOrEqual(6);
      expect(upstream.countOf(group)).toBe(through);
    }
    expect(through).toBe(6);
  },
);

test('a command beside the running processes proves the books', async () => {
  const { code, stdout } = await tollgate(['ledger', 'verify', '--stage', 'dev', '--json', ...local]);
  const report = JSON.parse(stdout) as {
    readonly findings: readonly unknown[];
    readonly spentUsd: string;
    readonly entriesUsd: string;
  };
  expect([code, report.findings, report.spentUsd, report.entriesUsd]).toEqual([0, [], '1350.00', '1350.00']);
});
