/** What a route's cooldown, `lowest_latency` and `when_budget_above` mean together with its targets and the other routes. */
import type { Findings } from './findings.ts';
import { durationMs } from './schema-fields.ts';
import type { RouteInFile } from './schema.ts';

const LEAST_COOLDOWN_MS = 1_000;
const MOST_COOLDOWN_MS = 3_600_000;

/** Runs the checks of what goes by the targets' health. */
export function checkRouteHealth(route: RouteInFile, index: number, findings: Findings): void {
  const { cooldown, targets, strategy } = route;
  if (cooldown !== undefined) {
    const path = ['routes', index, 'cooldown'];
    const forMs = durationMs(cooldown.for);
    if (forMs < LEAST_COOLDOWN_MS || forMs > MOST_COOLDOWN_MS) {
      findings.error([...path, 'for'], `a cooldown of ${cooldown.for} is not between 1s and 1h`, 'write 30s, for example');
    }
    if (targets.length === 1) {
      findings.warn(path, `route ${route.model} has 1 target: it is tried even while it cools down, so a cooldown has no effect`);
    }
  }
  if (strategy === 'lowest_latency' && cooldown === undefined && targets.length > 1) {
    const message = `route ${route.model} goes by speed alone: a fast target that fails is asked first again and again`;
    findings.warn(['routes', index, 'strategy'], message, 'add cooldown: { after_failures: 3, for: 30s }');
  }
}

/** Runs the checks of `when_budget_above`. That the route `use` exists is checked with the other references. */
export function checkReroute(routes: readonly RouteInFile[], index: number, findings: Findings): void {
  const route = routes[index];
  const use = route?.when_budget_above?.use;
  if (route === undefined || use === undefined) return;
  const path = ['routes', index, 'when_budget_above', 'use'];
  if (use === route.model) {
    findings.error(path, `route ${use} leads to itself`, 'name a cheaper route');
    return;
  }
  const next = routes.find((candidate) => candidate.model === use)?.when_budget_above;
  if (next === undefined) return;
  const advice = next.use === route.model ? 'remove one of the two rules' : `use ${next.use} here`;
  findings.error(path, `route ${use} has a when_budget_above of its own, and a request moves only once`, advice);
}
