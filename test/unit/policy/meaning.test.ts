/** What the words mean together: references, uniqueness, thresholds, addresses, keys. */
import { createHash } from 'node:crypto';
import { LEARNING, SERVICE, edit, load, problemOf, problemsOf } from './support.ts';

test.each([
  ['wallet_team_id: team_one', 'wallet_team_id: team_oen', 11, "there is no wallet 'team_oen'", "did you mean 'team_one'?"],
  ['models: [economy, frontier]', 'models: [economy, fronteer]', 12, "there is no route 'fronteer'", "did you mean 'frontier'?"],
  ['provider: mistral', 'provider: mistrl', 27, "there is no provider 'mistrl'", "did you mean 'mistral'?"],
  ['stage: dev', 'stage: dev\ndefault_route: econmy', 2, "there is no route 'econmy'", "did you mean 'economy'?"],
  [
    'models: [economy',
    'funding: [team_tow]\n    models: [economy',
    12,
    "there is no wallet 'team_tow'",
    "did you mean 'team_two'?",
  ],
  ['window: day,', 'window: day, models: [economi],', 14, "there is no route 'economi'", "did you mean 'economy'?"],
])('a name that nothing has is told with the nearest: %j becomes %j', (from, to, line, message, suggestion) => {
  expect(problemsOf(edit(LEARNING, from, to))).toContainEqual(
    expect.objectContaining({ line, message: expect.stringContaining(message), suggestion }),
  );
});

test('an alias where a route is asked for is told with its route', () => {
  expect(problemOf(edit(LEARNING, 'models: [economy, frontier]', 'models: [cheap, frontier]')).suggestion).toBe(
    "it is an alias: write 'economy'",
  );
});

const CLAUDE = (more: string): string => edit(LEARNING, 'name: mistral', `name: mistral\n    protocol: anthropic${more}`);

test("a provider that speaks Anthropic's protocol serves its APIs", () => {
  const { policy } = load(CLAUDE(''));
  expect(policy.providers[1]).toMatchObject({ protocol: 'anthropic', apis: ['messages', 'count_tokens'] });
  expect(load(CLAUDE('\n    apis: [messages]')).policy.providers[1]?.apis).toEqual(['messages']);
});

test("an API of another protocol is refused: an endpoint gets its own protocol's headers", () => {
  expect(problemOf(CLAUDE('\n    apis: [messages, chat_completions]'))).toMatchObject({
    path: 'providers[1].apis[1]',
    message: expect.stringContaining('chat_completions is no API of protocol anthropic'),
  });
  expect(problemOf(edit(LEARNING, 'name: mistral', 'name: mistral\n    apis: [count_tokens]'))).toMatchObject({
    path: 'providers[1].apis[0]',
  });
});

test("what would lead nowhere at Anthropic's address is told", () => {
  expect(load(CLAUDE('\n    output_cap_field: max_tokens')).warnings).toMatchObject([{ path: 'providers[1].output_cap_field' }]);
  const wrong = edit(CLAUDE(''), 'https://api.mistral.ai/v1', 'https://api.anthropic.com');
  expect(problemsOf(wrong)).toContainEqual(expect.objectContaining({ suggestion: 'write https://api.anthropic.com/v1' }));
});

test('a weight that no strategy reads is told', () => {
  const text = edit(LEARNING, 'model: gpt-5-mini }', 'model: gpt-5-mini, weight: 3 }');
  expect(load(text).warnings).toMatchObject([{ line: 26, path: 'routes[0].targets[0].weight' }]);
  const weighted = edit(text, 'aliases: [cheap]', 'strategy: weighted_round_robin');
  expect(load(weighted).warnings).toEqual([]);
  expect(load(weighted).policy.routes[0]?.targets.map((target) => target.weight)).toEqual([3, 1]);
});

test("references of words that are not enforced are checked too: when_budget_above.use and the evaluations' wallet", () => {
  const route = edit(LEARNING, 'aliases: [cheap]', 'when_budget_above: { percent: 80, use: econ }');
  expect(
    problemsOf(route)
      .map((problem) => problem.message)
      .join(),
  ).toContain("there is no route 'econ'");
  const evaluations = `${LEARNING}evaluations: { wallet_team_id: team_three, max_run_usd: "1.00", allowed: false }\n`;
  expect(problemOf(evaluations).message).toContain("there is no wallet 'team_three'");
});

test.each([
  ['a wallet', 'team_id: team_two', 'team_id: team_one', 8],
  ['a provider', 'name: mistral', 'name: openai', 19],
  ['a target', 'provider: mistral, model: mistral-small-2603', 'provider: openai, model: gpt-5-mini', 27],
  ['an alias that is a route', 'aliases: [cheap]', 'aliases: [frontier]', 24],
  ['an alias twice', 'aliases: [cheap]', 'aliases: [cheap, cheap]', 24],
  ['an allowed route', 'models: [economy, frontier]', 'models: [economy, frontier, economy]', 12],
  ['the first wallet as funding', 'models: [economy', 'funding: [team_one]\n    models: [economy', 12],
])('%s that stands twice is refused', (_what, from, to, line) => {
  expect(problemsOf(edit(LEARNING, from, to))).toContainEqual(expect.objectContaining({ line }));
});

