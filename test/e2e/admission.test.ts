/** The running stages, driven with the real OpenAI SDK: who gets through, who is refused, and who hears of it. */
import OpenAI, { APIError } from 'openai';
import { type Started, eventually, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { type Upstream, startUpstream, wish } from '../support/upstream.ts';

const BURST = 20;
/** Ten output tokens are a dollar. */
const BOUND_75_TOKENS = 750;
const ALL = '{ name: all, window: total, limit_usd: "500.00" }';

let upstream: Upstream;
let started: Started;
let remove: () => Promise<void>;
let local: readonly string[];

beforeAll(async () => {
  upstream = await startUpstream();
  const temporary = await temporaryDirectory();
  const policy = await writePolicies(temporary.directory, {
    dev: testPolicy({
      stage: 'dev',
      baseUrl: upstream.baseUrl,
      wallets: { team_purse: '500.00', team_rich: '100000.00', team_alerts: '100000.00' },
      groups: [
        { name: 'purse', wallet: 'team_purse' },
        { name: 'capped', wallet: 'team_rich', budgets: [ALL] },
        { name: 'vendor', wallet: 'team_rich', providerBudgets: [ALL] },
        { name: 'alerts', wallet: 'team_alerts', budgets: ['{ name: all, window: total, limit_usd: "100.00" }'] },
        { name: 'plain', wallet: 'team_rich', more: ['api_key: "a-plaintext-key-of-a-test"'] },
      ],
    }),
    prod: testPolicy({
      stage: 'prod',
      baseUrl: upstream.baseUrl,
      wallets: { team_prod: '1000.00' },
      groups: [{ name: 'live', wallet: 'team_prod' }],
    }),
  });
  const home = `${temporary.directory}/home`;
  started = await startTollgate({ home, policy });
  local = ['--local', '--home', home, '--policy', policy];
  remove = temporary.remove;
});

afterAll(async () => {
  await started?.end('SIGTERM');
  await upstream?.stop();
  await remove?.();
});

function client(
  group: string,
  options: { readonly stage?: 'dev' | 'prod'; readonly maxRetries?: number; readonly key?: string } = {},
): OpenAI {
  const stage = started.ready.stages[options.stage ?? 'dev'];
  const apiKey = options.key ?? stage.keys[group] ?? 'none';
  return new OpenAI({ baseURL: stage.openaiBaseUrl, apiKey, maxRetries: options.maxRetries ?? 0 });
}

/** Twenty calls at once, each of which holds $75 for a while and then costs it. */
async function burst(group: string): Promise<readonly PromiseSettledResult<unknown>[]> {
  const sdk = client(group);
  const ask = { model: group, max_tokens: BOUND_75_TOKENS, messages: wish({ delayMs: 500 }) };
  return Promise.allSettled(Array.from({ length: BURST }, () => sdk.chat.completions.create(ask)));
}

describe.each([
  ['a wallet of 500', 'purse', 'wallet/team_purse'],
  ['a budget of 500', 'capped', 'budget/capped/all'],
  ["a provider's budget of 500", 'vendor', 'provider/vendor/all'],
])('20 concurrent calls whose bound is 75 under %s', (_what, group, scope) => {
  test('exactly 6 get through, and nothing of the others is sent upstream', async () => {
    const results = await burst(group);
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as APIError] : []));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(6);
    expect(upstream.countOf(group)).toBe(6);
    expect(refusals.map((refusal) => [402, 429].includes(refusal.status as number))).toEqual(
      Array.from({ length: 14 }, () => true),
    );
    expect(JSON.stringify(refusals[0]?.error)).toContain(scope);
  });
});

test('an answer comes whole or as a stream, on both stages, and its cost is told', async () => {
  for (const [stage, group] of [
    ['dev', 'plain'],
    ['prod', 'live'],
  ] as const) {
    const ask = { model: group, max_tokens: 20, messages: wish({ tokens: 3 }) };
    const { data, response } = await client(group, { stage }).chat.completions.create(ask).withResponse();
    expect(data.choices[0]?.message.content).toBe('ok');
    expect(response.headers.get('x-tollgate-cost-usd')).toBe('0.30');
    const stream = await client(group, { stage }).chat.completions.create({ ...ask, stream: true });
    let text = '';
    let usageChunks = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      if (chunk.choices.length === 0) usageChunks += 1;
    }
    expect([text, usageChunks]).toEqual(['ok', 0]);
  }
});

test('a provider with credential none is called without a credential', async () => {
  await client('plain').chat.completions.create({ model: 'plain', max_tokens: 1, messages: wish({}) });
  expect(upstream.calls.map((call) => call.authorization).filter((value) => value !== undefined)).toEqual([]);
});

test('the plaintext key of a local policy opens too', async () => {
  const sdk = client('plain', { key: 'a-plaintext-key-of-a-test' });
  const models = await sdk.models.list();
  expect(models.data.map((model) => model.id)).toEqual(['plain']);
});

