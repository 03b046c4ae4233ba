import { RoundRobin, callableModels, orderCandidates, resolveRoute } from '../../lambdas/domain/routing.ts';
import { GROUP, policy, route } from '../support/gateway-fixture.ts';

const stage = policy({
  routes: [
    route('economy', ['a/small', 'b/small', 'c/small'], { aliases: ['mini', 'frontier'] }),
    route('frontier', ['a/large']),
  ],
});

function candidates(
  ...bounds: bigint[]
): { target: { provider: string; model: string; weight: number }; boundNanoUsd: bigint }[] {
  return bounds.map((boundNanoUsd, index) => ({ target: { provider: `p${index}`, model: 'm', weight: 1 }, boundNanoUsd }));
}

test("a name means its own route before anybody's alias", () => {
  expect(resolveRoute(stage, GROUP, 'mini')).toMatchObject({ ok: true, route: { model: 'economy' } });
  expect(resolveRoute(stage, GROUP, 'frontier')).toEqual({ ok: false, reason: 'not_allowed' });
});

test('an unknown name is the default route, and without one it is not found', () => {
  expect(resolveRoute(stage, GROUP, 'nope')).toEqual({ ok: false, reason: 'not_found' });
  expect(resolveRoute({ ...stage, defaultRoute: 'economy' }, GROUP, 'nope')).toMatchObject({
    ok: true,
    route: { model: 'economy' },
  });
  expect(resolveRoute({ ...stage, defaultRoute: 'frontier' }, GROUP, 'nope')).toEqual({ ok: false, reason: 'not_allowed' });
});

test('only what a group may call is listed', () => {
  expect(callableModels(stage, GROUP)).toEqual(['economy', 'mini', 'frontier']);
  expect(callableModels(stage, { ...GROUP, models: [] })).toEqual([]);
});

test("ordered keeps the policy's order, least_cost the order of the bounds, ties as written", () => {
  const robin = new RoundRobin(() => 0);
  const given = candidates(3n, 1n, 2n, 1n);
  expect(orderCandidates(route('r', []), given, robin)).toBe(given);
  const cheap = orderCandidates(route('r', [], { strategy: 'least_cost' }), given, robin);
  expect(cheap.map((candidate) => candidate.target.provider)).toEqual(['p1', 'p3', 'p2', 'p0']);
});

test('round robin starts where it is told, and a changed route starts anew', () => {
  const targets = (weights: number[]): { provider: string; model: string; weight: number }[] =>
    weights.map((weight, index) => ({ provider: `p${index}`, model: 'm', weight }));
  const robin = new RoundRobin(() => 0.5);
  expect([robin.next('r', targets([1, 1])), robin.next('r', targets([1, 1]))]).toEqual([1, 0]);
  const spread = new RoundRobin(() => 0);
  expect(Array.from({ length: 7 }, () => spread.next('r', targets([5, 1, 1])))).toEqual([0, 0, 1, 0, 2, 0, 0]);
  expect(spread.next('r', targets([1, 9]))).toBe(1);
});

test("the targets behind the one whose turn it is follow in the policy's order", () => {
  const weighted = route('r', [], { strategy: 'weighted_round_robin' });
  const robin = new RoundRobin(() => 0);
  const orders = Array.from({ length: 3 }, () =>
    orderCandidates(weighted, candidates(1n, 1n, 1n), robin)
      .map((one) => one.target.provider)
      .join(),
  );
  expect(orders).toEqual(['p0,p1,p2', 'p1,p2,p0', 'p2,p0,p1']);
  expect(orderCandidates(weighted, [], robin)).toEqual([]);
});
