/**
 * What this process knows of its targets' health, and the order that follows from it. Reads are never waited for: what is
 * known is used while it is read anew beside the call, and a process that knows nothing takes all targets as healthy.
 * Writes happen beside the answer. Only a probe, one request at the end of a cooldown, waits for its one conditional write.
 */
import {
  HEALTHY,
  type TargetHealth,
  type TargetName,
  coolUntilEpochMs,
  latencyOf,
  readyAtEpochMs,
  recovers,
  standingOf,
  targetName,
  withSample,
} from '../domain/health.ts';
import { type HealthLook, orderByHealth } from '../domain/health-order.ts';
import type { Cooldown, Policy, Route, Target } from '../domain/policy.ts';
import { type Candidate, type RoundRobin } from '../domain/routing.ts';
import type { Clock, Random } from './ports.ts';
import type { HealthStore } from './ports-health.ts';
import type { Log } from './ports-provider.ts';

export interface RouteHealthDeps {
  readonly store: HealthStore;
  readonly clock: Clock;
  readonly random: Pick<Random, 'fraction'>;
  readonly log: Pick<Log, 'warn'>;
}

/** What came of one send. */
export type Tried =
  | { readonly kind: 'answered'; readonly sentAtEpochMs: number; readonly latencyMs?: number }
  | { readonly kind: 'failed'; readonly sentAtEpochMs: number; readonly retryAfterSeconds?: number };

/** The right to be the one request that tries a target at the end of its cooldown. */
export interface Probe {
  readonly target: Target;
  readonly untilEpochMs: number;
}

export interface Ordered<T> {
  readonly candidates: readonly T[];
  /** Given back by `endProbe` when the call is over. */
  readonly probe?: Probe;
}

/** What other processes wrote is known this much later at most, while calls come. */
const REFRESH_MS = 3_000;
/** One process writes a target's latency at most this often. */
const LATENCY_EVERY_MS = 10_000;
/** A target without a figure is explored by one request of a process at a time, and for this long. */
const EXPLORING_MS = 10_000;
/** What a request waits for the right to probe. */
const PROBE_PATIENCE_MS = 500;
/** The longest that a provider's Retry-After keeps a target away. */
const MOST_ASKED_MS = 5 * 60_000;
const MOST_KNOWN = 4_096;

interface Known {
  health: TargetHealth;
  /** When it was last asked for, epoch ms. */
  askedEpochMs: number;
  /** How often this process changed it: an answer of the store to an earlier state knows less. */
  changes: number;
  /** The stored latency from which this process goes on. */
  storedLatencyEpochMs?: number;
  latencyWrittenEpochMs: number;
  exploringUntilEpochMs: number;
}

/** Whether a route goes by health at all. One that does not costs nothing here. */
export function goesByHealth(route: Route): boolean {
  return route.cooldown !== undefined || route.strategy === 'lowest_latency';
}

export class RouteHealth {
  private readonly known = new Map<TargetName, Known>();
  private readonly underWay = new Set<Promise<void>>();
  /** Taken by this process and not used yet: until when. */
  private readonly probes = new Map<TargetName, number>();
  private reading = false;
  private readonly deps: RouteHealthDeps;
  private readonly look: HealthLook;

  constructor(deps: RouteHealthDeps) {
    this.deps = deps;
    this.look = {
      standing: (target) => standingOf(this.of(target).health, this.now()),
      readyAtEpochMs: (target) => readyAtEpochMs(this.of(target).health),
      latencyMs: (target) => this.latencyMs(target),
      fraction: () => deps.random.fraction(),
    };
  }

  /** The candidates, which come in the policy's order, in the order in which they are tried. */
  async order<T extends Candidate>(route: Route, candidates: readonly T[], roundRobin: RoundRobin): Promise<Ordered<T>> {
    this.refreshSoon(candidates.map(({ target }) => target));
    const found = orderByHealth(route, candidates, roundRobin, this.look);
    const due = found.probe && { target: found.probe.target, untilEpochMs: this.now() + (route.cooldown?.forMs ?? 0) };
    const probe = due !== undefined && (await this.mayTry(due)) ? due : undefined;
    const ordered = due === probe ? found.ordered : found.withoutProbe();
    const [first] = ordered;
    if (first !== undefined && route.strategy === 'lowest_latency') {
      const known = this.of(first.target);
      if (latencyOf(known.health, this.now()) === undefined) known.exploringUntilEpochMs = this.now() + EXPLORING_MS;
    }
    return { candidates: ordered, probe };
  }

