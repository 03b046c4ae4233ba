/** Makes the domain's policy of a checked file: defaults filled in, amounts in nano-USD, durations in milliseconds. */
import { createHash } from 'node:crypto';
import { findBedrockHost } from '../domain/bedrock.ts';
import { parseUsd } from '../domain/money.ts';
import type { AlertSettings, Budget, ConsumerGroup, Credential, Policy, Provider, Route, Threshold } from '../domain/policy.ts';
import type { Price } from '../domain/prices.ts';
import { DEFAULT_THRESHOLDS, attemptsOf, purposeOf } from './checks-stage.ts';
import { normalBaseUrl } from './endpoints.ts';
import { apisOf } from './protocol-apis.ts';
import { durationMs } from './schema-fields.ts';
import type { BudgetInFile, GroupInFile, PolicyFile, ProviderInFile, RouteInFile, ThresholdInFile } from './schema.ts';

/** What a provider that states no timeouts gets. */
export const DEFAULT_TIMEOUT_MS = { connect: 3000, firstByte: 30_000, idle: 60_000, total: 600_000 } as const;
/** What a group that states no `max_output_tokens` gets. */
export const DEFAULT_MAX_OUTPUT_TOKENS = 1024;
const ALL_TRIGGERS = ['timeout', 'rate_limit', 'server_error', 'provider_budget'] as const;

/** Compiles a file that passed every check, with the prices of its targets. */
export function compilePolicy(file: PolicyFile, prices: readonly Price[]): Policy {
  const stageThresholds = file.cost_tracking?.budget_alerts ?? DEFAULT_THRESHOLDS;
  const routeNames = file.routes.map((route) => route.model);
  return {
    stage: file.stage,
    purpose: purposeOf(file) ?? 'service',
    timezone: file.timezone ?? 'UTC',
    ...given('owner', file.owner),
    costTracking: {
      enabled: file.cost_tracking?.enabled ?? true,
      walletEnforcement: file.cost_tracking?.wallet_enforcement ?? true,
      unpricedModel: file.cost_tracking?.unpriced_model ?? 'reject',
      unknownOutcome: file.cost_tracking?.unknown_outcome ?? 'charge',
      budgetAlerts: thresholdsOf(stageThresholds),
    },
    alerts: alertsOf(file),
    wallets: file.wallets.map((wallet) => ({
      teamId: wallet.team_id,
      planNanoUsdPerMonth: parseUsd(wallet.plan_usd_per_month),
      thresholds: thresholdsOf(wallet.budget_alerts ?? stageThresholds),
    })),
    consumerGroups: file.consumer_groups.map((group) => groupOf(group, routeNames, stageThresholds)),
    providers: file.providers.map((provider) => providerOf(provider, stageThresholds)),
    ...given('defaultRoute', file.default_route),
    routes: file.routes.map(routeOf),
    prices,
    ...given('evaluations', evaluationsOf(file)),
  };
}

/** An optional field that is left out rather than undefined, so that two policies compare by their JSON. */
function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  const field: { [P in K]?: V } = {};
  if (value !== undefined) field[key] = value;
  return field;
}

function thresholdsOf(thresholds: readonly ThresholdInFile[]): Threshold[] {
  return thresholds
    .map(({ threshold_percent: percent, action }) => ({ percent, action }))
    .toSorted((a, b) => a.percent - b.percent);
}

function alertsOf(file: PolicyFile): AlertSettings {
  const { severity = 'informational', owner, runbook, channels = {} } = file.alerts ?? {};
  const slack = channels.slack;
  return {
    severity,
    ...given('owner', owner),
    ...given('runbook', runbook),
    email: channels.email ?? [],
    ...given('slack', slack === undefined ? undefined : { workspaceId: slack.workspace_id, channelId: slack.channel_id }),
  };
}

function budgetOf(budget: BudgetInFile, stageThresholds: readonly ThresholdInFile[]): Budget {
  return {
    name: budget.name,
    window: budget.window,
    limitNanoUsd: parseUsd(budget.limit_usd),
    ...given('per', budget.per),
    ...given('models', budget.models),
    thresholds: thresholdsOf(budget.budget_alerts ?? stageThresholds),
  };
}

