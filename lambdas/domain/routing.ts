/**
 * Routing: which route a model name means, and in which order its targets are tried. Pure but for the round robin's
 * turn, which is kept per process.
 */
import type { NanoUsd } from './money.ts';
import type { ConsumerGroup, Policy, Route, Target } from './policy.ts';

/** The outcome of looking up a model name for a group. */
export type Resolution =
  | { readonly ok: true; readonly route: Route }
  | { readonly ok: false; readonly reason: 'not_found' | 'not_allowed' };

/** A target together with what this request would cost there at most. */
export interface Candidate {
  readonly target: Target;
  readonly boundNanoUsd: NanoUsd;
}

/** Finds the route that a model name means: its own name first, then an alias, then the default route. */
export function resolveRoute(policy: Policy, group: ConsumerGroup, model: string): Resolution {
  const route =
    policy.routes.find((candidate) => candidate.model === model) ??
    policy.routes.find((candidate) => candidate.aliases.includes(model)) ??
    policy.routes.find((candidate) => candidate.model === policy.defaultRoute);
  if (route === undefined) return { ok: false, reason: 'not_found' };
  return group.models.includes(route.model) ? { ok: true, route } : { ok: false, reason: 'not_allowed' };
}

/** Names that a group may ask for: its routes, each followed by its aliases, in the policy's order. */
export function callableModels(policy: Policy, group: ConsumerGroup): readonly string[] {
  return policy.routes.filter((route) => group.models.includes(route.model)).flatMap((route) => [route.model, ...route.aliases]);
}

/** Sets of targets whose turns are remembered: every changed policy and every outage makes some. */
const MOST_TURNS = 1_024;

/**
 * Smooth weighted round robin: any run of consecutive picks as long as the sum of the weights holds every target
 * exactly as often as its weight says, and the picks of one target are spread out. Each set of targets has a turn of its
 * own, so that one which is left out for a while neither starves nor skews the others. Each process keeps its own turns;
 * the start offset keeps many fresh processes from all beginning with the same target.
 */
export class RoundRobin {
  private readonly turns = new Map<string, number[]>();
  private readonly startFraction: () => number;

  /** @param startFraction uniform in [0, 1): where in its cycle a new route's turn begins */
  constructor(startFraction: () => number) {
    this.startFraction = startFraction;
  }

  /** The index of the target whose turn it is. */
  next(routeName: string, targets: readonly Target[]): number {
    const weights = targets.map((target) => target.weight);
    const name = [routeName, ...targets.map((target) => `${target.provider}/${target.model}=${target.weight}`)].join('\n');
    let turn = this.turns.get(name);
    if (turn === undefined) {
      turn = weights.map(() => 0);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const skip = Math.floor(this.startFraction() * Math.min(total, 1_000));
      for (let i = 0; i < skip; i += 1) advance(turn, weights);
      if (this.turns.size >= MOST_TURNS) this.turns.clear();
      this.turns.set(name, turn);
    }
    return advance(turn, weights);
  }
}

function advance(current: number[], weights: readonly number[]): number {
  let best = 0;
  let total = 0;
  for (const [index, weight] of weights.entries()) {
    total += weight;
    current[index] = (current[index] ?? 0) + weight;
    if ((current[index] ?? 0) > (current[best] ?? 0)) best = index;
  }
  current[best] = (current[best] ?? 0) - total;
  return best;
}

/** What `lowest_latency` goes by. */
export interface Speed {
  /** Rolling time to the first byte; undefined: unknown, so it is tried. */
  latencyMs(target: Target): number | undefined;
  /** Uniform in [0, 1). */
  fraction(): number;
}

/** Of this share of requests another target than the fastest is tried first, so that its figure stays true. */
export const EXPLORED_SHARE = 0.05;
const NOTHING_KNOWN: Speed = { latencyMs: () => undefined, fraction: () => 1 - Number.EPSILON };

/** Puts a route's candidates into the order in which they are tried. The candidates come in the policy's order. */
export function orderCandidates<T extends Candidate>(
  route: Route,
  candidates: readonly T[],
  roundRobin: RoundRobin,
  speed: Speed = NOTHING_KNOWN,
): readonly T[] {
  switch (route.strategy) {
    case 'ordered':
      return candidates;
    case 'least_cost':
      return candidates.toSorted((a, b) => (a.boundNanoUsd < b.boundNanoUsd ? -1 : a.boundNanoUsd > b.boundNanoUsd ? 1 : 0));
    case 'weighted_round_robin': {
      if (candidates.length === 0) return candidates;
      const first = roundRobin.next(
        route.model,
        candidates.map((candidate) => candidate.target),
      );
      return [...candidates.slice(first), ...candidates.slice(0, first)];
    }
    case 'lowest_latency':
      return fastestFirst(candidates, speed);
    default:
      return route.strategy satisfies never;
  }
}

function fastestFirst<T extends Candidate>(candidates: readonly T[], speed: Speed): readonly T[] {
  const timed = candidates.map((candidate) => ({ candidate, latencyMs: speed.latencyMs(candidate.target) ?? -1 }));
  const ordered = timed
    .toSorted((a, b) => (a.latencyMs < b.latencyMs ? -1 : a.latencyMs > b.latencyMs ? 1 : 0))
    .map(({ candidate }) => candidate);
  if (ordered.length < 2 || speed.fraction() >= EXPLORED_SHARE) return ordered;
  const at = 1 + Math.floor(speed.fraction() * (ordered.length - 1));
  return [...ordered.slice(at, at + 1), ...ordered.slice(0, at), ...ordered.slice(at + 1)];
}
