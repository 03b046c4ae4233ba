/** Gateways with real money: the ledger on the in-memory store, a provider that is a function, and a clock that is turned by hand. */
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import { sha256Fingerprint, sha256Hex } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { Keeper } from '../../lambdas/application/keeper.ts';
import { KeptAnswers } from '../../lambdas/application/kept-answers.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import type { LedgerStore } from '../../lambdas/application/ports.ts';
import type { ProviderCall, ProviderReply } from '../../lambdas/application/ports-provider.ts';
import { RateLimiter } from '../../lambdas/application/rate-limiter.ts';
import { RouteHealth } from '../../lambdas/application/route-health.ts';
import { Wallets } from '../../lambdas/application/wallets.ts';
import type { Alert } from '../../lambdas/domain/alerts.ts';
import { formatUsd, parseUsd } from '../../lambdas/domain/money.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { createGateway } from '../../lambdas/http/core.ts';
import { FakeKeys, FakeLog } from './gateway-fixture.ts';
import { HandClock, seeded } from './ledger.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface RealMoney {
  readonly store: MemoryLedgerStore;
  readonly clock: HandClock;
  readonly log: FakeLog;
  readonly alerts: Alert[];
  /** What reached the provider. */
  readonly sends: ProviderCall[];
  readonly inForce: { policy: Policy };
  /** Names of the store's operations, in order. */
  readonly operations: string[];
  readonly keeper: Keeper;
  fund(usd: string): Promise<void>;
  /** A process of its own: nothing of another one's memory. */
  open(): (body: unknown, headers?: Readonly<Record<string, string>>, path?: string) => Promise<Answer>;
  /** Resolves when no settlement is under way in any process. */
  idle(): Promise<void>;
}

/** @param provider answers calls; a promise that is not resolved yet keeps them in flight */
export function realMoney(policy: Policy, provider: (call: ProviderCall) => ProviderReply | Promise<ProviderReply>): RealMoney {
  const store = new MemoryLedgerStore();
  const clock = new HandClock();
  const random = seeded(11);
  const log = new FakeLog();
  const keys = new FakeKeys();
  const key = keys.issue();
  const alerts: Alert[] = [];
  const sends: ProviderCall[] = [];
  const operations: string[] = [];
  const inForce = { policy };
  const persistence = { clock, random };
  const watched: LedgerStore = new Proxy(store, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      return (...args: readonly unknown[]): unknown => {
        operations.push(name);
        return Reflect.apply(method, target, args);
      };
    },
  });
  const desk = new AlertDesk({
    store: watched,
    publisher: { publish: async (alert) => void alerts.push(alert) },
    log: new MemoryAlertLog(),
    persistence,
    reporter: log,
  });
  const answers = new MemoryAnswerStore();
  const rates = new MemoryRateStore();
  const all: LedgerPayments[] = [];
  return {
    store,
    clock,
    log,
    alerts,
    sends,
    inForce,
    operations,
    keeper: new Keeper({ store: watched, alerts: desk, persistence, reporter: log }),
    async fund(usd) {
      const wallets = new Wallets({ store, alerts: desk, persistence, formatUsd });
      const [wallet] = inForce.policy.wallets;
      if (wallet === undefined) throw new Error('a policy has a wallet');
      await wallets.fund(inForce.policy, wallet.teamId, parseUsd(usd), `fund-${usd}`);
    },
    open() {
      const payments = new LedgerPayments({
        store: watched,
        alerts: desk,
        persistence,
        fingerprint: sha256Fingerprint,
        reporter: log,
      });
      all.push(payments);
      const gateway = createGateway({
        stage: inForce.policy.stage,
        version: '0.0.0-test',
        policies: { current: async () => inForce.policy },
        keys,
        payments,
        rates: new RateLimiter(rates, persistence, log),
        answers: new KeptAnswers(answers, persistence, sha256Hex, log),
        health: new RouteHealth({ store: new MemoryHealthStore(), ...persistence, log }),
        providers: {
          send: async (call) => {
            sends.push(call);
            return provider(call);
          },
        },
        clock,
        random,
        log,
      });
      return async (body, headers = {}, path = '/v1/chat/completions') => {
        const request = new Request(`http://gateway.invalid${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        });
        const { response, done } = await gateway.handle(request);
        const text = await response.text();
        await done;
        const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : {};
        const isRecord = (value: unknown): value is Answer['body'] => typeof value === 'object' && value !== null;
        return { status: response.status, headers: response.headers, body: isRecord(parsed) ? parsed : {} };
      };
    },
    async idle() {
      await Promise.all(all.map((payments) => payments.idle()));
    },
  };
}

/** A whole answer that bills so many tokens. */
export function billed(promptTokens: number, completionTokens: number): ProviderReply {
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
  return answered(JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'ok' } }], usage }));
}

export function answered(text: string, status = 200): ProviderReply {
  const pieces = [new TextEncoder().encode(text)];
  return {
    kind: 'answer',
    status,
    headers: new Map([['content-type', 'application/json']]),
    body: { next: async () => pieces.shift(), cancel: () => undefined },
  };
}
