import type { Route, Target } from '../../../lambdas/domain/policy.ts';
import { RoundRobin, orderCandidates } from '../../../lambdas/domain/routing.ts';

function target(provider: string, model = 'm', weight = 1): Target {
  return { provider, model, weight };
}

function route(strategy: Route['strategy']): Route {
  return { model: 'r', aliases: [], strategy, targets: [], fallback: { on: [], attempts: 1 } };
}

test('least cost is ascending, whatever the order in which the candidates come', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const bounds of [
    [5n, 4n, 3n, 2n, 1n],
    [1n, 2n, 3n, 4n, 5n],
    [3n, 1n, 3n, 5n, 1n],
  ]) {
    const candidates = names.map((name, at) => ({ target: target(name), boundNanoUsd: bounds[at] ?? 0n }));
    const ordered = orderCandidates(route('least_cost'), candidates, new RoundRobin(() => 0));
    expect(ordered.map((one) => one.boundNanoUsd)).toEqual(bounds.toSorted((a, b) => Number(a - b)));
    for (const [at, one] of ordered.entries()) {
      const next = ordered[at + 1];
      if (next?.boundNanoUsd === one.boundNanoUsd) expect(one.target.provider < next.target.provider).toBe(true);
    }
  }
});

test.each([
  ['another provider', [target('c'), target('b')]],
  ['another model', [target('a', 'n'), target('b')]],
  ['another weight', [target('a', 'm', 2), target('b')]],
  ['one that reads alike when joined', [target('a', 'm=1,b/m'), target('b')]],
])('a route with %s begins its turn anew', (_, changed) => {
  const robin = new RoundRobin(() => 0);
  expect(robin.next('r', [target('a'), target('b')])).toBe(0);
  expect(robin.next('r', changed)).toBe(0);
});

test('routes keep turns of their own, and a start offset is within one cycle', () => {
  const robin = new RoundRobin(() => 0);
  const two = [target('a'), target('b')];
  expect([robin.next('r', two), robin.next('s', two), robin.next('r', two), robin.next('s', two)]).toEqual([0, 0, 1, 1]);
  expect(new RoundRobin(() => 0.999).next('r', two)).toBe(1);
  // Even for huge weights the offset costs at most a thousand steps.
  let asked = 0;
  const late = new RoundRobin(() => {
    asked += 1;
    return 0.5;
  });
  late.next('r', [target('a', 'm', 1_000_000), target('b', 'm', 1_000_000)]);
  late.next('r', [target('a', 'm', 1_000_000), target('b', 'm', 1_000_000)]);
  expect(asked).toBe(1);
});

test('an empty route takes no turn', () => {
  const robin = new RoundRobin(() => {
    throw new Error('no turn was due');
  });
  expect(orderCandidates(route('weighted_round_robin'), [], robin)).toEqual([]);
});
