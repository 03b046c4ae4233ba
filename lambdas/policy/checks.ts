/** What the words of a policy mean together: references that exist, names that are unique, rules that can hold. */
import { checkBedrockTargets } from './bedrock-endpoints.ts';
import { checkEndpoints } from './endpoints.ts';
import type { Findings } from './findings.ts';
import { type PathStep, nearest } from './problems.ts';
import { checkRouteHealth, checkReroute } from './checks-routing.ts';
import { durationMs } from './schema-fields.ts';
import type { PolicyFile, ProviderInFile, RouteInFile, ThresholdInFile } from './schema.ts';

/** A Lambda function ends at 15 minutes; a call must be over and settled before. */
const MAX_TOTAL_MS = 14 * 60_000;
/** A cache keeps an answer for a week at most. */
const MIN_CACHE_MS = 1000;
const MAX_CACHE_MS = 168 * 3600 * 1000;

/** Runs every check that holds for any stage. */
export function checkMeaning(file: PolicyFile, deployed: boolean, findings: Findings): void {
  checkTimezone(file, findings);
  checkUnique(file, findings);
  checkReferences(file, findings);
  checkRouteNames(file.routes, findings);
  checkThresholds(file, findings);
  checkAlerts(file, findings);
  checkEndpoints(file.providers, deployed, findings);
  checkBedrockTargets(file.providers, file.routes, findings);
  for (const [index, provider] of file.providers.entries()) checkTimeouts(provider, index, findings);
  for (const [index, route] of file.routes.entries()) {
    checkRoute(route, index, findings);
    checkRouteHealth(route, index, findings);
    checkReroute(file.routes, index, findings);
  }
  checkKeys(file, deployed, findings);
}

function checkTimezone(file: PolicyFile, findings: Findings): void {
  if (file.timezone === undefined) return;
  const known = /^[A-Za-z]/.test(file.timezone) && isZone(file.timezone);
  if (known) return;
  const near = nearest(file.timezone, Intl.supportedValuesOf('timeZone'));
  const advice = near === undefined ? 'use an IANA name, such as Europe/Berlin or UTC' : `did you mean '${near}'?`;
  findings.error(['timezone'], `'${file.timezone}' is no timezone`, advice);
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function checkUnique(file: PolicyFile, findings: Findings): void {
  const unique = (what: string, path: readonly PathStep[], names: readonly string[], key?: string) => {
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue;
      const place = key === undefined ? [...path, index] : [...path, index, key];
      findings.error(place, `${what} '${name}' stands twice`, 'rename or remove one of them');
    }
  };
  unique(
    'wallet',
    ['wallets'],
    file.wallets.map((wallet) => wallet.team_id),
    'team_id',
  );
  unique(
    'consumer group',
    ['consumer_groups'],
    file.consumer_groups.map((group) => group.name),
    'name',
  );
  unique(
    'provider',
    ['providers'],
    file.providers.map((provider) => provider.name),
    'name',
  );
  for (const [index, group] of file.consumer_groups.entries()) {
    const path = ['consumer_groups', index];
    unique(
      `budget of ${group.name}`,
      [...path, 'budgets'],
      (group.budgets ?? []).map((budget) => budget.name),
      'name',
    );
    unique(`route of ${group.name}`, [...path, 'models'], group.models ?? []);
    unique(`wallet of ${group.name}`, [...path, 'funding'], group.funding ?? []);
    if (group.funding?.includes(group.wallet_team_id) === true) {
      findings.error(
        [...path, 'funding'],
        `'${group.wallet_team_id}' is the first wallet of ${group.name} already`,
        'remove it from funding',
      );
    }
  }
  for (const [index, provider] of file.providers.entries()) {
    const names = (provider.budgets ?? []).map((budget) => budget.name);
    unique(`budget of ${provider.name}`, ['providers', index, 'budgets'], names, 'name');
  }
  for (const [index, route] of file.routes.entries()) {
    const names = route.targets.map((target) => `${target.provider}/${target.model}`);
    unique(`target of ${route.model}`, ['routes', index, 'targets'], names);
    unique(`trigger of ${route.model}`, ['routes', index, 'fallback', 'on'], route.fallback?.on ?? []);
  }
}

