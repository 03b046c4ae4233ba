/** A ledger in memory for tests: a clock that moves by hand, randomness from a seed, a store that fails on demand. */
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { sha256Fingerprint } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { Keeper } from '../../lambdas/application/keeper.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import type { PaymentRequest } from '../../lambdas/application/payments.ts';
import {
  type Clock,
  type LedgerStore,
  NotAppliedError,
  type Random,
  UnknownOutcomeError,
} from '../../lambdas/application/ports.ts';
import { Wallets } from '../../lambdas/application/wallets.ts';
import type { Alert } from '../../lambdas/domain/alerts.ts';
import { formatUsd } from '../../lambdas/domain/money.ts';
import type { Budget, ConsumerGroup, Policy, Provider, Threshold } from '../../lambdas/domain/policy.ts';
import type { Price } from '../../lambdas/domain/prices.ts';

export const THRESHOLDS: readonly Threshold[] = [
  { percent: 50, action: 'notify' },
  { percent: 90, action: 'notify' },
  { percent: 100, action: 'block' },
];

/** Numbers from a seed (mulberry32), the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  let serial = 0;
  const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  return {
    fraction,
    id: (length) => {
      serial += 1;
      const tail = serial.toString(36);
      let id = '';
      while (id.length < length - tail.length) id += letters[Math.floor(fraction() * letters.length)];
      return id + tail;
    },
  };
}

export class HandClock implements Clock {
  private epochMs: number;

  constructor(epochMs = Date.parse('2026-11-23T12:00:00Z')) {
    this.epochMs = epochMs;
  }

  now(): number {
    return this.epochMs;
  }

  advance(ms: number): void {
    this.epochMs += ms;
  }

  /** Sleeping takes no time for the test, and as much as asked for on this clock. */
  async sleep(ms: number): Promise<void> {
    this.epochMs += ms;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

export interface PolicyParts {
  readonly budgets?: readonly Budget[];
  readonly providerBudgets?: readonly Budget[];
  readonly funding?: readonly string[];
  readonly wallets?: readonly string[];
  readonly walletThresholds?: readonly Threshold[];
  readonly walletEnforcement?: boolean;
  readonly unknownOutcome?: 'charge' | 'release';
  readonly timezone?: string;
  readonly rateLimits?: ConsumerGroup['rateLimits'];
}

export const PRICE: Price = {
  provider: 'mock',
  model: 'mock-1',
  fromEpochMs: 0,
  source: 'policy',
  tiers: [{ aboveInputTokens: 0, inputPicoUsd: 0n, cachedInputPicoUsd: 0n, outputPicoUsd: 1_000n }],
};

export function makePolicy(parts: PolicyParts = {}): Policy {
  const provider: Provider = {
    name: 'mock',
    protocol: 'openai',
    apis: ['chat_completions'],
    baseUrl: 'http://127.0.0.1:1/v1',
    credential: { kind: 'none' },
    timeoutMs: { connect: 3_000, firstByte: 30_000, idle: 60_000, total: 600_000 },
    outputCapField: 'max_completion_tokens',
    budgets: parts.providerBudgets ?? [],
  };
  const group: ConsumerGroup = {
    name: 'dev',
    walletTeamId: 'team_dev',
    funding: parts.funding ?? [],
    models: ['economy', 'frontier'],
    maxOutputTokens: 1_000,
    rateLimits: parts.rateLimits,
    budgets: parts.budgets ?? [],
  };
  const target = { provider: 'mock', model: 'mock-1', weight: 1 };
  const route = { aliases: [], strategy: 'ordered' as const, targets: [target], fallback: { on: [], attempts: 1 } };
  return {
    stage: 'dev',
    purpose: 'learning',
    timezone: parts.timezone ?? 'UTC',
    owner: 'platform@example.com',
    costTracking: {
      enabled: true,
      walletEnforcement: parts.walletEnforcement ?? true,
      unpricedModel: 'reject',
      unknownOutcome: parts.unknownOutcome ?? 'charge',
      budgetAlerts: THRESHOLDS,
    },
    alerts: { severity: 'informational', email: [] },
    wallets: (parts.wallets ?? ['team_dev', 'team_two']).map((teamId) => ({
      teamId,
      planNanoUsdPerMonth: 0n,
      thresholds: parts.walletThresholds ?? [],
    })),
    consumerGroups: [group, { ...group, name: 'other', budgets: [] }],
    providers: [provider, { ...provider, name: 'spare', budgets: [] }],
    routes: [
      { model: 'economy', ...route },
      { model: 'frontier', ...route },
    ],
    prices: [PRICE],
  };
}

export function limit(name: string, limitNanoUsd: bigint, more: Partial<Budget> = {}): Budget {
  return { name, window: 'day', limitNanoUsd, thresholds: THRESHOLDS, ...more };
}

export interface Faults {
  /** Probabilities per store call. */
  notApplied: number;
  lostRequest: number;
  lostReply: number;
}

export const NO_FAULTS: Faults = { notApplied: 0, lostRequest: 0, lostReply: 0 };

/** The same store, through a network that loses requests and replies. Every call also yields, so that callers interleave. */
export function faulty(store: LedgerStore, random: Random, faults: Faults, calls?: string[]): LedgerStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      const call = method.bind(target);
      if (name.startsWith('all') || name === 'openLanes') return call;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        calls?.push(name);
        await Promise.resolve();
        const luck = random.fraction();
        if (luck < faults.notApplied) throw new NotAppliedError('conflict');
        if (luck < faults.notApplied + faults.lostRequest) throw new UnknownOutcomeError('request lost');
        const answer: unknown = await call(...args);
        await Promise.resolve();
        if (luck < faults.notApplied + faults.lostRequest + faults.lostReply) throw new UnknownOutcomeError('reply lost');
        return answer;
      };
    },
  });
}

