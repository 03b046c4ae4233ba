/** The two shipped files show what each stage is for, and hold every rule themselves. */
import { policyJsonSchema, policyJsonSchemaText } from '../../../lambdas/policy/index.ts';
import { load, shipped } from './support.ts';

test.each(['dev', 'prod'])('policy/%s.yaml is accepted locally and deployed, without a warning', (stage) => {
  const text = shipped(`${stage}.yaml`);
  expect(load(text).warnings).toEqual([]);
  expect(load(text, true).policy.stage).toBe(stage);
});

test.each(['dev', 'prod'])(
  'every target of policy/%s.yaml has a price that is above 0, those that embed for their input',
  (stage) => {
    const { policy } = load(shipped(`${stage}.yaml`));
    for (const target of policy.routes.flatMap((route) => route.targets)) {
      const price = policy.prices.find((each) => each.provider === target.provider && each.model === target.model);
      expect(price?.tiers[0]?.inputPicoUsd).toBeGreaterThan(0n);
      if (target.model === 'text-embedding-3-small') expect(price?.inputOnly).toBe(true);
      else expect(price?.tiers[0]?.outputPicoUsd).toBeGreaterThan(0n);
    }
  },
);

test.each(['dev', 'prod'])(
  'policy/%s.yaml sends embeddings to one model only, and no response to an endpoint without them',
  (stage) => {
    const { policy } = load(shipped(`${stage}.yaml`));
    const route = policy.routes.find(({ model }) => model === 'embeddings');
    expect(route?.targets).toEqual([{ provider: 'openai', model: 'text-embedding-3-small', weight: 1 }]);
    expect(policy.consumerGroups.every((group) => group.models.includes('embeddings'))).toBe(true);
    expect(policy.providers.map(({ name, apis }) => [name, apis])).toEqual([
      ['openai', ['chat_completions', 'responses', 'embeddings']],
      ['mistral', ['chat_completions', 'embeddings']],
      ['anthropic', ['messages', 'count_tokens']],
    ]);
  },
);

test('dev learns: cheap default route, aliases, a budget for each user, a soft budget, informational alerts', () => {
  const { policy } = load(shipped('dev.yaml'));
  expect(policy).toMatchObject({ purpose: 'learning', defaultRoute: 'economy', alerts: { severity: 'informational' } });
  expect(policy.routes[0]).toMatchObject({ strategy: 'least_cost', aliases: ['gpt-5-mini', 'gpt-4o-mini'] });
  const budgets = policy.consumerGroups[0]?.budgets ?? [];
  expect(budgets.map((budget) => [budget.name, budget.window, budget.per])).toEqual([
    ['day', 'day', undefined],
    ['month', 'month', undefined],
    ['each-developer', 'day', 'user'],
    ['frontier', 'day', undefined],
  ]);
  expect(budgets[3]?.thresholds).toEqual([{ percent: 80, action: 'notify' }]);
});

test('prod serves: actionable alerts with owner and runbook, provider budgets, fallbacks, only listed names', () => {
  const { policy } = load(shipped('prod.yaml'));
  expect(policy).toMatchObject({ purpose: 'service', alerts: { severity: 'actionable' } });
  expect(policy.alerts.owner).toBeDefined();
  expect(policy.alerts.runbook).toBeDefined();
  expect(policy.defaultRoute).toBeUndefined();
  expect(policy.routes.flatMap((route) => route.aliases)).toEqual([]);
  expect(policy.routes.map((route) => route.strategy)).toEqual(['ordered', 'weighted_round_robin', 'ordered', 'ordered']);
  for (const route of policy.routes) if (route.noFallbackReason === undefined) expect(route.fallback.attempts).toBeGreaterThan(1);
  expect(policy.routes.filter((route) => route.noFallbackReason !== undefined).map((route) => route.model)).toEqual([
    'embeddings',
  ]);
  for (const provider of policy.providers) expect(provider.budgets).toMatchObject([{ window: 'month' }]);
});

test.each(['dev', 'prod'])("apps of Anthropic's SDK have a route in policy/%s.yaml, with prices of cache writes", (stage) => {
  const { policy } = load(shipped(`${stage}.yaml`));
  const claude = policy.routes.find((route) => route.model === 'claude');
  expect(policy.consumerGroups[0]?.models).toContain('claude');
  for (const { provider, model } of claude?.targets ?? []) {
    expect(policy.providers.find(({ name }) => name === provider)).toMatchObject({
      protocol: 'anthropic',
      apis: ['messages', 'count_tokens'],
    });
    const [rates] = policy.prices.find((price) => price.provider === provider && price.model === model)?.tiers ?? [];
    expect(rates?.cacheWriteInputPicoUsd).toBe(((rates?.inputPicoUsd ?? 0n) * 5n) / 4n);
    expect(rates?.cacheWriteHourInputPicoUsd).toBe((rates?.inputPicoUsd ?? 0n) * 2n);
  }
  expect(claude?.targets.length).toBeGreaterThan(0);
});

test('the stages share no wallet, group or threshold list', () => {
  const [dev, prod] = [load(shipped('dev.yaml')).policy, load(shipped('prod.yaml')).policy];
  const names = (policy: typeof dev) => [...policy.wallets.map((w) => w.teamId), ...policy.consumerGroups.map((g) => g.name)];
  expect(names(dev).filter((name) => names(prod).includes(name))).toEqual([]);
  expect(dev.costTracking.budgetAlerts).not.toEqual(prod.costTracking.budgetAlerts);
});

test('policy/policy.schema.json is the schema that the loader checks with', () => {
  expect(shipped('policy.schema.json')).toBe(policyJsonSchemaText());
  expect(JSON.parse(policyJsonSchemaText())).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())));
});

test('the schema for editors knows no key beside the listed ones, and editors can read its patterns', () => {
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if (Reflect.get(node, 'type') === 'object') expect(Reflect.get(node, 'additionalProperties')).toBe(false);
    const pattern: unknown = Reflect.get(node, 'pattern');
    if (typeof pattern === 'string') expect(() => new RegExp(pattern, 'u')).not.toThrow();
    for (const child of Object.values(node)) visit(child);
  };
  visit(policyJsonSchema());
  expect(policyJsonSchemaText()).toContain('"wallet_team_id"');
});

test.each(['dev.yaml', 'prod.yaml'])('%s tells editors where its schema is', (name) => {
  expect(shipped(name).split('\n')[0]).toBe('# yaml-language-server: $schema=policy.schema.json');
});
