/** Two gateway processes, 64 callers at once, a budget of one dollar on the first provider: never passed, and the calls go on. */
import OpenAI from 'openai';
import { type Started, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { type Upstream, startUpstream, wish } from '../support/upstream.ts';

const CALLERS = 64;

let upstream: Upstream;
let processes: readonly Started[];
let remove: () => Promise<void>;
let local: readonly string[];

/** An output token costs ten cents, so one dollar of a vendor is ten calls of one token. */
function stage(name: string, baseUrl: string): string {
  const provider = (provided: string, limit: string): string =>
    `  - { name: ${provided}, base_url: "${baseUrl}", credential: none, output_cap_field: max_tokens, budgets: [{ name: all, window: total, limit_usd: "${limit}" }] }`;
  const price = (provided: string): string =>
    `  - { provider: ${provided}, model: ${provided}-model, from: 2020-01-01, input_usd_per_million: "0", cached_input_usd_per_million: "0", output_usd_per_million: "100000" }`;
  return `stage: ${name}
purpose: learning
wallets:
  - { team_id: team_rich, plan_usd_per_month: "1000.00" }
consumer_groups:
  - { name: apps, wallet_team_id: team_rich, max_output_tokens: 1000 }
providers:
${provider('bounded', '1.00')}
${provider('spare', '9.00')}
routes:
  - model: shared
    targets: [{ provider: bounded, model: bounded-model }, { provider: spare, model: spare-model }]
    cooldown: { after_failures: 3, for: 30s }
prices:
${price('bounded')}
${price('spare')}
`;
}

beforeAll(async () => {
  upstream = await startUpstream();
  const temporary = await temporaryDirectory();
  const policy = await writePolicies(temporary.directory, {
    dev: stage('dev', upstream.baseUrl),
    prod: stage('prod', upstream.baseUrl),
  });
  const home = `${temporary.directory}/home`;
  remove = temporary.remove;
  local = ['--local', '--home', home, '--policy', policy];
  processes = await Promise.all([startTollgate({ home, policy }), startTollgate({ home, policy })]);
});

afterAll(async () => {
  await Promise.all((processes ?? []).map((one) => one.end('SIGTERM')));
  await upstream?.stop();
  await remove?.();
});

test('64 callers at once on two processes: the first vendor gets ten calls of ten cents, the second the rest', async () => {
  const clients = processes.map((one) => {
    const { openaiBaseUrl, keys } = one.ready.stages.dev;
    return new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys.apps ?? '', maxRetries: 0 });
  });
  const ask = { model: 'shared', max_tokens: 1, messages: wish({ tokens: 1, delayMs: 100 }) };
  const one = async (at: number): Promise<void> => {
    await clients[at % clients.length]?.chat.completions.create(ask);
    expect(upstream.countOf('bounded-model')).toBeLessThanOrEqual(10);
  };
  await Promise.all(Array.from({ length: CALLERS }, (_, at) => one(at)));
  expect(upstream.countOf('bounded-model') + upstream.countOf('spare-model')).toBe(CALLERS);
  // What a caller's idle money kept from it at the rush goes out call by call, until the tenth.
  for (let at = 0; at < 12; at += 1) await one(at);
  expect(upstream.countOf('bounded-model')).toBe(10);
  expect(upstream.countOf('spare-model')).toBe(CALLERS + 12 - 10);
});

test('when both vendors are used up a call is refused with a 402, once, and the books are right', async () => {
  const [first] = processes;
  if (first === undefined) throw new Error('no process');
  const { openaiBaseUrl, keys } = first.ready.stages.dev;
  const sdk = new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys.apps ?? '' });
  const ask = { model: 'shared', max_tokens: 1, messages: wish({ tokens: 1 }) };
  const left = 90 - upstream.countOf('spare-model');
  for (let at = 0; at < left; at += 1) await sdk.chat.completions.create(ask);
  const before = upstream.calls.length;
  await expect(sdk.chat.completions.create(ask)).rejects.toMatchObject({ status: 402, code: 'provider_budget_exceeded' });
  expect(upstream.calls).toHaveLength(before);
  const { code, stdout } = await tollgate(['ledger', 'verify', '--stage', 'dev', '--json', ...local]);
  const report = JSON.parse(stdout) as { readonly findings: readonly unknown[]; readonly entriesUsd: string };
  expect([code, report.findings, report.entriesUsd]).toEqual([0, [], '10.00']);
});
