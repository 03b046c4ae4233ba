/**
 * `when_budget_above`: spend near a limit moves to a cheaper route. It goes by the snapshot of figures that this process
 * has, at most 60 s old; without one a request goes its usual way.
 */
import { isCrossed } from '../domain/alerts.ts';
import type { Budget, ConsumerGroup, Policy, Route } from '../domain/policy.ts';
import type { Payments, PotStatement, Statement } from './payments.ts';

/** Who asks, as far as it decides the route. */
export interface Asking {
  readonly policy: Policy;
  readonly group: ConsumerGroup;
  readonly userId: string;
}

/** The route to take, and the one that was asked for where that is another. */
export interface Rerouted {
  readonly route: Route;
  readonly reroutedFrom?: string;
}

/**
 * The route to take instead; undefined: the one that was asked for. Its own rule is not followed, and the permission for the
 * asked route is enough: the operator wrote both.
 */
export function rerouteNearLimit(payments: Pick<Payments, 'peek'>, asking: Asking, asked: Route): Rerouted | undefined {
  const rule = asked.whenBudgetAbove;
  if (rule === undefined) return undefined;
  const { policy, group, userId } = asking;
  const route = policy.routes.find((candidate) => candidate.model === rule.use);
  const statement = payments.peek(policy, group, userId);
  if (route === undefined || statement === undefined || !isAbove(rule.percent, asked, group, statement)) return undefined;
  return { route, reroutedFrom: asked.model };
}

/** Any budget that counts the asked route, hard or soft, the user's own included; or the wallets, when all of them stand there. */
function isAbove(percent: number, asked: Route, group: ConsumerGroup, { wallets, budgets }: Statement): boolean {
  const counts = ({ models }: Budget): boolean => models === undefined || models.includes(asked.model);
  const counting = new Set(group.budgets.filter(counts).map((budget) => budget.name));
  const reaches = (pot: PotStatement): boolean => isCrossed(percent, { ...levelOfStatement(pot), limitName: '' });
  // `budget/GROUP/NAME`, and the user's name behind it.
  if (budgets.some((pot) => counting.has(pot.scope.split('/')[2] ?? '') && reaches(pot))) return true;
  return wallets.length > 0 && wallets.every((pot) => pot.hard && reaches(pot));
}

function levelOfStatement({ spentNanoUsd, limitNanoUsd, baseNanoUsd = 0n }: PotStatement) {
  return { spentNanoUsd: spentNanoUsd - baseNanoUsd, limitNanoUsd: limitNanoUsd - baseNanoUsd };
}