test('budgets of one group have different names', () => {
  const twice = '      - { name: day, window: day, limit_usd: "20.00" }';
  expect(problemOf(edit(LEARNING, twice, `${twice}\n${twice}`))).toMatchObject({
    line: 15,
    message: "budget of apps 'day' stands twice",
  });
});

test('routes of one name and groups of one name are refused', () => {
  expect(problemOf(`${LEARNING}  - { model: frontier, targets: [{ provider: openai, model: gpt-5 }] }\n`).line).toBe(30);
  const group = '  - { name: apps, wallet_team_id: team_one }\nproviders:';
  expect(problemOf(edit(LEARNING, 'providers:', group)).message).toBe("consumer group 'apps' stands twice");
});

test('a block below 100 on a wallet is an error, its own or the one it takes over', () => {
  const own = 'plan_usd_per_month: "100.00", budget_alerts: [{ threshold_percent: 95, action: block }]';
  expect(problemOf(edit(LEARNING, 'plan_usd_per_month: "100.00"', own))).toMatchObject({
    line: 7,
    path: 'wallets[0].budget_alerts[0]',
  });
  const stage = edit(LEARNING, 'threshold_percent: 100', 'threshold_percent: 95');
  expect(problemsOf(stage).map((problem) => [problem.line, problem.message])).toEqual([
    [5, expect.stringContaining('wallet team_one takes over')],
    [5, expect.stringContaining('wallet team_two takes over')],
  ]);
});

test('a block below 100 on a budget is a hard cap there', () => {
  const text = edit(
    LEARNING,
    'limit_usd: "20.00"',
    'limit_usd: "20.00", budget_alerts: [{ threshold_percent: 95, action: block }]',
  );
  expect(load(text).policy.consumerGroups[0]?.budgets[0]?.thresholds).toEqual([{ percent: 95, action: 'block' }]);
});

test.each([
  ['a percent twice', '{ threshold_percent: 100, action: notify }', 'stands twice'],
  ['a second block', '{ threshold_percent: 99, action: block }', 'block'],
])('%s among the thresholds is refused', (_what, extra, message) => {
  const text = edit(LEARNING, 'action: block }', `action: block }\n    - ${extra}`);
  expect(problemsOf(text)[0]).toMatchObject({ line: 6, message: expect.stringContaining(message) });
});

test('a block above 100 is refused, a notify above 100 is not', () => {
  expect(problemOf(edit(LEARNING, 'threshold_percent: 100', 'threshold_percent: 101')).line).toBe(5);
  expect(load(edit(LEARNING, 'threshold_percent: 50', 'threshold_percent: 150')).warnings).toEqual([]);
});

test('a timezone that nobody has is told with the nearest', () => {
  const problem = problemOf(edit(LEARNING, 'stage: dev', 'stage: dev\ntimezone: Europe/Berln'));
  expect(problem).toMatchObject({ line: 2, suggestion: "did you mean 'Europe/Berlin'?" });
});

test('an actionable alert needs a runbook and an owner, in a learning stage too', () => {
  const messages = problemsOf(edit(LEARNING, 'stage: dev', 'stage: dev\nalerts: { severity: actionable }')).map((p) => p.message);
  expect(messages).toEqual(['an actionable alert needs a runbook', 'an actionable alert needs an owner']);
});

test.each(['http://127.0.0.1:9000/v1', 'http://localhost:9000/v1', 'http://[::1]:9000/v1'])(
  'the loopback provider %s without a credential is fine locally and refused when deployed',
  (address) => {
    const text = edit(edit(LEARNING, 'https://api.openai.com/v1', address), 'credential: { secret: openai }', 'credential: none');
    expect(load(text).policy.providers[0]).toMatchObject({ baseUrl: address, credential: { kind: 'none' } });
    expect(problemsOf(text, true).map((problem) => problem.path)).toEqual(['providers[0].base_url', 'providers[0].credential']);
  },
);

test('credential none at an address that is not loopback is refused', () => {
  expect(problemOf(edit(LEARNING, '{ secret: openai }', 'none')).message).toContain('not at a loopback address');
});

test.each([
  ['http://api.example.com/v1', 'not https'],
  ['http://127.0.0.1.example.com/v1', 'not https'],
  ['http://0.0.0.0:9000/v1', 'not https'],
  ['https://user:word@api.example.com/v1', 'user name or password'],
  ['https://api.example.com/v1?key=1', 'query'],
  ['https://api.example.com/v1#part', 'fragment'],
  ['https://[nonsense/v1', 'not an address'],
])('the address %s is refused', (address, message) => {
  expect(problemOf(edit(LEARNING, 'https://api.openai.com/v1', `"${address}"`)).message).toContain(message);
});

