/** Processes that share one health store, on a clock that moves by hand. */
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import { UnknownOutcomeError } from '../../lambdas/application/ports.ts';
import type { HealthStore } from '../../lambdas/application/ports-health.ts';
import { type Probe, RouteHealth } from '../../lambdas/application/route-health.ts';
import type { Route, Target } from '../../lambdas/domain/policy.ts';
import { RoundRobin } from '../../lambdas/domain/routing.ts';
import { FakeLog } from './gateway-fixture.ts';

export class HealthWorld {
  nowEpochMs = 1_000_000;
  readonly truth = new MemoryHealthStore();
  /** Every call to the store, by its operation. */
  readonly calls: string[] = [];
  readonly log = new FakeLog();
  isAway = false;
  /** Answers of such operations come only when it resolves. */
  late: { readonly operation: string; readonly until: Promise<void> } | undefined;
  /** Drawn in turn; then 0.999, which explores nothing. */
  readonly fractions: number[] = [];
  private readonly sleepers: (() => void)[] = [];

  /** Nobody wakes before. */
  sleep(): Promise<void> {
    return new Promise((resolve) => this.sleepers.push(resolve));
  }

  /** Whatever is waited for is over. */
  wake(): void {
    for (const sleeper of this.sleepers.splice(0)) sleeper();
  }

  process(): Process {
    return new Process(this);
  }

  /** The store as a process reaches it: a round trip takes its turn among the others. */
  store(): HealthStore {
    return new Proxy<HealthStore>(this.truth, {
      get: (target, name, receiver) => {
        const method: unknown = Reflect.get(target, name, receiver);
        if (typeof method !== 'function') return method;
        return async (...args: readonly unknown[]): Promise<unknown> => {
          this.calls.push(String(name));
          const { late } = this;
          await Promise.resolve();
          if (this.isAway) throw new UnknownOutcomeError('away');
          const answer: unknown = await Reflect.apply(method, target, args);
          if (late?.operation === name) await late.until;
          return answer;
        };
      },
    });
  }
}

export interface Sent {
  readonly failed?: true;
  readonly sentAgoMs?: number;
  readonly latencyMs?: number;
  readonly retryAfterSeconds?: number;
}

export class Process {
  readonly health: RouteHealth;
  /** The last one that an order came with. */
  probe: Probe | undefined;
  private readonly world: HealthWorld;
  private readonly robin = new RoundRobin(() => 0);

  constructor(world: HealthWorld) {
    this.world = world;
    const clock = { now: () => world.nowEpochMs, sleep: () => world.sleep() };
    const random = { fraction: () => world.fractions.shift() ?? 0.999 };
    this.health = new RouteHealth({ store: world.store(), clock, random, log: world.log });
  }

  /** Providers in the order in which a request would try them. */
  async order(route: Route): Promise<string> {
    const candidates = route.targets.map((target) => ({ target, boundNanoUsd: 0n }));
    const { candidates: ordered, probe } = await this.health.order(route, candidates, this.robin);
    this.probe = probe ?? this.probe;
    return ordered.map((one) => one.target.provider).join('');
  }

  /** Tells what came of a send, and waits until it is written. */
  async note(route: Route, provider: string, sent: Sent): Promise<void> {
    this.tell(route, provider, sent);
    await this.health.idle();
  }

  tell(route: Route, provider: string, { failed, sentAgoMs = 1, latencyMs, retryAfterSeconds }: Sent): void {
    const target = route.targets.find((one) => one.provider === provider) as Target;
    const sentAtEpochMs = this.world.nowEpochMs - sentAgoMs;
    this.health.note(
      route,
      target,
      failed === true ? { kind: 'failed', sentAtEpochMs, retryAfterSeconds } : { kind: 'answered', sentAtEpochMs, latencyMs },
    );
  }
}