function checkReferences(file: PolicyFile, findings: Findings): void {
  const wallets = file.wallets.map((wallet) => wallet.team_id);
  const routes = file.routes.map((route) => route.model);
  const providers = file.providers.map((provider) => provider.name);
  const refer = (what: string, list: string, known: readonly string[], name: string, path: readonly PathStep[]) => {
    if (known.includes(name)) return;
    const aliased = what === 'route' ? file.routes.find((route) => route.aliases?.includes(name))?.model : undefined;
    const near = aliased ?? nearest(name, known);
    const hint = aliased === undefined ? `did you mean '${near}'?` : `it is an alias: write '${aliased}'`;
    const advice = near === undefined ? `known: ${known.slice(0, 8).join(', ')}` : hint;
    findings.error(path, `there is no ${what} '${name}' under ${list}`, advice);
  };
  for (const [index, group] of file.consumer_groups.entries()) {
    const path = ['consumer_groups', index];
    refer('wallet', 'wallets', wallets, group.wallet_team_id, [...path, 'wallet_team_id']);
    for (const [at, name] of (group.funding ?? []).entries()) refer('wallet', 'wallets', wallets, name, [...path, 'funding', at]);
    for (const [at, name] of (group.models ?? []).entries()) refer('route', 'routes', routes, name, [...path, 'models', at]);
    for (const [at, budget] of (group.budgets ?? []).entries()) {
      for (const [place, name] of (budget.models ?? []).entries()) {
        const where = [...path, 'budgets', at, 'models', place];
        refer('route', 'routes', routes, name, where);
        if (routes.includes(name) && group.models?.includes(name) === false) {
          findings.warn(where, `group ${group.name} may not call '${name}', so this budget never counts it`);
        }
      }
    }
  }
  for (const [index, route] of file.routes.entries()) {
    for (const [at, target] of route.targets.entries()) {
      refer('provider', 'providers', providers, target.provider, ['routes', index, 'targets', at, 'provider']);
    }
    const use = route.when_budget_above?.use;
    if (use !== undefined) refer('route', 'routes', routes, use, ['routes', index, 'when_budget_above', 'use']);
  }
  for (const [index, price] of (file.prices ?? []).entries()) {
    refer('provider', 'providers', providers, price.provider, ['prices', index, 'provider']);
  }
  if (file.default_route !== undefined) refer('route', 'routes', routes, file.default_route, ['default_route']);
  if (file.evaluations !== undefined) {
    refer('wallet', 'wallets', wallets, file.evaluations.wallet_team_id, ['evaluations', 'wallet_team_id']);
  }
}

function checkRouteNames(routes: readonly RouteInFile[], findings: Findings): void {
  const models = routes.map((route) => route.model);
  const owners = new Map<string, string>();
  for (const [index, route] of routes.entries()) {
    if (models.indexOf(route.model) !== index) {
      findings.error(
        ['routes', index, 'model'],
        `route '${route.model}' stands twice`,
        'rename one, or make one route with more targets',
      );
    }
    for (const [at, alias] of (route.aliases ?? []).entries()) {
      const path = ['routes', index, 'aliases', at];
      const owner = owners.get(alias);
      if (models.includes(alias)) findings.error(path, `alias '${alias}' is the name of a route`, 'remove the alias');
      else if (owner !== undefined)
        findings.error(path, `alias '${alias}' leads to ${owner} already`, 'an alias leads to one route');
      owners.set(alias, route.model);
    }
  }
}

function checkThresholds(file: PolicyFile, findings: Findings): void {
  const stageAlerts = file.cost_tracking?.budget_alerts ?? [];
  const check = (thresholds: readonly ThresholdInFile[] | undefined, path: readonly PathStep[], isWallet: boolean) => {
    const own = thresholds ?? [];
    const percents = own.map((threshold) => threshold.threshold_percent);
    for (const [index, { threshold_percent: percent, action }] of own.entries()) {
      const place = [...path, index];
      if (percents.indexOf(percent) !== index) findings.error(place, `${percent} % stands twice`, 'a percent has one threshold');
      if (action !== 'block') continue;
      if (percent > 100) findings.error(place, `a block at ${percent} % lets spend pass the limit`, 'a block is at 100 or less');
      if (own.findIndex((other) => other.action === 'block') !== index)
        findings.error(place, 'a second block: only the lowest bites');
      if (isWallet && percent < 100) {
        findings.error(
          place,
          `a wallet stops at 0, not at ${percent} %`,
          'put the block at 100, or make a budget with this block',
        );
      }
    }
  };
  check(stageAlerts, ['cost_tracking', 'budget_alerts'], false);
  const early = stageAlerts.findIndex((threshold) => threshold.action === 'block' && threshold.threshold_percent < 100);
  for (const [index, wallet] of file.wallets.entries()) {
    check(wallet.budget_alerts, ['wallets', index, 'budget_alerts'], true);
    if (early >= 0 && wallet.budget_alerts === undefined) {
      findings.error(
        ['cost_tracking', 'budget_alerts', early],
        `wallet ${wallet.team_id} takes over this block below 100 %, and a wallet stops at 0`,
        `give wallet ${wallet.team_id} its own budget_alerts with the block at 100`,
      );
    }
  }
  for (const [index, group] of file.consumer_groups.entries()) {
    for (const [at, budget] of (group.budgets ?? []).entries()) {
      check(budget.budget_alerts, ['consumer_groups', index, 'budgets', at, 'budget_alerts'], false);
    }
  }
  for (const [index, provider] of file.providers.entries()) {
    for (const [at, budget] of (provider.budgets ?? []).entries()) {
      check(budget.budget_alerts, ['providers', index, 'budgets', at, 'budget_alerts'], false);
    }
  }
}

