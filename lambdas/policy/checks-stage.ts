/** What makes production production: the rules of a service stage. A learning stage may do without them. */
import type { Findings } from './findings.ts';
import type { PathStep } from './problems.ts';
import type { PolicyFile, RouteInFile, ThresholdInFile } from './schema.ts';

/** A stage's purpose: stated, or what `dev` and `prod` are by name. */
export function purposeOf(file: PolicyFile): 'learning' | 'service' | undefined {
  if (file.purpose !== undefined) return file.purpose;
  if (file.stage === 'dev') return 'learning';
  return file.stage === 'prod' ? 'service' : undefined;
}

/** Thresholds of a stage that states none: the limits bite. */
export const DEFAULT_THRESHOLDS: readonly ThresholdInFile[] = [
  { threshold_percent: 50, action: 'notify' },
  { threshold_percent: 90, action: 'notify' },
  { threshold_percent: 100, action: 'block' },
];

/** How many targets a route tries for one request. */
function triedTargetsOf(route: RouteInFile): number {
  return Math.min(attemptsOf(route), route.targets.length);
}

/** How often a route sends one request at most: each target once, and once more when all of them asked to wait. */
export function attemptsOf(route: RouteInFile): number {
  if (route.fallback === undefined) return route.no_fallback_reason === undefined ? route.targets.length : 1;
  if (route.fallback.on?.length === 0) return 1;
  return Math.min(route.fallback.attempts ?? route.targets.length, route.targets.length + 1);
}

/** Runs the rules that depend on what the stage is for. */
export function checkStageRules(file: PolicyFile, findings: Findings): void {
  const purpose = purposeOf(file);
  if (purpose === undefined) {
    const advice = 'add purpose: learning or purpose: service';
    findings.error(['stage'], `stage ${file.stage} does not say what it is for; only dev and prod say it by their names`, advice);
  }
  checkUnknownOutcome(file, purpose === 'service', findings);
  if (purpose !== 'service') {
    if (file.cost_tracking?.enabled === false) {
      findings.warn(
        ['cost_tracking', 'enabled'],
        'cost tracking is off: everything is recorded, nothing blocks and nothing alerts',
      );
    }
    return;
  }
  checkSwitches(file, findings);
  checkHardBlocks(file, findings);
  for (const [index, provider] of file.providers.entries()) {
    if ((provider.budgets ?? []).length > 0) continue;
    const advice = 'add budgets: [{ name: month, window: month, limit_usd: "…" }]';
    findings.error(
      ['providers', index],
      `provider ${provider.name} has no budget; a service stage bounds what each vendor may cost`,
      advice,
    );
  }
  for (const [index, route] of file.routes.entries()) {
    if (route.cache !== undefined && route.cache.on_service !== true) {
      const message = `route ${route.model} has a cache; a service stage that gives answers again says so`;
      findings.error(
        ['routes', index, 'cache'],
        message,
        `write cache: { ttl: ${route.cache.ttl}, on_service: true }, or remove it`,
      );
    }
    if (triedTargetsOf(route) > 1 || route.no_fallback_reason !== undefined) continue;
    const message = `route ${route.model} has neither a fallback nor a stated reason for none`;
    findings.error(['routes', index], message, 'add a second target and fallback, or no_fallback_reason: …');
  }
  if (file.default_route !== undefined) {
    const message =
      'default_route answers names that nobody listed; a service stage usually leaves it out (an unknown name is 404)';
    findings.warn(['default_route'], message);
  }
}

function checkSwitches(file: PolicyFile, findings: Findings): void {
  const costs = file.cost_tracking ?? {};
  const refuse = (key: string, message: string, advice: string) => findings.error(['cost_tracking', key], message, advice);
  if (costs.enabled === false)
    refuse('enabled', 'a service stage tracks its costs: enabled: false is refused', 'remove it or write true');
  if (costs.wallet_enforcement === false) {
    refuse(
      'wallet_enforcement',
      'wallets of a service stage block: wallet_enforcement: false is refused',
      'remove it or write true',
    );
  }
  if (costs.unpriced_model === 'allow_at_zero') {
    refuse('unpriced_model', 'a service stage never sends an unpriced request: allow_at_zero is refused', 'write reject');
  }
}

function checkUnknownOutcome(file: PolicyFile, service: boolean, findings: Findings): void {
  if (file.cost_tracking?.unknown_outcome !== 'release') return;
  const refuse = (why: string) =>
    findings.error(['cost_tracking', 'unknown_outcome'], `release is refused ${why}`, 'write charge');
  if (service) refuse('for a service stage: money that may have been spent would be counted as free');
  const bounded = file.providers.find((provider) => (provider.budgets ?? []).length > 0);
  if (bounded !== undefined)
    refuse(`beside provider budgets (${bounded.name} has one): the vendor charges what it did, known or not`);
  if (file.evaluations !== undefined) refuse('beside evaluations: a run would spend more than it shows');
}

function checkHardBlocks(file: PolicyFile, findings: Findings): void {
  const stageDefault = file.cost_tracking?.budget_alerts ?? DEFAULT_THRESHOLDS;
  const check = (what: string, own: readonly ThresholdInFile[] | undefined, path: readonly PathStep[]) => {
    if ((own ?? stageDefault).some((threshold) => threshold.action === 'block')) return;
    const advice = 'add { threshold_percent: 100, action: block } to its budget_alerts';
    findings.error(path, `${what} has no block; a service stage needs a hard block on every wallet and budget`, advice);
  };
  for (const [index, wallet] of file.wallets.entries())
    check(`wallet ${wallet.team_id}`, wallet.budget_alerts, ['wallets', index]);
  for (const [index, group] of file.consumer_groups.entries()) {
    for (const [at, budget] of (group.budgets ?? []).entries()) {
      check(`budget ${group.name}/${budget.name}`, budget.budget_alerts, ['consumer_groups', index, 'budgets', at]);
    }
  }
  for (const [index, provider] of file.providers.entries()) {
    for (const [at, budget] of (provider.budgets ?? []).entries()) {
      check(`budget ${provider.name}/${budget.name}`, budget.budget_alerts, ['providers', index, 'budgets', at]);
    }
  }
}
