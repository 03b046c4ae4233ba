/** What makes production production, rule by rule; a learning stage may do without. */
import { LEARNING, SERVICE, edit, load, problemOf, problemsOf } from './support.ts';

test('a service policy that keeps every rule is accepted, locally and deployed', () => {
  expect(load(SERVICE).warnings).toEqual([]);
  expect(load(SERVICE, true).policy.purpose).toBe('service');
});

const SWITCH = (line: string) => edit(SERVICE, 'wallets:', `cost_tracking: { ${line} }\nwallets:`);

test.each(['enabled: false', 'wallet_enforcement: false', 'unpriced_model: allow_at_zero'])(
  'a service stage refuses %s',
  (line) => {
    expect(problemOf(SWITCH(line))).toMatchObject({ line: 4, path: `cost_tracking.${line.split(':')[0]}` });
  },
);

test.each(['enabled: false', 'wallet_enforcement: false', 'unpriced_model: allow_at_zero', 'unknown_outcome: release'])(
  'a learning stage accepts %s',
  (line) => {
    expect(load(edit(LEARNING, 'cost_tracking:', `cost_tracking:\n  ${line}`)).policy.purpose).toBe('learning');
  },
);

test('unknown_outcome release is refused for a service stage, beside provider budgets and beside evaluations', () => {
  const messages = problemsOf(SWITCH('unknown_outcome: release')).map((problem) => problem.message);
  expect(messages).toEqual([expect.stringContaining('for a service stage'), expect.stringContaining('beside provider budgets')]);
  const release = edit(LEARNING, 'cost_tracking:', 'cost_tracking:\n  unknown_outcome: release');
  const budget = '{ secret: openai }\n    budgets: [{ name: month, window: month, limit_usd: "1.00" }]';
  expect(problemOf(edit(release, '{ secret: openai }', budget)).message).toContain('beside provider budgets');
  const evaluations = `${release}evaluations: { wallet_team_id: team_two, max_run_usd: "1.00", allowed: false }\n`;
  expect(problemOf(evaluations).message).toContain('beside evaluations');
});

test.each([
  ['a wallet', 'plan_usd_per_month: "100.00"', 'wallets[0]'],
  ['a budget of a group', 'limit_usd: "20.00"', 'consumer_groups[0].budgets[0]'],
  ['a budget of a provider', 'limit_usd: "90.00"', 'providers[0].budgets[0]'],
])('a service stage refuses %s without a block', (_what, amount, path) => {
  const soft = `${amount}, budget_alerts: [{ threshold_percent: 80, action: notify }]`;
  expect(problemOf(edit(SERVICE, amount, soft))).toMatchObject({ path, message: expect.stringContaining('has no block') });
});

test('a service stage whose own default has no block is refused for everything that takes it over', () => {
  expect(problemsOf(SWITCH('budget_alerts: []')).map((problem) => problem.path)).toEqual([
    'wallets[0]',
    'consumer_groups[0].budgets[0]',
    'providers[0].budgets[0]',
  ]);
});

test('a service stage needs a budget for every provider', () => {
  const text = edit(SERVICE, '    budgets: [{ name: month, window: month, limit_usd: "90.00" }]\n', '');
  expect(problemOf(text)).toMatchObject({ line: 13, path: 'providers[0]', message: expect.stringContaining('has no budget') });
});

test.each([
  ['one target and no reason', '    no_fallback_reason: one vendor until the second contract is signed\n', ''],
  [
    'a fallback of one attempt',
    '      - { provider: openai, model: gpt-5-nano }\n',
    '      - { provider: openai, model: gpt-5-nano }\n    fallback: { attempts: 1 }\n',
  ],
  [
    'a fallback on nothing',
    '      - { provider: openai, model: gpt-5-nano }\n',
    '      - { provider: openai, model: gpt-5-nano }\n    fallback: { on: [] }\n',
  ],
])('a service stage refuses a route with %s', (_what, from, to) => {
  expect(problemOf(edit(SERVICE, from, to)).message).toContain('neither a fallback nor a stated reason');
});

test('a stated reason for no fallback means one attempt', () => {
  const text = edit(
    SERVICE,
    'model: gpt-5-nano }\n',
    'model: gpt-5-nano }\n    no_fallback_reason: the answers of two models differ\n',
  );
  expect(load(text).policy.routes[0]).toMatchObject({
    fallback: { attempts: 1 },
    noFallbackReason: 'the answers of two models differ',
  });
});