function groupOf(group: GroupInFile, routeNames: readonly string[], stageThresholds: readonly ThresholdInFile[]): ConsumerGroup {
  const key = group.api_key;
  return {
    name: group.name,
    ...given('apiKeySha256', key === undefined ? undefined : createHash('sha256').update(key, 'utf8').digest('hex')),
    walletTeamId: group.wallet_team_id,
    funding: group.funding ?? [],
    models: group.models ?? routeNames,
    maxOutputTokens: group.max_output_tokens ?? DEFAULT_MAX_OUTPUT_TOKENS,
    ...given('rateLimits', rateLimitsOf(group)),
    budgets: (group.budgets ?? []).map((budget) => budgetOf(budget, stageThresholds)),
  };
}

function rateLimitsOf({ rate_limits: limits }: GroupInFile): ConsumerGroup['rateLimits'] {
  const { requests_per_minute: requests, tokens_per_minute: tokens } = limits ?? {};
  if (requests === undefined && tokens === undefined) return undefined;
  return { ...given('requestsPerMinute', requests), ...given('tokensPerMinute', tokens) };
}

function providerOf(provider: ProviderInFile, stageThresholds: readonly ThresholdInFile[]): Provider {
  const { timeout = {} } = provider;
  const total = timeout.total === undefined ? DEFAULT_TIMEOUT_MS.total : durationMs(timeout.total);
  const within = (text: string | undefined, defaultMs: number) =>
    Math.min(text === undefined ? defaultMs : durationMs(text), total);
  return {
    name: provider.name,
    protocol: provider.protocol ?? 'openai',
    apis: provider.apis ?? apisOf(provider),
    baseUrl: normalBaseUrl(provider.base_url),
    credential: credentialOf(provider),
    timeoutMs: {
      connect: within(timeout.connect, DEFAULT_TIMEOUT_MS.connect),
      firstByte: within(timeout.first_byte, DEFAULT_TIMEOUT_MS.firstByte),
      idle: within(timeout.idle, DEFAULT_TIMEOUT_MS.idle),
      total,
    },
    outputCapField: provider.output_cap_field ?? 'max_completion_tokens',
    budgets: (provider.budgets ?? []).map((budget) => budgetOf(budget, stageThresholds)),
  };
}

function credentialOf({ name, credential, base_url: baseUrl }: ProviderInFile): Credential {
  if (credential === 'none') return { kind: 'none' };
  if (credential.secret !== undefined) return { kind: 'secret', name: credential.secret };
  const host = findBedrockHost(new URL(baseUrl).hostname);
  if (host === undefined) throw new RangeError(`the address of ${name} is none of Bedrock's`);
  return { kind: 'iam', ...host };
}

function routeOf(route: RouteInFile): Route {
  const { strategy = 'ordered', cooldown, when_budget_above: near } = route;
  return {
    model: route.model,
    aliases: route.aliases ?? [],
    strategy,
    targets: route.targets.map(({ provider, model, weight = 1 }) => ({ provider, model, weight })),
    fallback: { on: route.fallback?.on ?? ALL_TRIGGERS, attempts: attemptsOf(route) },
    ...given(
      'cooldown',
      cooldown === undefined ? undefined : { afterFailures: cooldown.after_failures, forMs: durationMs(cooldown.for) },
    ),
    ...given('noFallbackReason', route.no_fallback_reason),
    ...given('whenBudgetAbove', near === undefined ? undefined : { percent: near.percent, use: near.use }),
    ...given('cache', route.cache && { ttlMs: durationMs(route.cache.ttl) }),
  };
}

function evaluationsOf(file: PolicyFile): Policy['evaluations'] {
  const { evaluations } = file;
  if (evaluations === undefined) return undefined;
  return {
    walletTeamId: evaluations.wallet_team_id,
    maxRunNanoUsd: parseUsd(evaluations.max_run_usd),
    allowed: evaluations.allowed ?? true,
  };
}