  /** A probe that was never sent, because the caller's money or its limits refused the call, is another request's. */
  endProbe({ target, untilEpochMs }: Probe): void {
    const name = targetName(target);
    if (this.probes.get(name) !== untilEpochMs) return;
    this.probes.delete(name);
    this.touch(this.of(target), { ...this.of(target).health, probeUntilEpochMs: undefined });
    this.save(name, () => this.deps.store.dropProbe(name, untilEpochMs, this.now()));
  }

  /** Learns from a send. Its writes are waited for by `idle`. */
  note(route: Route, target: Target, tried: Tried): void {
    this.probes.delete(targetName(target));
    if (tried.kind === 'failed') this.failed(route.cooldown, target, tried);
    else this.answered(route, target, tried);
  }

  /** Reads the health of all targets that a policy's routes need, for a process that is just starting. */
  warmUp(policy: Policy): Promise<void> {
    this.refreshSoon(policy.routes.filter(goesByHealth).flatMap((route) => route.targets));
    return this.idle();
  }

  /** Resolves when no read and no write is under way. */
  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  private latencyMs(target: Target): number | undefined {
    const { health, exploringUntilEpochMs } = this.of(target);
    const now = this.now();
    // After a cooldown an old figure says nothing: the target is tried as if it were new.
    if (standingOf(health, now) === 'due') return undefined;
    const latencyMs = latencyOf(health, now);
    return latencyMs === undefined && exploringUntilEpochMs > now ? Number.POSITIVE_INFINITY : latencyMs;
  }

  /** Whether this request may be the one that tries a target after its cooldown. */
  private async mayTry({ target, untilEpochMs }: Probe): Promise<boolean> {
    const name = targetName(target);
    let isTooLate = false;
    const asked = this.deps.store.takeProbe(name, untilEpochMs, this.now()).then(
      ({ taken, health }) => {
        this.adopt(name, health);
        if (taken) this.probes.set(name, untilEpochMs);
        // Its request has gone elsewhere: the next one may.
        if (taken && isTooLate) this.endProbe({ target, untilEpochMs });
        // Recovered meanwhile, by another process: there is nothing left to probe.
        return taken || standingOf(health, this.now()) === 'healthy';
      },
      (error: unknown) => {
        this.warn('the right to probe a target could not be taken', name, error);
        return false;
      },
    );
    this.track(asked);
    const tooLate = this.deps.clock.sleep(PROBE_PATIENCE_MS).then(() => {
      isTooLate = true;
      return false;
    });
    return Promise.race([asked, tooLate]);
  }

  private failed(cooldown: Cooldown | undefined, target: Target, tried: Extract<Tried, { kind: 'failed' }>): void {
    if (cooldown === undefined) return;
    const name = targetName(target);
    const known = this.of(target);
    const now = this.now();
    const { sentAtEpochMs, retryAfterSeconds } = tried;
    const askedMs = retryAfterSeconds === undefined ? undefined : Math.min(MOST_ASKED_MS, retryAfterSeconds * 1_000);
    const failure = { nowEpochMs: now, sentAtEpochMs, askedMs };
    // This process believes it at once; the others as soon as it is written.
    const counted = { ...known.health, failures: known.health.failures + 1 };
    const until = coolUntilEpochMs(counted, cooldown, failure);
    this.touch(known, until === undefined ? counted : cooled(counted, until, now));
    this.save(name, async () => {
      const { store } = this.deps;
      const health = await store.addFailure(name, now);
      const stored = coolUntilEpochMs(health, cooldown, failure);
      return stored === undefined ? health : await store.cool(name, stored, now);
    });
  }