export function makeLedger(
  options: { readonly seed?: number; readonly faults?: Faults; readonly processes?: number; readonly holdSeconds?: number } = {},
) {
  const random = seeded(options.seed ?? 1);
  const clock = new HandClock();
  const truth = new MemoryLedgerStore();
  const calls: string[] = [];
  const faults = options.faults ?? { ...NO_FAULTS };
  const published: Alert[] = [];
  const log = new MemoryAlertLog();
  const publisher = {
    failing: false,
    publish: async (alert: Alert) => {
      if (publisher.failing) throw new Error('receiver is away');
      published.push(alert);
    },
  };
  const reports: { readonly level: string; readonly message: string }[] = [];
  const report = (level: string) => (message: string) => void reports.push({ level, message });
  const reporter = { info: report('info'), warn: report('warn'), error: report('error') };
  const persistence = { clock, random };
  const store = faulty(truth, random, faults, calls);
  const alerts = new AlertDesk({ store, publisher, log, persistence, reporter });
  const make = () =>
    new LedgerPayments({
      store,
      alerts,
      persistence,
      fingerprint: sha256Fingerprint,
      reporter,
      holdSeconds: options.holdSeconds,
    });
  const gateways = Array.from({ length: options.processes ?? 1 }, make);
  const keeper = new Keeper({ store, alerts, persistence, reporter });
  const wallets = new Wallets({ store: truth, alerts, persistence, formatUsd });
  return {
    truth,
    store,
    clock,
    random,
    calls,
    faults,
    published,
    publisher,
    log,
    alerts,
    reports,
    gateways,
    gateway: gateways[0] as LedgerPayments,
    keeper,
    wallets,
  };
}

export function payment(
  policy: Policy,
  boundNanoUsd: bigint,
  more: Partial<PaymentRequest> & { readonly groupName?: string; readonly provider?: string } = {},
): PaymentRequest {
  const group = policy.consumerGroups.find((candidate) => candidate.name === (more.groupName ?? 'dev'));
  if (group === undefined) throw new Error('no such group');
  return {
    policy,
    group,
    userId: 'anonymous',
    route: 'economy',
    target: { provider: more.provider ?? 'mock', model: 'mock-1', weight: 1 },
    price: PRICE,
    boundNanoUsd,
    ...more,
  };
}
