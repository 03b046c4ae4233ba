/**
 * A world for one run of the crash matrix: the true store, what providers and receivers really saw, and processes that
 * reach all of it through ports that can fail. What every process was told is noted, so that the books can be judged.
 */
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import { sha256Fingerprint, sha256Hex } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import type { CallResult, StreamSink } from '../../lambdas/application/complete-call.ts';
import { KeptAnswers } from '../../lambdas/application/kept-answers.ts';
import { Keeper } from '../../lambdas/application/keeper.ts';
import { DEFAULT_LANE_LIMITS } from '../../lambdas/application/lanes.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import type { Held, HoldResult, PaymentRequest, Payments, Statement } from '../../lambdas/application/payments.ts';
import type { LedgerStore, ReserveRequest } from '../../lambdas/application/ports.ts';
import { ProviderBodyError, type ProviderCall, type ProviderReply } from '../../lambdas/application/ports-provider.ts';
import { RateLimiter } from '../../lambdas/application/rate-limiter.ts';
import { answerCall } from '../../lambdas/application/replayed-call.ts';
import { Wallets } from '../../lambdas/application/wallets.ts';
import type { Alert } from '../../lambdas/domain/alerts.ts';
import type { EntryDetail } from '../../lambdas/domain/entries.ts';
import { formatUsd } from '../../lambdas/domain/money.ts';
import type { ConsumerGroup, Policy } from '../../lambdas/domain/policy.ts';
import { CHAT_COMPLETIONS } from '../../lambdas/domain/protocols/chat-completions.ts';
import { RoundRobin } from '../../lambdas/domain/routing.ts';
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import { RouteHealth } from '../../lambdas/application/route-health.ts';
import { parseRequest } from '../../lambdas/http/json-document.ts';
import { LIMITS } from '../../lambdas/http/limits.ts';
import {
  Tracer,
  tracedAnswers,
  tracedClock,
  tracedLog,
  tracedProvider,
  tracedHealth,
  tracedPublisher,
  tracedRates,
  tracedSink,
  tracedStore,
} from './crash-ports.ts';
import { HandClock, seeded } from './ledger.ts';

/** Seconds after which the keeper may decide a hold. */
export const HOLD_SECONDS = 60;

/** A hold that a process was given, and what became of it as far as that process knew. */
export interface CallRecord {
  readonly hid: string;
  readonly boundNanoUsd: bigint;
  /** What the settlement said, once there was one. */
  actualNanoUsd?: bigint;
  /** Given up on purpose, as by a process that died earlier. */
  abandoned: boolean;
}

/** What a provider really did with one request. */
export interface Send {
  readonly model: string;
  /** The hold that paid for it; undefined: nothing was held, which must never be. */
  readonly hid: string | undefined;
  readonly script: ReplyScript;
}

/** How a provider answers: `ok` bills 40 tokens of the 100 asked for. */
export type ReplyScript =
  | 'ok'
  | 'stream'
  | 'stream unended'
  | 'stream encoded'
  | 'stream cut'
  | 'no usage'
  | 'cut'
  | '400'
  | '400 cut'
  | '503'
  | '503 wait'
  | 'timeout'
  | 'connect'
  | 'throw';

export const BILLED_TOKENS = 40;
export const ASKED_TOKENS = 100;

const MOVES_MONEY = new Set(['reserve', 'grant', 'giveBack', 'settle', 'expire', 'late', 'flush', 'topUp']);

export interface Process {
  readonly tracer: Tracer;
  readonly payments: RecordedPayments;
  readonly health: RouteHealth;
  readonly keeper: Keeper;
  readonly wallets: Wallets;
  readonly alerts: AlertDesk;
  chat(policy: Policy, options?: ChatOptions): Promise<string>;
}

export interface ChatOptions {
  readonly stream?: boolean;
  readonly userId?: string;
  /** Its Idempotency-Key. */
  readonly key?: string;
}

/** One run of a call, with every hold that was tried for it. */
export interface Execution {
  readonly key: string | undefined;
  readonly hids: string[];
}

