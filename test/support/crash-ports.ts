/**
 * The boundaries of one process: every call on a port is numbered, and exactly one of them can be made to fail: the process
 * dies before or after it, the request or the reply is lost, or the other side does not take it.
 */
import type { AlertLog, AlertPublisher, Clock, LedgerStore } from '../../lambdas/application/ports.ts';
import { NotAppliedError, UnknownOutcomeError } from '../../lambdas/application/ports.ts';
import {
  type ProviderBody,
  ProviderBodyError,
  type ProviderClient,
  type ProviderReply,
} from '../../lambdas/application/ports-provider.ts';
import type { AnswerStore } from '../../lambdas/application/ports-answers.ts';
import type { HealthStore } from '../../lambdas/application/ports-health.ts';
import type { RateStore } from '../../lambdas/application/ports-rates.ts';
import type { StreamSink } from '../../lambdas/application/complete-call.ts';

export const FAULTS = ['crash before', 'crash after', 'request lost', 'reply lost', 'not applied'] as const;
export type Fault = (typeof FAULTS)[number];

/** From one boundary on the store is away: it lets every call wait and never answers, or takes none. */
export type Outage = 'silent' | 'refusing';

/** What goes wrong: at the call with that index, or from it on. */
export type Plan = { readonly index: number } & ({ readonly fault: Fault } | { readonly outage: Outage });

/** A call on a port: which, and the lines of the application that wait for it, innermost first. */
export interface Boundary {
  readonly op: string;
  readonly frames: readonly string[];
}

/** What a port makes of a fault. A fault that is absent cannot happen to it. */
interface Losses<T> {
  readonly 'request lost'?: () => T;
  readonly 'reply lost'?: () => T;
  readonly 'not applied'?: () => T;
  readonly refused?: () => T;
}

interface Script {
  readonly op: string;
  /** 1: the first call of `op` since the tracer was armed; 0: every one. */
  readonly nth: number;
  readonly before?: () => Promise<void>;
  readonly fault?: Fault;
}

const NEVER = new Promise<never>(() => {});

/** Numbers the calls of one process once it is armed, and makes one of them fail. */
export class Tracer {
  readonly boundaries: Boundary[] = [];
  readonly crashed: Promise<void>;
  dead = false;
  /** Which fault happened: undefined when the plan was never reached or does not apply to that port. */
  happened: { readonly op: string; readonly fault: Fault | Outage } | undefined;
  /** What a call to a silent store takes before it is given up. */
  timeout: () => Promise<void> = async () => undefined;
  private armed = false;
  private readonly counts = new Map<string, number>();
  private readonly scripts: Script[] = [];
  private die: () => void = () => undefined;
  private readonly plan: Plan | undefined;
  private readonly keepFrames: boolean;

  constructor(plan: Plan | undefined, keepFrames: boolean) {
    this.plan = plan;
    this.keepFrames = keepFrames;
    this.crashed = new Promise((resolve) => {
      this.die = resolve;
    });
  }

  arm(): void {
    this.armed = true;
  }

  disarm(): void {
    this.armed = false;
  }

  /** Something that happens just before the process's nth call of `op`, or a fault that belongs to the scenario itself. */
  script(op: string, nth: number, what: Pick<Script, 'before' | 'fault'>): void {
    this.scripts.push({ op, nth, ...what });
  }

  async call<T>(op: string, perform: () => Promise<T>, losses: Losses<T>): Promise<T> {
    if (this.dead) return NEVER;
    if (!this.armed) return perform();
    const index = this.boundaries.length;
    this.boundaries.push({ op, frames: this.keepFrames ? applicationFrames() : [] });
    const nth = (this.counts.get(op) ?? 0) + 1;
    this.counts.set(op, nth);
    const scripts = this.scripts.filter((script) => script.op === op && (script.nth === nth || script.nth === 0));
    for (const { before } of scripts) await before?.();
    const { plan } = this;
    if (plan !== undefined && 'outage' in plan && op.startsWith('store.') && index >= plan.index) {
      this.happened ??= { op, fault: plan.outage };
      if (plan.outage === 'silent') await this.timeout();
      const unanswered = losses[plan.outage === 'silent' ? 'request lost' : 'refused'];
      if (unanswered !== undefined) return unanswered();
    }
    const planned = plan !== undefined && 'fault' in plan && plan.index === index ? plan.fault : undefined;
    const fault = planned ?? scripts.find((script) => script.fault !== undefined)?.fault;
    if (fault === undefined) return this.alive(await perform());
    if (fault === 'crash before' || fault === 'crash after') {
      if (planned !== undefined) this.happened = { op, fault };
      if (fault === 'crash after') await perform();
      this.dead = true;
      this.die();
      return NEVER;
    }
    const lost = losses[fault];
    if (lost === undefined) return this.alive(await perform());
    if (planned !== undefined) this.happened = { op, fault };
    if (fault === 'reply lost') await perform();
    return lost();
  }

  /** A reply finds nobody when another call has killed the process meanwhile. */
  private alive<T>(answer: T): T | Promise<never> {
    return this.dead ? NEVER : answer;
  }
}

function thrower(make: () => Error): () => never {
  return () => {
    throw make();
  };
}

const STORE_LOSSES = {
  'request lost': thrower(() => new UnknownOutcomeError('request lost')),
  'reply lost': thrower(() => new UnknownOutcomeError('reply lost')),
  'not applied': thrower(() => new NotAppliedError('conflict')),
  refused: thrower(() => new NotAppliedError('no connection', { unreachable: true })),
};
const PUBLISHER_LOSSES = {
  'request lost': thrower(() => new Error('the receiver is away')),
  'reply lost': thrower(() => new Error('the receiver did not answer')),
};

