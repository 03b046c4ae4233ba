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

interface Turn {
  readonly signature: string;
  readonly current: number[];
}

/**
 * Smooth weighted round robin: any run of consecutive picks as long as the sum of the weights holds every target
 * exactly as often as its weight says, and the picks of one target are spread out. Each process keeps its own turn; the
 * start offset keeps many fresh processes from all beginning with the same target.
 */
export class RoundRobin {
  private readonly turns = new Map<string, Turn>();
  private readonly startFraction: () => number;

  /** @param startFraction uniform in [0, 1): where in its cycle a new route's turn begins */
  constructor(startFraction: () => number) {
    this.startFraction = startFraction;
  }

  /** The index of the target whose turn it is. */
  next(routeName: string, targets: readonly Target[]): number {
    const weights = targets.map((target) => target.weight);
    const signature = targets.map((target) => `${target.provider}/${target.model}=${target.weight}`).join(',');
    let turn = this.turns.get(routeName);
    if (turn?.signature !== signature) {
      turn = { signature, current: weights.map(() => 0) };
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const skip = Math.floor(this.startFraction() * Math.min(total, 1_000));
      for (let i = 0; i < skip; i += 1) advance(turn.current, weights);
      this.turns.set(routeName, turn);
    }
    return advance(turn.current, weights);
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

/** Puts a route's candidates into the order in which they are tried. The candidates come in the policy's order. */
export function orderCandidates<T extends Candidate>(
  route: Route,
  candidates: readonly T[],
  roundRobin: RoundRobin,
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
    default:
      return route.strategy satisfies never;
  }
}
