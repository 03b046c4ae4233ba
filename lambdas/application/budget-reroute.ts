/**
 * `when_budget_above`: spend near a limit moves to a cheaper route. It goes by the snapshot of figures that this process
 * has, at most 60 s old; without one a request goes its usual way.
 */
import { isCrossed } from '../domain/alerts.ts';
import type { Budget, ConsumerGroup, Route } from '../domain/policy.ts';
import type { CallRequest } from './complete-call.ts';
import type { Payments, PotStatement, Statement } from './payments.ts';
import { type PricedTargets, priceTargets } from './priced-targets.ts';

/** The route to take with its targets, and the one that was asked for where that is another. */
export interface RouteTargets extends PricedTargets {
  readonly route: Route;
  readonly reroutedFrom?: string;
}

/** The targets of the cheaper route where a budget says so and it can serve the request, else of the one asked for. */
export function routeTargets(
  payments: Pick<Payments, 'peek'>,
  request: CallRequest,
  asked: Route,
  nowEpochMs: number,
): RouteTargets {
  const cheaper = cheaperRoute(payments, request, asked);
  if (cheaper !== undefined) {
    const targets = priceTargets(request, cheaper, nowEpochMs);
    if (targets.priced.length > 0) return { route: cheaper, reroutedFrom: asked.model, ...targets };
  }
  return { route: asked, ...priceTargets(request, asked, nowEpochMs) };
}

/** Its own rule is not followed, and the permission for the asked route is enough: the operator wrote both. */
function cheaperRoute(payments: Pick<Payments, 'peek'>, { policy, group, userId }: CallRequest, asked: Route): Route | undefined {
  const rule = asked.whenBudgetAbove;
  if (rule === undefined) return undefined;
  const statement = payments.peek(policy, group, userId);
  if (statement === undefined || !isAbove(rule.percent, asked, group, statement)) return undefined;
  return policy.routes.find((candidate) => candidate.model === rule.use);
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