export class World {
  readonly clock: HandClock;
  readonly random = seeded(7);
  readonly truth = new MemoryLedgerStore();
  readonly rates = new MemoryRateStore();
  readonly health = new MemoryHealthStore();
  readonly answers = new MemoryAnswerStore();
  readonly executions: Execution[] = [];
  longestHoldMs = 0;
  /** Crossings that the message of a higher one told. */
  readonly merged = new Set<string>();
  /** Looks at the books after every call that may have moved money. */
  watch: () => Promise<void> = async () => undefined;
  readonly log = new MemoryAlertLog();
  readonly published: Alert[] = [];
  readonly records: CallRecord[] = [];
  readonly sends: Send[] = [];
  /** What the providers answer, in order; then `ok`. */
  readonly replies: ReplyScript[] = [];
  /** Said by the victim alone: what others say is no part of its outcome. */
  readonly said: string[] = [];
  private readonly mostLanes: number;
  private readonly watched: LedgerStore = new Proxy(this.truth, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      if (!MOVES_MONEY.has(name)) return method.bind(target);
      return async (...args: readonly unknown[]): Promise<unknown> => {
        const answer: unknown = await Reflect.apply(method, target, args);
        await this.watch();
        return answer;
      };
    },
  });

  constructor(startsAt: string | undefined, mostLanes: number | undefined) {
    this.clock = startsAt === undefined ? new HandClock() : new HandClock(Date.parse(startsAt));
    this.mostLanes = mostLanes ?? DEFAULT_LANE_LIMITS.mostLanes;
  }

  fund(amountNanoUsd: bigint, walletId = 'team_dev'): Promise<unknown> {
    return this.truth.topUp({ id: `fund-${walletId}`, walletId, amountNanoUsd, atEpochMs: 0 });
  }

  process(tracer = new Tracer(undefined, false)): Process {
    let execution: Execution = { key: undefined, hids: [] };
    const store = tracedStore(
      notingReserves(this.watched, (hid) => execution.hids.push(hid)),
      tracer,
    );
    const clock = tracedClock(this.clock, tracer);
    const persistence = { clock, random: this.random };
    const say = (message: string): void => void this.said.push(message);
    const reporter = { info: say, warn: say, error: say };
    const log = tracedLog({ record: (alert) => this.record(alert), list: (most) => this.log.list(most) }, tracer);
    const publisher = tracedPublisher({ publish: async (alert) => void this.published.push(alert) }, tracer);
    const alerts = new AlertDesk({ store, publisher, log, persistence, reporter });
    const ledger = new LedgerPayments({
      store,
      alerts,
      persistence,
      fingerprint: sha256Fingerprint,
      reporter,
      holdSeconds: HOLD_SECONDS,
      laneLimits: { ...DEFAULT_LANE_LIMITS, mostLanes: this.mostLanes },
    });
    const payments = new RecordedPayments(ledger, this);
    const providers = tracedProvider({ send: (call) => this.answer(call) }, tracer);
    const answers = new KeptAnswers(tracedAnswers(this.answers, tracer), persistence, sha256Hex, reporter);
    const rates = new RateLimiter(tracedRates(this.rates, tracer), persistence, reporter);
    const health = new RouteHealth({ store: tracedHealth(this.health, tracer), ...persistence, log: reporter });
    const roundRobin = new RoundRobin(() => 0);
    const deps = { payments, rates, answers, providers, health, clock, log: reporter, roundRobin, limits: LIMITS };
    let chats = 0;
    return {
      tracer,
      payments,
      health,
      keeper: new Keeper({ store, alerts, persistence, reporter }),
      wallets: new Wallets({ store, alerts, persistence, formatUsd }),
      alerts,
      chat: async (policy, { stream = false, userId = 'anonymous', key } = {}) => {
        chats += 1;
        execution = { key, hids: [] };
        this.executions.push(execution);
        const asked = {
          model: 'economy',
          max_completion_tokens: ASKED_TOKENS,
          stream,
          messages: [{ role: 'user', content: 'hi' }],
        };
        const body = new TextEncoder().encode(JSON.stringify(asked));
        const text = parseRequest(body, LIMITS.jsonDepth);
        const read = CHAT_COMPLETIONS.readFields(text.value, policy.purpose);
        if (!read.ok) throw new Error(read.problem.message);
        const [group] = policy.consumerGroups;
        if (group === undefined) throw new Error('a policy has a group');
        const request = {
          api: CHAT_COMPLETIONS,
          requestId: `r-${chats}`,
          policy,
          group,
          userId,
          fields: read.fields,
          text,
          body,
          headers: {},
        };
        const result = await answerCall(deps, { ...request, startedEpochMs: clock.now() }, key);
        return finish(result, tracer);
      },
    };
  }

  private async record(alert: Alert): Promise<void> {
    if (alert.mergedInto !== undefined) this.merged.add(alert.alertId);
    await this.log.record(alert);
  }

  private async answer(call: ProviderCall): Promise<ProviderReply> {
    const script = this.replies.shift() ?? 'ok';
    const model = String((JSON.parse(new TextDecoder().decode(call.body)) as { readonly model: unknown }).model);
    // One request at a time: the hold without a settlement is the one that pays for it.
    const hid = this.records.findLast((record) => record.actualNanoUsd === undefined && !record.abandoned)?.hid;
    this.sends.push({ model, hid, script });
    call.onSent?.();
    if (script === 'throw') throw new Error('a defect of the client');
    if (script === 'timeout') return { kind: 'failed', reason: 'timeout', sent: true };
    if (script === 'connect') return { kind: 'failed', reason: 'connect_failed', sent: false };
    const streams = script.startsWith('stream');
    const headers = new Map([['content-type', streams ? 'text/event-stream' : 'application/json']]);
    if (script === 'stream encoded') headers.set('content-encoding', 'gzip');
    if (script === '503 wait') headers.set('retry-after', '2');
    const status = script.startsWith('503') ? 503 : script.startsWith('400') ? 400 : 200;
    const body = bodyOf(piecesOf(script), script.endsWith('cut'));
    return { kind: 'answer', status, headers, body, scrub: (bytes) => bytes };
  }
}

