/** The order of targets of which some cool down, one example a rule. */
import type { Standing } from '../../../lambdas/domain/health.ts';
import { orderByHealth } from '../../../lambdas/domain/health-order.ts';
import type { Route, Target } from '../../../lambdas/domain/policy.ts';
import { type Candidate, RoundRobin } from '../../../lambdas/domain/routing.ts';

interface Known {
  readonly standing: Standing;
  readonly readyAt?: number;
  readonly latencyMs?: number;
}

function candidatesOf(names: readonly string[]): readonly Candidate[] {
  return names.map((model) => ({ target: { provider: 'p', model, weight: 1 }, boundNanoUsd: 1n }));
}

/** Orders targets that are named by their models, and gives the names back. */
function ordered(known: Readonly<Record<string, Known>>, change: Partial<Route> = {}) {
  const names = Object.keys(known);
  const candidates = candidatesOf(names);
  const route: Route = {
    model: 'r',
    aliases: [],
    strategy: 'ordered',
    targets: candidates.map(({ target }) => target),
    fallback: { on: [], attempts: 1 },
    cooldown: { afterFailures: 1, forMs: 1_000 },
    ...change,
  };
  const of = ({ model }: Target): Known => known[model] ?? { standing: 'healthy' };
  const result = orderByHealth(route, candidates, new RoundRobin(() => 0), {
    standing: (target) => of(target).standing,
    readyAtEpochMs: (target) => of(target).readyAt ?? 0,
    latencyMs: (target) => of(target).latencyMs,
    fraction: () => 0.5,
  });
  const named = (some: readonly Candidate[]): string => some.map(({ target }) => target.model).join(' ');
  return { ordered: named(result.ordered), probe: result.probe?.target.model, without: named(result.withoutProbe()) };
}

const healthy: Known = { standing: 'healthy' };
const cooling = (readyAt: number): Known => ({ standing: 'cooling', readyAt });
const due = (readyAt: number): Known => ({ standing: 'due', readyAt });

test('all healthy: the order of the strategy, and nobody probes', () => {
  expect(ordered({ a: healthy, b: healthy })).toEqual({ ordered: 'a b', probe: undefined, without: 'a b' });
});

test('a route without a cooldown takes no look at health', () => {
  const known = { a: cooling(5), b: healthy };
  expect(ordered(known, { cooldown: undefined })).toEqual({ ordered: 'a b', probe: undefined, without: 'a b' });
});

test('a cooling target stands behind the healthy ones, in the order in which they are free again', () => {
  expect(ordered({ a: cooling(9), b: healthy, c: cooling(3), d: healthy })).toEqual({
    ordered: 'b d c a',
    probe: undefined,
    without: 'b d c a',
  });
});

test('with nobody healthy the one that is free first is tried, without a probe', () => {
  expect(ordered({ a: cooling(9), b: due(1), c: cooling(3) })).toEqual({ ordered: 'b c a', probe: undefined, without: 'b c a' });
});

test('a target that is due stands where the strategy puts it for the request that probes it, and last for the others', () => {
  expect(ordered({ a: due(2), b: healthy, c: cooling(1) })).toEqual({ ordered: 'a b c', probe: 'a', without: 'b c a' });
});

test('a target that is due and not first by the strategy is nobody’s probe', () => {
  expect(ordered({ a: healthy, b: due(2), c: healthy })).toEqual({ ordered: 'a c b', probe: undefined, without: 'a c b' });
});

test('of two that are due the first one is probed, and the other waits behind', () => {
  expect(ordered({ a: due(5), b: due(2), c: healthy })).toEqual({ ordered: 'a c b', probe: 'a', without: 'c b a' });
});

test('lowest latency orders the healthy ones only', () => {
  const known = {
    a: { ...healthy, latencyMs: 300 },
    b: { ...cooling(1), latencyMs: 10 },
    c: { ...healthy, latencyMs: 100 },
    d: { ...healthy, latencyMs: 100 },
  };
  expect(ordered(known, { strategy: 'lowest_latency' }).ordered).toBe('c d a b');
});