test('50, 90 and 100 % of a budget raise one alert each within seconds, and the block is sent once by the SDK', async () => {
  const sdk = client('alerts', { maxRetries: 2 });
  const spend = (tokens: number) => sdk.chat.completions.create({ model: 'alerts', max_tokens: tokens, messages: wish({}) });
  const told = async (): Promise<
    readonly { readonly subject: string; readonly percent: number; readonly mergedInto?: string }[]
  > => {
    const { stdout } = await tollgate(['alerts', 'list', '--stage', 'dev', '--json', ...local]);
    return (JSON.parse(stdout) as Awaited<ReturnType<typeof told>>).filter((alert) => alert.subject === 'budget/alerts/all');
  };
  const untilTold = (percents: readonly number[]) =>
    eventually(
      async () => {
        const seen = (await told()).map((alert) => alert.percent).toReversed();
        return JSON.stringify(seen) === JSON.stringify(percents) ? seen : undefined;
      },
      10_000,
      `alerts at ${percents.join(', ')} %`,
    );
  await spend(490);
  await spend(20);
  await untilTold([50]);
  await spend(400);
  await untilTold([50, 90]);
  await spend(90);
  await untilTold([50, 90, 100]);
  const before = upstream.countOf('alerts');
  let sent = 0;
  const counting = new OpenAI({
    baseURL: started.ready.stages.dev.openaiBaseUrl,
    apiKey: started.ready.stages.dev.keys.alerts ?? '',
    fetch: (url, init) => {
      sent += 1;
      return fetch(url, init);
    },
  });
  const refused = await counting.chat.completions.create({ model: 'alerts', max_tokens: 10, messages: wish({}) }).then(
    () => undefined,
    (error: unknown) => error as APIError,
  );
  expect([refused?.status, refused?.code, refused?.headers?.get('x-should-retry'), sent]).toEqual([
    402,
    'budget_exceeded',
    'false',
    1,
  ]);
  expect(upstream.countOf('alerts')).toBe(before);
  expect((await told()).map((alert) => alert.percent)).toEqual([100, 90, 50]);
  expect(started.stderr()).toContain('budget/alerts/all reached 50 %');
});

test('a key of dev is 401 on prod, and so is no key and a wrong one', async () => {
  const devKey = started.ready.stages.dev.keys.plain ?? '';
  for (const key of [devKey, 'nonsense', `${devKey.slice(0, -1)}!`]) {
    const error = await client('live', { stage: 'prod', key })
      .models.list()
      .then(
        () => undefined,
        (thrown: unknown) => thrown as APIError,
      );
    expect([error?.status, error?.code]).toEqual([401, 'invalid_api_key']);
  }
  expect((await fetch(`${started.ready.stages.prod.openaiBaseUrl}/models`)).status).toBe(401);
});

describe('wrong input gets its stated error, and nothing is sent', () => {
  const good = { model: 'plain', max_tokens: 5, messages: wish({}) };
  test.each([
    ['no JSON', '{"model":', 400, 'invalid_request'],
    ['an unknown model', JSON.stringify({ ...good, model: 'gpt-none' }), 404, 'model_not_found'],
    ["another group's model", JSON.stringify({ ...good, model: 'capped' }), 403, 'model_not_allowed'],
    ['empty messages', JSON.stringify({ ...good, messages: [] }), 400, 'invalid_request'],
    ['a negative max_tokens', JSON.stringify({ ...good, max_tokens: -5 }), 400, 'invalid_request'],
    [
      'a body of 30 MB',
      JSON.stringify({ ...good, messages: [{ role: 'user', content: 'x'.repeat(30_000_000) }] }),
      413,
      'invalid_request',
    ],
  ])('%s', async (_what, body, status, code) => {
    const before = upstream.calls.length;
    const { openaiBaseUrl, keys } = started.ready.stages.dev;
    const headers = { authorization: `Bearer ${keys.plain}`, 'content-type': 'application/json' };
    const answer = await fetch(`${openaiBaseUrl}/chat/completions`, { method: 'POST', headers, body });
    const { error } = (await answer.json()) as { readonly error: { readonly code: string; readonly message: string } };
    expect([answer.status, error.code]).toEqual([status, code]);
    expect(upstream.calls).toHaveLength(before);
  });
});

test('after all of it the books agree', async () => {
  const { code, stdout } = await tollgate(['ledger', 'verify', '--json', ...local]);
  const { stages } = JSON.parse(stdout) as {
    readonly stages: Readonly<Record<string, { readonly findings: readonly unknown[]; readonly heldUsd: string }>>;
  };
  expect([code, stages.dev?.findings, stages.prod?.findings, stages.dev?.heldUsd]).toEqual([0, [], [], '0.00']);
});