/** A store as one process reaches it. Each page of a listing is a call of its own. */
export function tracedStore(store: LedgerStore, tracer: Tracer): LedgerStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      if (name.startsWith('all')) return method.bind(target);
      if (name === 'openLanes') return () => tracedPages(target.openLanes(), `store.${name}`, tracer);
      return (...args: readonly unknown[]): Promise<unknown> =>
        tracer.call<unknown>(`store.${name}`, async () => Reflect.apply(method, target, args), STORE_LOSSES);
    },
  });
}

/** The counters behind rate limits, reached as the store is: they stand in the same table. */
export function tracedRates(rates: RateStore, tracer: Tracer): RateStore {
  return {
    takeRate: (...args) => tracer.call('store.takeRate', () => rates.takeRate(...args), STORE_LOSSES),
    adjustRate: (...args) => tracer.call('store.adjustRate', () => rates.adjustRate(...args), STORE_LOSSES),
  };
}

/** The health of targets, reached as the store is: it stands in the same table. */
export function tracedHealth(health: HealthStore, tracer: Tracer): HealthStore {
  const traced = <T>(op: string, perform: () => Promise<T>): Promise<T> => tracer.call<T>(`store.${op}`, perform, STORE_LOSSES);
  return {
    readHealth: (...args) => traced('readHealth', () => health.readHealth(...args)),
    addFailure: (...args) => traced('addFailure', () => health.addFailure(...args)),
    cool: (...args) => traced('cool', () => health.cool(...args)),
    takeProbe: (...args) => traced('takeProbe', () => health.takeProbe(...args)),
    dropProbe: (...args) => traced('dropProbe', () => health.dropProbe(...args)),
    recover: (...args) => traced('recover', () => health.recover(...args)),
    keepLatency: (...args) => traced('keepLatency', () => health.keepLatency(...args)),
  };
}

/** The kept answers, in the same table too. */
export function tracedAnswers(answers: AnswerStore, tracer: Tracer): AnswerStore {
  return {
    claimAnswer: (claim) => tracer.call('store.claimAnswer', () => answers.claimAnswer(claim), STORE_LOSSES),
    releaseClaim: (claim) => tracer.call('store.releaseClaim', () => answers.releaseClaim(claim), STORE_LOSSES),
    endClaim: (...args) => tracer.call('store.endClaim', () => answers.endClaim(...args), STORE_LOSSES),
    findAnswer: (...args) => tracer.call('store.findAnswer', () => answers.findAnswer(...args), STORE_LOSSES),
    keepAnswer: (...args) => tracer.call('store.keepAnswer', () => answers.keepAnswer(...args), STORE_LOSSES),
  };
}

function tracedPages<T>(pages: AsyncIterable<T>, op: string, tracer: Tracer): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = pages[Symbol.asyncIterator]();
      return { next: () => tracer.call<IteratorResult<T>>(op, () => inner.next(), STORE_LOSSES) };
    },
  };
}

export function tracedPublisher(publisher: AlertPublisher, tracer: Tracer): AlertPublisher {
  return { publish: (alert) => tracer.call('publisher.publish', () => publisher.publish(alert), PUBLISHER_LOSSES) };
}

export function tracedLog(log: AlertLog, tracer: Tracer): AlertLog {
  return {
    record: (alert) => tracer.call('log.record', () => log.record(alert), STORE_LOSSES),
    list: (limit) => log.list(limit),
  };
}

/** A pause can only be cut off by the end of the process. */
export function tracedClock(clock: Clock, tracer: Tracer): Clock {
  return { now: () => clock.now(), sleep: (ms) => tracer.call('clock.sleep', () => clock.sleep(ms), {}) };
}

export function tracedProvider(client: ProviderClient, tracer: Tracer): ProviderClient {
  return {
    send: async (call) => {
      const reply = await tracer.call<ProviderReply>('client.send', () => client.send(call), {
        'request lost': () => ({ kind: 'failed', reason: 'connect_failed', sent: false }),
        'reply lost': () => ({ kind: 'failed', reason: 'reset', sent: true }),
      });
      return reply.kind === 'failed' ? reply : { ...reply, body: tracedBody(reply.body, tracer) };
    },
  };
}

function tracedBody(body: ProviderBody, tracer: Tracer): ProviderBody {
  return {
    next: () =>
      tracer.call('body.next', () => body.next(), {
        'request lost': thrower(() => new ProviderBodyError('timeout')),
        'reply lost': thrower(() => new ProviderBodyError('reset')),
      }),
    cancel: () => body.cancel(),
  };
}

export function tracedSink(sink: StreamSink, tracer: Tracer): StreamSink {
  return {
    write: (bytes) =>
      tracer.call('sink.write', () => sink.write(bytes), {
        'request lost': thrower(() => new Error('the caller is gone')),
        'reply lost': thrower(() => new Error('the caller is gone')),
      }),
    fail: (reason) => sink.fail(reason),
    end: () => sink.end(),
  };
}

/** `file.ts:line` of the application's frames, functions that are suspended in an await included. */
function applicationFrames(): readonly string[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const { stack = '' } = new Error('where');
  Error.stackTraceLimit = limit;
  return [...stack.matchAll(/lambdas\/application\/([\w-]+\.ts):(\d+):\d+/g)].map(([, file, line]) => `${file}:${line}`);
}
