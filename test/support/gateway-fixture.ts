/** A gateway in memory with fake money: policy, key, log and the clock of the machine. */
import { createHash, randomBytes } from 'node:crypto';
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import { sha256Hex } from '../../lambdas/adapters/system/system.ts';
import { KeptAnswers } from '../../lambdas/application/kept-answers.ts';
import type { Payments } from '../../lambdas/application/payments.ts';
import type { ApiKey, Clock, KeyStore, Random } from '../../lambdas/application/ports.ts';
import type { AnswerStore } from '../../lambdas/application/ports-answers.ts';
import type { RateStore } from '../../lambdas/application/ports-rates.ts';
import type { Log, ProviderClient } from '../../lambdas/application/ports-provider.ts';
import { RateLimiter } from '../../lambdas/application/rate-limiter.ts';
import { makeApiKey } from '../../lambdas/domain/api-keys.ts';
import { parseUsdPerMillion } from '../../lambdas/domain/money.ts';
import type { ConsumerGroup, Policy, Provider, Route } from '../../lambdas/domain/policy.ts';
import type { Price } from '../../lambdas/domain/prices.ts';
import { type Gateway, type PlainGateway, createGateway } from '../../lambdas/http/core.ts';
import type { Limits } from '../../lambdas/http/limits.ts';
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import type { HealthStore } from '../../lambdas/application/ports-health.ts';
import { RouteHealth } from '../../lambdas/application/route-health.ts';
import { FakePayments } from './fake-payments.ts';

export function provider(name: string, baseUrl: string, change: Partial<Provider> = {}): Provider {
  return {
    name,
    protocol: 'openai',
    apis: ['chat_completions', 'responses', 'embeddings'],
    baseUrl,
    credential: { kind: 'none' },
    timeoutMs: { connect: 2_000, firstByte: 5_000, idle: 5_000, total: 20_000 },
    outputCapField: 'max_completion_tokens',
    budgets: [],
    ...change,
  };
}

export function price(providerName: string, model: string, input = '1.00', output = '2.00'): Price {
  return {
    provider: providerName,
    model,
    fromEpochMs: 0,
    source: 'policy',
    tiers: [
      {
        aboveInputTokens: 0,
        inputPicoUsd: parseUsdPerMillion(input),
        cachedInputPicoUsd: parseUsdPerMillion(input),
        outputPicoUsd: parseUsdPerMillion(output),
      },
    ],
  };
}

export function route(model: string, targets: readonly string[], change: Partial<Route> = {}): Route {
  return {
    model,
    aliases: [],
    strategy: 'ordered',
    targets: targets.map((target) => {
      const [name = '', targetModel = ''] = target.split('/');
      return { provider: name, model: targetModel, weight: 1 };
    }),
    fallback: { on: ['timeout', 'rate_limit', 'server_error', 'provider_budget'], attempts: 3 },
    ...change,
  };
}

export const GROUP: ConsumerGroup = {
  name: 'dev',
  walletTeamId: 'team',
  funding: [],
  models: ['economy'],
  maxOutputTokens: 1_024,
  budgets: [],
};

export function policy(change: Partial<Policy>): Policy {
  return {
    stage: 'dev',
    purpose: 'learning',
    timezone: 'UTC',
    costTracking: { enabled: true, walletEnforcement: true, unpricedModel: 'reject', unknownOutcome: 'charge', budgetAlerts: [] },
    alerts: { severity: 'informational', email: [] },
    wallets: [{ teamId: 'team', planNanoUsdPerMonth: 0n, thresholds: [] }],
    consumerGroups: [GROUP],
    providers: [],
    routes: [],
    prices: [],
    ...change,
  };
}

export class FakeKeys implements KeyStore {
  readonly stored: ApiKey[] = [];
  lookups = 0;

  find(sha256: string): Promise<ApiKey | undefined> {
    this.lookups += 1;
    return Promise.resolve(this.stored.find((key) => key.sha256 === sha256));
  }
  create(): Promise<boolean> {
    return Promise.resolve(false);
  }
  revoke(): Promise<boolean> {
    return Promise.resolve(false);
  }
  list(): Promise<readonly ApiKey[]> {
    return Promise.resolve(this.stored);
  }

  /** A new key, stored by its hash. */
  issue(change: Partial<ApiKey> = {}, stage = 'dev'): string {
    const key = makeApiKey(stage, (length) => randomBytes(length).toString('hex').slice(0, length));
    const sha256 = createHash('sha256').update(key).digest('hex');
    this.stored.push({ id: sha256.slice(0, 12), sha256, group: 'dev', createdEpochMs: 0, ...change });
    return key;
  }
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class FakeLog implements Log {
  readonly lines: LogLine[] = [];
  info(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.lines.push({ level: 'error', message, fields });
  }
}

export interface Fixture {
  readonly gateway: Gateway & PlainGateway;
  readonly payments: FakePayments;
  readonly rates: RateStore;
  readonly answers: AnswerStore;
  readonly keys: FakeKeys;
  readonly log: FakeLog;
  readonly key: string;
  /** Epoch ms added to the machine's clock. */
  readonly time: { offsetMs: number };
  /** May be changed between requests. */
  readonly inForce: { policy: Policy; failure?: Error };
  readonly health: RouteHealth;
}

export interface FixtureParts {
  /** Shared with other gateways of the test. @default a store of its own */
  readonly healthStore?: HealthStore;
  readonly payments?: Payments;
  /** What is drawn. @default 0 */
  readonly fraction?: number;
}

export function fixture(
  initial: Policy,
  providers: ProviderClient,
  limits: Partial<Limits> = {},
  parts: FixtureParts = {},
): Fixture {
  const payments = new FakePayments();
  const rates: RateStore = new MemoryRateStore();
  const answers = new MemoryAnswerStore();
  const keys = new FakeKeys();
  const log = new FakeLog();
  const time = { offsetMs: 0 };
  const inForce: Fixture['inForce'] = { policy: initial };
  const clock: Clock = {
    now: () => Date.now() + time.offsetMs,
    sleep: (ms) =>
      new Promise((resolve) => {
        setTimeout(resolve, ms);
      }),
  };
  const random: Random = {
    fraction: () => parts.fraction ?? 0,
    id: (length) => randomBytes(length).toString('hex').slice(0, length),
  };
  const health = new RouteHealth({ store: parts.healthStore ?? new MemoryHealthStore(), clock, random, log });
  const gateway = createGateway({
    stage: initial.stage,
    version: '0.0.0-test',
    policies: {
      current: () => (inForce.failure === undefined ? Promise.resolve(inForce.policy) : Promise.reject(inForce.failure)),
    },
    keys,
    payments: parts.payments ?? payments,
    rates: new RateLimiter(rates, { clock, random }, log),
    answers: new KeptAnswers(answers, { clock, random }, sha256Hex, log),
    providers,
    health,
    clock,
    random,
    log,
    limits,
  });
  return { gateway, payments, rates, answers, keys, log, key: keys.issue(), time, inForce, health };
}
