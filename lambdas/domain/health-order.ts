/**
 * The order of a route's targets when some of them cool down: healthy ones by the route's strategy, then the others, the
 * one that is due first before the rest. A target that is due stands first only for the request that probes it.
 */
import { type Standing } from './health.ts';
import type { Route, Target } from './policy.ts';
import { type Candidate, type RoundRobin, type Speed, orderCandidates } from './routing.ts';

/** What is known of the targets. */
export interface HealthLook extends Speed {
  standing(target: Target): Standing;
  /** When a target that is not healthy may be tried. */
  readyAtEpochMs(target: Target): number;
}

export interface HealthOrder<T> {
  /** With the probe first, where there is one. */
  readonly ordered: readonly T[];
  /** Stands first only for the one request that may try it. */
  readonly probe?: T;
  /** The order for every other request. */
  readonly withoutProbe: () => readonly T[];
}

/** Orders a route's candidates, which come in the policy's order, by its strategy and their health. */
export function orderByHealth<T extends Candidate>(
  route: Route,
  candidates: readonly T[],
  roundRobin: RoundRobin,
  look: HealthLook,
): HealthOrder<T> {
  const order = (some: readonly T[]): readonly T[] => orderCandidates(route, some, roundRobin, look);
  const only = (ordered: readonly T[]): HealthOrder<T> => ({ ordered, withoutProbe: () => ordered });
  if (route.cooldown === undefined) return only(order(candidates));

  const standings = new Map(candidates.map((candidate) => [candidate, look.standing(candidate.target)]));
  const isHealthy = (candidate: T): boolean => standings.get(candidate) === 'healthy';
  const healthy = candidates.filter(isHealthy);
  if (healthy.length === candidates.length) return only(order(candidates));
  const others = candidates
    .filter((candidate) => !isHealthy(candidate))
    .toSorted((a, b) => look.readyAtEpochMs(a.target) - look.readyAtEpochMs(b.target));
  // Nobody healthy is left: a try is better than a refusal without one.
  if (healthy.length === 0) return only(others);

  const [first, ...rest] = order(candidates.filter((candidate) => standings.get(candidate) !== 'cooling'));
  if (first === undefined || isHealthy(first)) {
    return only([...(first === undefined ? [] : [first]), ...rest.filter(isHealthy), ...others]);
  }
  return {
    ordered: [first, ...rest.filter(isHealthy), ...others.filter((candidate) => candidate !== first)],
    probe: first,
    withoutProbe: () => [...order(healthy), ...others],
  };
}