  private answered(route: Route, target: Target, { sentAtEpochMs, latencyMs }: Extract<Tried, { kind: 'answered' }>): void {
    const name = targetName(target);
    const known = this.of(target);
    const now = this.now();
    const { health } = known;
    const isHeldAgainst = health.failures > 0 || health.openedEpochMs !== undefined;
    if (route.cooldown !== undefined && isHeldAgainst && recovers(health, sentAtEpochMs)) {
      this.touch(known, recovered(health));
      this.save(name, () => this.deps.store.recover(name, sentAtEpochMs, now));
    }
    if (route.strategy !== 'lowest_latency' || latencyMs === undefined) return;
    known.exploringUntilEpochMs = 0;
    const rolling = withSample(known.health, latencyMs, now);
    this.touch(known, { ...known.health, latencyMs: rolling, latencyEpochMs: now });
    if (now - known.latencyWrittenEpochMs < LATENCY_EVERY_MS) return;
    known.latencyWrittenEpochMs = now;
    const seen = known.storedLatencyEpochMs;
    this.save(name, () => this.deps.store.keepLatency(name, rolling, seen, now));
  }

  private refreshSoon(targets: readonly Target[]): void {
    const now = this.now();
    const old = targets.filter((target) => now - this.of(target).askedEpochMs >= REFRESH_MS);
    if (old.length === 0 || this.reading) return;
    this.reading = true;
    for (const target of old) this.of(target).askedEpochMs = now;
    const before = new Map(old.map((target) => [targetName(target), this.of(target).changes]));
    const names = [...before.keys()];
    const read = this.deps.store.readHealth(names).then(
      (found) => {
        for (const [name, changes] of before)
          if (this.byName(name).changes === changes) this.adopt(name, found.get(name) ?? HEALTHY);
      },
      (error: unknown) => this.warn('the health of targets could not be read', names.join(' '), error),
    );
    this.track(read.finally(() => (this.reading = false)));
  }

  /** Takes over what the store says; of latency, whichever figure is newer. */
  private adopt(name: TargetName, health: TargetHealth): void {
    const known = this.byName(name);
    const { latencyMs, latencyEpochMs = 0 } = known.health;
    known.storedLatencyEpochMs = health.latencyEpochMs;
    known.health = latencyEpochMs > (health.latencyEpochMs ?? 0) ? { ...health, latencyMs, latencyEpochMs } : health;
  }

  private touch(known: Known, health: TargetHealth): void {
    known.health = health;
    known.changes += 1;
  }

  private save(name: TargetName, work: () => Promise<TargetHealth>): void {
    const { changes } = this.byName(name);
    this.track(
      work().then(
        (health) => {
          // Something newer is on its way to the store: its answer will say more than this one.
          if (this.byName(name).changes === changes) this.adopt(name, health);
        },
        (error: unknown) => this.warn('the health of a target could not be written', name, error),
      ),
    );
  }

  private track(work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(
      () => undefined,
      () => undefined,
    );
    this.underWay.add(tracked);
    void tracked.then(() => this.underWay.delete(tracked));
  }

  private warn(message: string, targets: string, error: unknown): void {
    this.deps.log.warn(message, { targets, error: error instanceof Error ? error.name : 'unknown' });
  }

  private of(target: Target): Known {
    return this.byName(targetName(target));
  }

  private byName(name: TargetName): Known {
    let known = this.known.get(name);
    if (known === undefined) {
      if (this.known.size >= MOST_KNOWN) this.known.clear();
      known = {
        health: HEALTHY,
        askedEpochMs: Number.NEGATIVE_INFINITY,
        changes: 0,
        latencyWrittenEpochMs: Number.NEGATIVE_INFINITY,
        exploringUntilEpochMs: 0,
      };
      this.known.set(name, known);
    }
    return known;
  }

  private now(): number {
    return this.deps.clock.now();
  }
}

/** A new cooldown ends a probe. */
function cooled(health: TargetHealth, coolUntil: number, openedEpochMs: number): TargetHealth {
  return { ...health, probeUntilEpochMs: undefined, openedEpochMs, coolUntilEpochMs: coolUntil };
}

function recovered({ latencyMs, latencyEpochMs }: TargetHealth): TargetHealth {
  return { failures: 0, latencyMs, latencyEpochMs };
}
