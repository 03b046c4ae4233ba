/** Properties of the policy room over random policies and random texts. Every run prints its seed. */
import * as fc from 'fast-check';
import type { ApiName } from '../../lambdas/domain/protocols/api.ts';
import type { Budget, ConsumerGroup, Policy, Provider, Route, Threshold, WalletPolicy } from '../../lambdas/domain/policy.ts';
import type { Price } from '../../lambdas/domain/prices.ts';
import { picoPerToken } from '../../lambdas/policy/catalogue.ts';
import { PolicyError, fromParameters, loadPolicy, splitFragment, toParameters } from '../../lambdas/policy/index.ts';
import { comparePrices } from '../../lambdas/policy/price-order.ts';

const seed = Number(process.env['TOLLGATE_SEED'] ?? Date.now() % 2 ** 31);
const settings = { seed, numRuns: 60 };
beforeAll(() => console.info(`policy properties: TOLLGATE_SEED=${seed}`));

const longName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{2,20}$/);
const routeName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,20}$/);
const model = fc.stringMatching(/^[\x21-\x7e]{1,30}$/);
const phrase = fc.stringMatching(/^[^\p{Cc}]{8,40}$/u);
const amount = fc.bigInt({ min: 0n, max: 10n ** 18n });
const thresholds: fc.Arbitrary<Threshold[]> = fc.array(
  fc.record({ percent: fc.integer({ min: 1, max: 1000 }), action: fc.constantFrom('notify' as const, 'block' as const) }),
  { maxLength: 3 },
);

function budget(routes: readonly string[]): fc.Arbitrary<Budget> {
  return fc.record(
    {
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/),
      window: fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const, 'total' as const),
      limitNanoUsd: amount,
      per: fc.constant('user' as const),
      models: fc.subarray([...routes], { minLength: 1 }),
      thresholds,
    },
    { requiredKeys: ['name', 'window', 'limitNanoUsd', 'thresholds'] },
  );
}

function wallet(teamId: string): fc.Arbitrary<WalletPolicy> {
  return fc.record({ teamId: fc.constant(teamId), planNanoUsdPerMonth: amount, thresholds });
}

function provider(name: string): fc.Arbitrary<Provider> {
  const ms = fc.integer({ min: 1, max: 840_000 });
  return fc.record({
    name: fc.constant(name),
    protocol: fc.constantFrom('openai' as const, 'anthropic' as const),
    apis: fc.subarray<ApiName>(['chat_completions', 'responses', 'embeddings', 'messages', 'count_tokens'], { minLength: 1 }),
    baseUrl: fc.constant('https://api.example.com/v1'),
    credential: fc.constantFrom(
      { kind: 'none' as const },
      { kind: 'secret' as const, name: 'x' },
      { kind: 'iam' as const, service: 'bedrock' as const, region: 'eu-central-1' },
      { kind: 'iam' as const, service: 'bedrock-mantle' as const, region: 'us-east-1' },
    ),
    timeoutMs: fc.record({ connect: ms, firstByte: ms, idle: ms, total: ms }),
    outputCapField: fc.constantFrom('max_completion_tokens' as const, 'max_tokens' as const, 'max_output_tokens' as const),
    budgets: fc.array(budget(['any']), { maxLength: 2 }),
  });
}

function group(name: string, wallets: readonly string[], routes: readonly string[]): fc.Arbitrary<ConsumerGroup> {
  return fc.record(
    {
      name: fc.constant(name),
      apiKeySha256: fc.stringMatching(/^[0-9a-f]{64}$/),
      walletTeamId: fc.constantFrom(...wallets),
      funding: fc.subarray([...wallets]),
      models: fc.subarray([...routes]),
      maxOutputTokens: fc.integer({ min: 1, max: 1_000_000 }),
      budgets: fc.array(budget(routes), { maxLength: 4 }),
    },
    { requiredKeys: ['name', 'walletTeamId', 'funding', 'models', 'maxOutputTokens', 'budgets'] },
  );
}