test('more attempts than one beyond the targets are told and counted as that', () => {
  const text = edit(LEARNING, 'model: mistral-small-2603 }\n', 'model: mistral-small-2603 }\n    fallback: { attempts: 5 }\n');
  const { policy, warnings } = load(text);
  expect(policy.routes[0]?.fallback.attempts).toBe(3);
  expect(warnings).toMatchObject([{ path: 'routes[0].fallback.attempts' }]);
});

test('a cache is a learning stage’s to have, and a service stage’s to state', () => {
  const cached = (text: string, cache: string) =>
    edit(text, 'routes:\n  - model: economy\n', `routes:\n  - model: economy\n    cache: ${cache}\n`);
  expect(load(cached(LEARNING, '{ ttl: 90m }')).policy.routes[0]?.cache).toEqual({ ttlMs: 5_400_000 });
  expect(load(LEARNING).policy.routes[0]).not.toHaveProperty('cache');
  const refused = problemOf(cached(SERVICE, '{ ttl: 1h }'));
  expect(refused).toMatchObject({ path: 'routes[0].cache', suggestion: expect.stringContaining('on_service: true') });
  expect(load(cached(SERVICE, '{ ttl: 1h, on_service: true }')).policy.routes[0]?.cache).toEqual({ ttlMs: 3_600_000 });
  for (const ttl of ['999ms', '0s', '169h']) {
    expect(problemOf(cached(LEARNING, `{ ttl: ${ttl} }`))).toMatchObject({ path: 'routes[0].cache.ttl' });
  }
  expect(problemOf(cached(LEARNING, '{ ttl: 1h, on_service: false }')).path).toContain('routes[0].cache');
});

test('a service stage needs an owner and a runbook for actionable alerts; the owner of the stage will do', () => {
  expect(problemOf(edit(SERVICE, 'owner: platform@example.com\n', '')).message).toContain('needs an owner');
  expect(problemOf(edit(SERVICE, ', runbook: "https://runbooks.example.com/spend"', '')).message).toContain('needs a runbook');
});

test('a service stage needs a price for every target, a learning one is warned that its requests are refused', () => {
  const problem = problemOf(edit(SERVICE, 'model: gpt-5.1', 'model: no-such-model'));
  expect(problem).toMatchObject({
    path: 'routes[1].targets[0]',
    message: expect.stringContaining('needs a price for every target'),
  });
  expect(load(edit(LEARNING, 'model: gpt-5.1', 'model: no-such-model')).warnings).toMatchObject([
    { path: 'routes[1].targets[0]', message: expect.stringContaining('price_unknown') },
  ]);
});

test('a learning stage may record an unpriced model at zero, and is told', () => {
  const text = edit(
    edit(LEARNING, 'model: gpt-5.1', 'model: no-such-model'),
    'cost_tracking:',
    'cost_tracking:\n  unpriced_model: allow_at_zero',
  );
  const { policy, warnings } = load(text);
  expect(policy.prices).toContainEqual(
    expect.objectContaining({
      model: 'no-such-model',
      tiers: [expect.objectContaining({ inputPicoUsd: 0n, outputPicoUsd: 0n })],
    }),
  );
  expect(warnings).toHaveLength(1);
});

test('only dev and prod say by their names what they are for', () => {
  expect(load(LEARNING).policy.purpose).toBe('learning');
  expect(load(SERVICE).policy.purpose).toBe('service');
  expect(problemOf(edit(LEARNING, 'stage: dev', 'stage: staging'))).toMatchObject({
    line: 1,
    suggestion: expect.stringContaining('purpose'),
  });
  expect(load(edit(LEARNING, 'stage: dev', 'stage: staging\npurpose: learning')).policy.stage).toBe('staging');
});

test('a prod stage that says it is for learning has the rules of a learning one', () => {
  const text = edit(
    edit(SERVICE, 'stage: prod', 'stage: prod\npurpose: learning'),
    'owner: platform@example.com',
    'owner: me@example.com',
  );
  expect(
    load(edit(text, 'wallets:', 'cost_tracking: { wallet_enforcement: false }\nwallets:')).policy.costTracking.walletEnforcement,
  ).toBe(false);
});
