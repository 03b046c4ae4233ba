/** A policy as a person reads it: what is paid by whom, what bites where, and who answers. */
import { formatUsd } from '../../lambdas/domain/money.ts';
import type { Budget, ConsumerGroup, Policy, Provider, Route, Threshold } from '../../lambdas/domain/policy.ts';
import { findPrice } from '../../lambdas/domain/prices.ts';

/** Describes the effective policy, defaults filled in. No key and no secret's value is in it. */
export function describePolicy(policy: Policy, nowEpochMs = Date.now()): string {
  const { costTracking: costs, alerts } = policy;
  const lines = [
    `Stage ${policy.stage}, purpose ${policy.purpose}, timezone ${policy.timezone}, owner ${policy.owner ?? 'nobody named'}`,
    `Costs: tracking ${onOff(costs.enabled)}, wallets ${costs.walletEnforcement ? 'block when empty' : 'only record'}, ` +
      `unpriced models: ${costs.unpricedModel}, unknown outcomes: ${costs.unknownOutcome}`,
    `Alerts: ${alerts.severity}, to ${[...alerts.email, ...(alerts.slack ? [`Slack ${alerts.slack.channelId}`] : [])].join(', ') || 'the log only'}` +
      `, owner ${alerts.owner ?? policy.owner ?? 'nobody named'}${alerts.runbook === undefined ? '' : `, runbook ${alerts.runbook}`}`,
    '',
    'Wallets',
    ...policy.wallets.map(
      (wallet) => `  ${wallet.teamId}: plan $${formatUsd(wallet.planNanoUsdPerMonth)} a month; ${thresholds(wallet.thresholds)}`,
    ),
    '',
    'Consumer groups',
    ...policy.consumerGroups.flatMap(describeGroup),
    '',
    'Providers',
    ...policy.providers.flatMap(describeProvider),
    '',
    `Routes${policy.defaultRoute === undefined ? ' (an unknown model is a 404)' : ` (an unknown model goes to ${policy.defaultRoute})`}`,
    ...policy.routes.flatMap((route) => describeRoute(policy, route, nowEpochMs)),
  ];
  return lines.join('\n');
}

function describeGroup(group: ConsumerGroup): readonly string[] {
  const wallets = [group.walletTeamId, ...group.funding].join(', then ');
  return [
    `  ${group.name}: paid by ${wallets}; models ${group.models.join(', ')}; at most ${group.maxOutputTokens} output tokens`,
    ...group.budgets.map(describeBudget),
  ];
}

function describeProvider(provider: Provider): readonly string[] {
  const { credential } = provider;
  const access =
    credential.kind === 'secret'
      ? `secret ${credential.name}`
      : credential.kind === 'iam'
        ? `IAM (${credential.service})`
        : 'no credential';
  return [
    `  ${provider.name}: ${provider.protocol} at ${provider.baseUrl}, ${access}; serves ${provider.apis.join(', ')}`,
    ...provider.budgets.map(describeBudget),
  ];
}

function describeBudget(budget: Budget): string {
  const per = budget.per === undefined ? '' : ` for each ${budget.per}`;
  const models = budget.models === undefined ? '' : ` on ${budget.models.join(', ')}`;
  return `    ${budget.name}: $${formatUsd(budget.limitNanoUsd)} ${budget.window === 'total' ? 'in total' : `a ${budget.window}`}${per}${models}; ${thresholds(budget.thresholds)}`;
}

function describeRoute(policy: Policy, route: Route, nowEpochMs: number): readonly string[] {
  const aliases = route.aliases.length === 0 ? '' : ` (also ${route.aliases.join(', ')})`;
  const fallback = route.fallback.on.length === 0 ? 'no fallback' : `falls back on ${route.fallback.on.join(', ')}`;
  const reason = route.noFallbackReason === undefined ? '' : `: ${route.noFallbackReason}`;
  const cache = route.cache === undefined ? '' : `; answers are given again for ${route.cache.ttlMs / 1_000} s`;
  return [
    `  ${route.model}${aliases}: ${route.strategy}, ${fallback}${reason}${cache}`,
    ...routingRules(route),
    ...route.targets.map((target) => {
      const price = findPrice(policy.prices, target.provider, target.model, nowEpochMs);
      const tier = price?.tiers[0];
      const weight = route.strategy === 'weighted_round_robin' ? `, weight ${target.weight}` : '';
      // A pico-dollar a token is a micro-dollar a million tokens: a thousand nano-dollars.
      const usd = (picoUsd: bigint): string => `$${formatUsd(picoUsd * 1_000n)}`;
      const cost =
        tier === undefined || price === undefined
          ? 'no price'
          : price.inputOnly === true
            ? `${usd(tier.inputPicoUsd)} in a million tokens, embeds only (${price.source})`
            : `${usd(tier.inputPicoUsd)} in, ${usd(tier.outputPicoUsd)} out a million tokens (${price.source})`;
      return `    ${target.provider}/${target.model}${weight}: ${cost}`;
    }),
  ];
}

function routingRules({ cooldown, whenBudgetAbove: near }: Route): readonly string[] {
  return [
    ...(cooldown === undefined
      ? []
      : [`    cools down for ${cooldown.forMs / 1_000} s after ${cooldown.afterFailures} failures in a row`]),
    ...(near === undefined ? [] : [`    runs on ${near.use} once a budget stands at ${near.percent} %`]),
  ];
}

function thresholds(all: readonly Threshold[]): string {
  return all.length === 0 ? 'no thresholds' : all.map((one) => `${one.action} at ${one.percent} %`).join(', ');
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}