/** Notes every hold that was given and every settlement that was asked for. */
export class RecordedPayments implements Payments {
  readonly ledger: LedgerPayments;
  private readonly world: World;

  constructor(ledger: LedgerPayments, world: World) {
    this.ledger = ledger;
    this.world = world;
  }

  async hold(request: PaymentRequest): Promise<HoldResult> {
    const from = this.world.clock.now();
    try {
      const result = await this.ledger.hold(request);
      if (result.ok) this.world.records.push({ hid: result.held.hid, boundNanoUsd: request.boundNanoUsd, abandoned: false });
      return result;
    } finally {
      this.world.longestHoldMs = Math.max(this.world.longestHoldMs, this.world.clock.now() - from);
    }
  }

  settle(held: Held, actualNanoUsd: bigint, detail: EntryDetail): Promise<void> {
    const record = this.world.records.find(({ hid }) => hid === held.hid);
    if (record === undefined) throw new Error(`hold ${held.hid} was given to nobody`);
    if (record.actualNanoUsd !== undefined) throw new Error(`hold ${held.hid} was settled twice`);
    record.actualNanoUsd = actualNanoUsd;
    return this.ledger.settle(held, actualNanoUsd, detail);
  }

  record(detail: EntryDetail): Promise<void> {
    return this.ledger.record(detail);
  }

  statement(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Promise<Statement | undefined> {
    return this.ledger.statement(policy, group, userId, maxAgeMs);
  }

  peek(policy: Policy, group: ConsumerGroup, userId: string): Statement | undefined {
    return this.ledger.peek(policy, group, userId);
  }

  idle(): Promise<void> {
    return this.ledger.idle();
  }

  /** A hold whose process is gone before anything was sent. */
  abandon(held: Held): void {
    const record = this.world.records.find(({ hid }) => hid === held.hid);
    if (record !== undefined) record.abandoned = true;
  }
}

/** Tells the hold id of every reserve that is tried, whatever becomes of it. */
function notingReserves(store: LedgerStore, note: (hid: string) => void): LedgerStore {
  return new Proxy(store, {
    get: (target, name, receiver) => {
      if (name !== 'reserve') return Reflect.get(target, name, receiver) as unknown;
      return (request: ReserveRequest) => {
        note(request.hid);
        return target.reserve(request);
      };
    },
  });
}

/** Takes what the gateway gives and says it in a word. */
async function finish(result: CallResult, tracer: Tracer): Promise<string> {
  if (result.kind === 'failed') {
    await result.settled;
    await result.facts.statement;
    return result.failure.code === 'money' ? result.failure.refusal.code : result.failure.code;
  }
  const replayed = result.facts.replay === undefined ? '' : ' replayed';
  if (result.kind === 'whole') {
    await result.settled;
    await result.facts.statement;
    return `${result.status}${replayed}`;
  }
  let failed = '';
  const sink: StreamSink = {
    write: async () => undefined,
    fail: (reason) => {
      failed = ` ${reason}`;
    },
    end: () => undefined,
  };
  await result.pump(tracedSink(sink, tracer));
  await result.facts.statement;
  return `${result.status} stream${failed}${replayed}`;
}

function piecesOf(script: ReplyScript): readonly string[] {
  const usage = { prompt_tokens: 5, completion_tokens: BILLED_TOKENS, total_tokens: 5 + BILLED_TOKENS };
  const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }];
  switch (script) {
    case 'stream':
    case 'stream unended':
    case 'stream encoded':
    case 'stream cut':
      return [
        `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'ok' } }] })}\n\n`,
        `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]${script === 'stream unended' ? '' : '\n\n'}`,
      ];
    case 'no usage':
      return [JSON.stringify({ choices })];
    case 'ok':
    case 'cut':
      return [JSON.stringify({ choices, usage })];
    default:
      return ['{"error":{"message":"no"}}'];
  }
}

function bodyOf(pieces: readonly string[], cut: boolean) {
  const left = pieces.map((piece) => new TextEncoder().encode(piece));
  return {
    next: async () => {
      const piece = left.shift();
      if (piece === undefined && cut) throw new ProviderBodyError('reset');
      return piece;
    },
    cancel: () => undefined,
  };
}
