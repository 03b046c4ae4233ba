/** The order of targets under any health: whole, healthy first, probes one at a time. */
import * as fc from 'fast-check';
import type { Standing } from '../../lambdas/domain/health.ts';
import { type HealthLook, orderByHealth } from '../../lambdas/domain/health-order.ts';
import type { Route } from '../../lambdas/domain/policy.ts';
import { type Candidate, RoundRobin } from '../../lambdas/domain/routing.ts';
import { route } from '../support/gateway-fixture.ts';

interface Given extends Candidate {
  readonly standing: Standing;
  readonly readyAtEpochMs: number;
  readonly latencyMs: number | undefined;
}

const target = fc.record({
  weight: fc.integer({ min: 1, max: 9 }),
  bound: fc.integer({ min: 0, max: 5 }),
  standing: fc.constantFrom<Standing>('healthy', 'due', 'cooling'),
  readyAtEpochMs: fc.integer({ min: 1, max: 5 }),
  latencyMs: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
});
const targets = fc.array(target, { minLength: 1, maxLength: 7 }).map((some) =>
  some.map(
    ({ weight, bound, ...rest }, at): Given => ({
      target: { provider: `p${at}`, model: 'm', weight },
      boundNanoUsd: BigInt(bound),
      ...rest,
    }),
  ),
);
const strategies = fc.constantFrom<Route['strategy']>('ordered', 'weighted_round_robin', 'least_cost', 'lowest_latency');
const fractions = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 6 });

function look(candidates: readonly Given[], fraction: readonly number[]): HealthLook {
  const given = (name: string): Given => candidates.find((one) => one.target.provider === name) as Given;
  let at = 0;
  return {
    standing: ({ provider }) => given(provider).standing,
    readyAtEpochMs: ({ provider }) => given(provider).readyAtEpochMs,
    latencyMs: ({ provider }) => given(provider).latencyMs,
    fraction: () => fraction[at++ % fraction.length] ?? 0,
  };
}

const COOLDOWN = { afterFailures: 1, forMs: 1_000 };

test('whatever the health, every candidate is tried once, and one that cools is never before a healthy one', () => {
  fc.assert(
    fc.property(targets, strategies, fractions, (candidates, strategy, fraction) => {
      const found = orderByHealth(
        route('r', [], { strategy, cooldown: COOLDOWN }),
        candidates,
        new RoundRobin(() => fraction[0] ?? 0),
        look(candidates, fraction),
      );
      const names = (some: readonly Given[]): string[] => some.map((one) => one.target.provider).toSorted();
      for (const order of [found.ordered, found.withoutProbe()]) expect(names(order)).toEqual(names(candidates));
      const healthy = candidates.filter((one) => one.standing === 'healthy').length;
      // Healthy ones are together at the front; before them only the one probe, which is due.
      const standings = found.ordered.map((one) => one.standing);
      if (found.probe !== undefined) {
        expect(found.probe.standing).toBe('due');
        expect(found.ordered[0]).toBe(found.probe);
        expect(healthy).toBeGreaterThan(0);
        standings.shift();
      }
      expect(standings.slice(0, healthy).every((one) => one === 'healthy')).toBe(true);
      expect(
        found
          .withoutProbe()
          .slice(0, healthy)
          .every((one) => one.standing === 'healthy'),
      ).toBe(true);
      // Behind them whoever is due first.
      const rest = found.withoutProbe().slice(healthy);
      for (const [at, one] of rest.entries()) {
        expect(one.readyAtEpochMs).toBeLessThanOrEqual(rest[at + 1]?.readyAtEpochMs ?? Number.POSITIVE_INFINITY);
      }
    }),
  );
});

test('a route without a cooldown takes every target as healthy', () => {
  fc.assert(
    fc.property(targets, fc.constantFrom<Route['strategy']>('ordered', 'least_cost'), (candidates, strategy) => {
      const given = candidates.map((one) => ({ ...one, standing: 'healthy' as const }));
      const plain = route('r', [], { strategy });
      const robin = new RoundRobin(() => 0);
      const names = (some: readonly Given[]): string[] => some.map((one) => one.target.provider);
      const cooled = orderByHealth(plain, candidates, robin, look(candidates, [0.5]));
      const healthy = orderByHealth({ ...plain, cooldown: COOLDOWN }, given, robin, look(given, [0.5]));
      expect(names(cooled.ordered)).toEqual(names(healthy.ordered));
    }),
  );
});

test('while one target cools down the others keep their exact shares, and afterwards all do again', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 5 }),
      fc.nat(10),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.array(fc.nat(20), { maxLength: 4 }),
      (weights, out, start, before) => {
        const all = weights.map((weight, at) => ({
          target: { provider: `p${at}`, model: 'm', weight },
          boundNanoUsd: 0n,
          standing: 'healthy' as Standing,
          readyAtEpochMs: 0,
          latencyMs: undefined,
        }));
        const cooled = all.map((one, at) => (at === out % weights.length ? { ...one, standing: 'cooling' as const } : one));
        const robin = new RoundRobin(() => start);
        const weighted = route('r', [], { strategy: 'weighted_round_robin', cooldown: COOLDOWN });
        const first = (given: readonly Given[]): string =>
          orderByHealth(weighted, given, robin, look(given, [0.5])).ordered[0]?.target.provider ?? '';
        const shares = (given: readonly Given[]): Record<string, number> => {
          const healthy = given.filter((one) => one.standing === 'healthy');
          const total = healthy.reduce((sum, one) => sum + one.target.weight, 0);
          const counts: Record<string, number> = {};
          for (let at = 0; at < total; at += 1) {
            const name = first(given);
            counts[name] = (counts[name] ?? 0) + 1;
          }
          return counts;
        };
        const weightsOf = (given: readonly Given[]): Record<string, number> =>
          Object.fromEntries(
            given.filter((one) => one.standing === 'healthy').map(({ target: { provider, weight } }) => [provider, weight]),
          );
        // Health may flap at any moment: outages interleave with service.
        for (const [at, times] of before.entries()) for (let i = 0; i < times; i += 1) first(at % 2 === 0 ? all : cooled);
        expect(shares(cooled)).toEqual(weightsOf(cooled));
        expect(shares(all)).toEqual(weightsOf(all));
      },
    ),
  );
});