function route(name: string, providers: readonly string[]): fc.Arbitrary<Route> {
  return fc.record(
    {
      model: fc.constant(name),
      aliases: fc.array(model, { maxLength: 3 }),
      strategy: fc.constantFrom(
        'ordered' as const,
        'weighted_round_robin' as const,
        'least_cost' as const,
        'lowest_latency' as const,
      ),
      targets: fc.array(
        fc.record({ provider: fc.constantFrom(...providers), model, weight: fc.integer({ min: 1, max: 1000 }) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      fallback: fc.record({
        on: fc.subarray(['timeout' as const, 'rate_limit' as const, 'server_error' as const, 'provider_budget' as const]),
        attempts: fc.integer({ min: 1, max: 4 }),
      }),
      noFallbackReason: phrase,
      whenBudgetAbove: fc.record({ percent: fc.integer({ min: 1, max: 100 }), use: fc.constant(name) }),
      cooldown: fc.record({
        afterFailures: fc.integer({ min: 1, max: 1_000 }),
        forMs: fc.integer({ min: 1_000, max: 3_600_000 }),
      }),
      cache: fc.record({ ttlMs: fc.integer({ min: 1_000, max: 604_800_000 }) }),
    },
    { requiredKeys: ['model', 'aliases', 'strategy', 'targets', 'fallback'] },
  );
}

const policies: fc.Arbitrary<Policy> = fc
  .record({
    wallets: fc.uniqueArray(longName, { minLength: 1, maxLength: 30 }),
    groups: fc.uniqueArray(longName, { minLength: 1, maxLength: 4 }),
    providers: fc.uniqueArray(longName, { minLength: 1, maxLength: 4 }),
    routes: fc.uniqueArray(routeName, { minLength: 1, maxLength: 4 }),
  })
  .chain((names) =>
    fc
      .tuple(
        fc.record(
          {
            stage: fc.stringMatching(/^[a-z][a-z0-9-]{1,15}$/),
            purpose: fc.constantFrom('learning' as const, 'service' as const),
            timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
            owner: phrase,
            costTracking: fc.record({
              enabled: fc.boolean(),
              walletEnforcement: fc.boolean(),
              unpricedModel: fc.constantFrom('reject' as const, 'allow_at_zero' as const),
              unknownOutcome: fc.constantFrom('charge' as const, 'release' as const),
              budgetAlerts: thresholds,
            }),
            alerts: fc.record(
              {
                severity: fc.constantFrom('informational' as const, 'actionable' as const),
                owner: phrase,
                runbook: phrase,
                email: fc.array(model, { maxLength: 2 }),
                slack: fc.record({ workspaceId: model, channelId: model }),
              },
              { requiredKeys: ['severity', 'email'] },
            ),
            wallets: fc.tuple(...names.wallets.map(wallet)),
            consumerGroups: fc.tuple(...names.groups.map((name) => group(name, names.wallets, names.routes))),
            providers: fc
              .tuple(...names.providers.map(provider))
              .map((list) => list.map((each) => ({ ...each, budgets: each.budgets.map(plain) }))),
            defaultRoute: fc.constantFrom(...names.routes),
            routes: fc.tuple(...names.routes.map((name) => route(name, names.providers))),
            evaluations: fc.record({
              walletTeamId: fc.constantFrom(...names.wallets),
              maxRunNanoUsd: amount,
              allowed: fc.boolean(),
            }),
          },
          {
            requiredKeys: [
              'stage',
              'purpose',
              'timezone',
              'costTracking',
              'alerts',
              'wallets',
              'consumerGroups',
              'providers',
              'routes',
            ],
          },
        ),
        fc.array(fc.integer({ min: 0, max: 2 ** 41 }), { minLength: 1, maxLength: 3 }),
        amount,
      )
      .map(([policy, dates, rate]) => ({ ...policy, prices: pricesOf(policy.routes, dates, rate) })),
  );

function plain({ models: _models, per: _per, ...rest }: Budget): Budget {
  return rest;
}

function pricesOf(routes: readonly Route[], dates: readonly number[], rate: bigint): Price[] {
  const targets = new Map(
    routes.flatMap((each) => each.targets).map((target) => [JSON.stringify([target.provider, target.model]), target]),
  );
  const tiers = [
    { aboveInputTokens: 0, inputPicoUsd: rate, cachedInputPicoUsd: 0n, outputPicoUsd: rate + 1n },
    {
      aboveInputTokens: 200_000,
      inputPicoUsd: rate * 2n,
      cachedInputPicoUsd: rate,
      outputPicoUsd: rate * 3n,
      cacheWriteInputPicoUsd: rate * 4n,
      cacheWriteHourInputPicoUsd: rate * 5n,
    },
  ];
  return [...targets.values()]
    .flatMap((target) =>
      [...new Set(dates)].map((fromEpochMs, index) => ({
        provider: target.provider,
        model: target.model,
        fromEpochMs,
        source: index === 0 ? 'policy' : 'catalogue 0.1.8',
        tiers,
      })),
    )
    .toSorted(comparePrices);
}

const asMap = (policy: Policy) => new Map(toParameters(policy).map(({ name, value }) => [name, value]));

test('every policy comes back from its parameters as it was, whatever their order', () => {
  fc.assert(
    fc.property(policies, (policy) => {
      const shuffled = new Map([...asMap(policy)].toReversed());
      expect(fromParameters(shuffled, policy.stage)).toEqual(policy);
    }),
    settings,
  );
});

test('every parameter fits its tier and has a name that SSM takes', () => {
  fc.assert(
    fc.property(policies, (policy) => {
      for (const { name, value, tier } of toParameters(policy)) {
        expect(Buffer.byteLength(value)).toBeLessThanOrEqual(tier === 'standard' ? 4096 : 8192);
        expect(name).toMatch(/^\/tollgate\/[a-z0-9-]+\/policy(\/[A-Za-z0-9_.-]+){1,2}$/);
        expect(value).not.toContain('{{');
      }
      expect(new Set(asMap(policy).keys()).size).toBe(toParameters(policy).length);
    }),
    settings,
  );
});

test('any mix of two versions is refused, or is wholly one of them', () => {
  fc.assert(
    fc.property(policies, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (policy, picks) => {
      const changed: Policy = {
        ...policy,
        consumerGroups: policy.consumerGroups.map((each) => ({ ...each, maxOutputTokens: each.maxOutputTokens + 1 })),
        wallets: policy.wallets.map((each) => ({ ...each, planNanoUsdPerMonth: each.planNanoUsdPerMonth + 1n })),
      };
      const next = asMap(changed);
      const mixed = new Map(
        [...asMap(policy)].map(([name, value], index) => [name, picks[index % 30] === true ? (next.get(name) ?? value) : value]),
      );
      let read: Policy | undefined;
      try {
        read = fromParameters(mixed, policy.stage);
      } catch (error) {
        expect(error).toMatchObject({ code: 'policy_incomplete' });
        return;
      }
      expect([policy, changed]).toContainEqual(read);
    }),
    settings,
  );
});

test('no text makes the loader or the splitter fail with anything but a PolicyError that has a place', () => {
  const line = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom(
      'stage: dev',
      'wallets:',
      '  - { team_id: abc }',
      'a: &x [*x]',
      '<<: *x',
      '? {a: 1}',
      '%YAML 9',
      '--- !!map',
      '- - - [',
      '"',
    ),
    fc.json(),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = lines.join('\n');
      for (const read of [
        () => loadPolicy(text, { file: 'f.yaml', deployed: false, atEpochMs: 0 }),
        () => splitFragment(text, 'f.yaml'),
      ]) {
        let caught: unknown;
        try {
          read();
        } catch (error) {
          caught = error;
        }
        expect(caught).toBeInstanceOf(PolicyError);
        for (const problem of caught instanceof PolicyError ? caught.problems : []) {
          expect(problem.line).toBeGreaterThanOrEqual(1);
          expect(problem.line).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length + 1);
          expect(problem.column).toBeGreaterThanOrEqual(1);
        }
      }
    }),
    { ...settings, numRuns: 300 },
  );
});

test('a catalogue price of at most 6 decimals becomes exactly its digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999 }), fc.integer({ min: 0, max: 999_999 }), (dollars, millionths) => {
      const text = `${dollars}.${String(millionths).padStart(6, '0')}`;
      expect(picoPerToken(Number.parseFloat(text))).toBe(BigInt(dollars) * 1_000_000n + BigInt(millionths));
    }),
    { ...settings, numRuns: 1000 },
  );
});