function checkAlerts(file: PolicyFile, findings: Findings): void {
  if (file.alerts?.severity !== 'actionable') return;
  if (file.alerts.runbook === undefined) {
    findings.error(['alerts', 'severity'], 'an actionable alert needs a runbook', 'add alerts.runbook: https://…');
  }
  if (file.alerts.owner === undefined && file.owner === undefined) {
    findings.error(
      ['alerts', 'severity'],
      'an actionable alert needs an owner',
      'add alerts.owner, or owner for the whole stage',
    );
  }
}

function checkTimeouts(provider: ProviderInFile, index: number, findings: Findings): void {
  const { timeout = {} } = provider;
  const totalMs = timeout.total === undefined ? undefined : durationMs(timeout.total);
  for (const part of ['connect', 'first_byte', 'idle', 'total'] as const) {
    const text = timeout[part];
    if (text === undefined) continue;
    const path = ['providers', index, 'timeout', part];
    const ms = durationMs(text);
    if (ms < 1) findings.error(path, 'a timeout of 0 lets nothing through', 'write 1ms or more');
    if (ms > MAX_TOTAL_MS) findings.error(path, 'at most 14m: the function that waits ends at 15 minutes', 'write 14m or less');
    if (part !== 'total' && totalMs !== undefined && ms > totalMs) {
      findings.warn(path, `${part} of ${provider.name} is longer than its total: total ends the call first`);
    }
  }
}

function checkRoute(route: RouteInFile, index: number, findings: Findings): void {
  const strategy = route.strategy ?? 'ordered';
  for (const [at, target] of route.targets.entries()) {
    if (target.weight === undefined || strategy === 'weighted_round_robin') continue;
    findings.warn(['routes', index, 'targets', at, 'weight'], `a weight has no effect on a route that is ${strategy}`);
  }
  if (route.cache !== undefined) {
    const ttlMs = durationMs(route.cache.ttl);
    const outside = ttlMs < MIN_CACHE_MS || ttlMs > MAX_CACHE_MS;
    if (outside) findings.error(['routes', index, 'cache', 'ttl'], 'a ttl is 1s to 168h', 'write one such as 1h');
  }
  const attempts = route.fallback?.attempts;
  if (attempts !== undefined && attempts > route.targets.length + 1) {
    const targets = route.targets.length === 1 ? '1 target' : `${route.targets.length} targets`;
    const most = route.targets.length + 1;
    const message = `route ${route.model} has ${targets}: each is tried once, and one more time when all asked to wait, so ${attempts} attempts are ${most}`;
    findings.warn(['routes', index, 'fallback', 'attempts'], message);
  }
  if (route.fallback !== undefined && route.no_fallback_reason !== undefined && route.targets.length > 1) {
    findings.warn(['routes', index, 'no_fallback_reason'], `route ${route.model} has a fallback, so this reason says nothing`);
  }
}

function checkKeys(file: PolicyFile, deployed: boolean, findings: Findings): void {
  const seen = new Set<string>();
  for (const [index, group] of file.consumer_groups.entries()) {
    if (group.api_key === undefined) continue;
    const path = ['consumer_groups', index, 'api_key'];
    if (seen.has(group.api_key))
      findings.error(path, `group ${group.name} has the key of another group`, 'a key belongs to one group');
    seen.add(group.api_key);
    const command = `npx tollgate keys create --stage ${file.stage} --group ${group.name} --import`;
    const advice = `move it into the key store with: ${command} (it reads the key from standard input), then remove api_key`;
    if (deployed) findings.error(path, `group ${group.name} has a plaintext key, which a deployed stage refuses`, advice);
    else findings.warn(path, `group ${group.name} has a plaintext key in the file: only a local stage accepts it`, advice);
  }
}