test('a slash at the end of an address is taken off', () => {
  expect(load(edit(LEARNING, 'https://api.openai.com/v1', 'https://api.openai.com/v1//')).policy.providers[0]?.baseUrl).toBe(
    'https://api.openai.com/v1',
  );
});

test('a credential of two kinds or of none is refused', () => {
  expect(problemsOf(edit(LEARNING, '{ secret: openai }', '{ secret: openai, iam: bedrock }'))[0]?.message).toContain(
    'must be one of',
  );
  expect(problemOf(edit(LEARNING, '{ secret: openai }', '{}')).message).toContain('must be one of');
});

test('a plaintext key is hashed with a warning locally, and refused when deployed with the command that moves it', () => {
  const text = edit(LEARNING, 'wallet_team_id: team_one', 'wallet_team_id: team_one\n    api_key: kt_cg_dev_abc123');
  const { policy, warnings } = load(text);
  expect(policy.consumerGroups[0]?.apiKeySha256).toBe(createHash('sha256').update('kt_cg_dev_abc123').digest('hex'));
  expect(warnings).toMatchObject([{ line: 12, path: 'consumer_groups[0].api_key' }]);
  const problem = problemOf(text, true);
  expect(problem.suggestion).toContain('npx tollgate keys create --stage dev --group apps --import');
  expect(problem.suggestion).toContain('standard input');
});

test('two groups with one key are refused', () => {
  const text = edit(LEARNING, 'wallet_team_id: team_one', 'wallet_team_id: team_one\n    api_key: kt_cg_dev_abc123');
  const group = '  - { name: more, wallet_team_id: team_one, api_key: kt_cg_dev_abc123 }\nproviders:';
  expect(problemOf(edit(text, 'providers:', group)).message).toContain('the key of another group');
});

test('the total time stays below what a function may run', () => {
  const text = edit(LEARNING, 'credential: { secret: openai }', 'credential: { secret: openai }\n    timeout: { total: 15m }');
  expect(problemOf(text)).toMatchObject({ line: 19, message: expect.stringContaining('at most 14m') });
});

test('a file of another stage than the one that is asked for is refused', async () => {
  const { loadPolicy, PolicyError } = await import('../../../lambdas/policy/index.ts');
  const options = { file: 'policy/prod.yaml', deployed: false, atEpochMs: 0, stage: 'prod' };
  expect(() => loadPolicy(LEARNING, options)).toThrow(PolicyError);
  expect(() => loadPolicy(SERVICE, options)).not.toThrow();
});

test('defaults are filled in', () => {
  const { policy } = load(LEARNING);
  expect(policy).toMatchObject({ purpose: 'learning', timezone: 'UTC', alerts: { severity: 'informational', email: [] } });
  expect(policy.costTracking).toMatchObject({
    enabled: true,
    walletEnforcement: true,
    unpricedModel: 'reject',
    unknownOutcome: 'charge',
  });
  expect(policy.wallets[1]).toEqual({
    teamId: 'team_two',
    planNanoUsdPerMonth: 50_000_000_000n,
    thresholds: policy.costTracking.budgetAlerts,
  });
  expect(policy.consumerGroups[0]).toMatchObject({
    funding: [],
    maxOutputTokens: 1024,
    budgets: [{ limitNanoUsd: 20_000_000_000n }],
  });
  expect(policy.providers[0]).toMatchObject({
    protocol: 'openai',
    outputCapField: 'max_completion_tokens',
    timeoutMs: { connect: 3000, firstByte: 30_000, idle: 60_000, total: 600_000 },
  });
  expect(policy.routes[0]).toEqual({
    model: 'economy',
    aliases: ['cheap'],
    strategy: 'ordered',
    targets: [
      { provider: 'openai', model: 'gpt-5-mini', weight: 1 },
      { provider: 'mistral', model: 'mistral-small-2603', weight: 1 },
    ],
    fallback: { on: ['timeout', 'rate_limit', 'server_error', 'provider_budget'], attempts: 2 },
  });
});

test('a stage that states no thresholds gets limits that bite', () => {
  const text = edit(LEARNING, LEARNING.slice(LEARNING.indexOf('cost_tracking:'), LEARNING.indexOf('wallets:')), '');
  expect(load(text).policy.consumerGroups[0]?.budgets[0]?.thresholds).toContainEqual({ percent: 100, action: 'block' });
});

test('a budget with thresholds of its own takes none of the stage', () => {
  const soft = 'limit_usd: "20.00", budget_alerts: [{ threshold_percent: 80, action: notify }]';
  const { policy } = load(edit(LEARNING, 'limit_usd: "20.00"', soft));
  expect(policy.consumerGroups[0]?.budgets[0]?.thresholds).toEqual([{ percent: 80, action: 'notify' }]);
});

test('a group that lists no routes may call all of them', () => {
  expect(load(edit(LEARNING, '    models: [economy, frontier]\n', '')).policy.consumerGroups[0]?.models).toEqual([
    'economy',
    'frontier',
  ]);
});
