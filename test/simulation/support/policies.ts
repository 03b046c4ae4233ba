/** The policy of a simulated stage, and how an operator changes it while calls are under way. */
import type { Budget, ConsumerGroup, Policy, Provider, Threshold } from '../../../lambdas/domain/policy.ts';
import type { Price } from '../../../lambdas/domain/prices.ts';
import type { Dice } from './dice.ts';
import type { Profile, ProfileBudget, ProfileGroup, ProfileProvider } from './profile.ts';

export const PRICE: Price = {
  provider: 'near',
  model: 'm',
  fromEpochMs: 0,
  source: 'policy',
  tiers: [{ aboveInputTokens: 0, inputPicoUsd: 0n, cachedInputPicoUsd: 0n, outputPicoUsd: 1_000n }],
};

/** At noon UTC some of these have the next day already. */
const ZONES = ['UTC', 'Europe/Berlin', 'Pacific/Kiritimati', 'Pacific/Auckland'];

/** The policy that a simulation starts with. */
export function firstPolicy(profile: Profile, dice: Dice): Policy {
  return {
    stage: 'sim',
    purpose: 'learning',
    timezone: dice.pick(profile.starts).timezone,
    owner: 'platform@example.com',
    costTracking: {
      enabled: true,
      walletEnforcement: true,
      unpricedModel: 'reject',
      unknownOutcome: dice.chance(0.5) ? 'charge' : 'release',
      budgetAlerts: profile.thresholds,
    },
    alerts: { severity: 'informational', email: [] },
    wallets: Object.keys(profile.wallets).map((teamId) => makeWallet(profile, teamId)),
    consumerGroups: profile.groups.map((group) => makeGroup(profile, group)),
    providers: profile.providers.map((provider) => makeProvider(profile, provider)),
    routes: profile.models.map((model) => ({
      model,
      aliases: [],
      strategy: 'ordered' as const,
      targets: profile.providers.map(({ name }) => ({ provider: name, model: 'm', weight: 1 })),
      fallback: { on: ['server_error' as const, 'provider_budget' as const], attempts: 2 },
    })),
    prices: [PRICE],
  };
}

/** The same policy with one hard or soft limit at 40 to 220 % of what it was. */
export function withOtherLimit(policy: Policy, dice: Dice): Policy {
  const factor = BigInt(dice.whole(40, 220));
  const holders = [...policy.consumerGroups, ...policy.providers].filter((holder) => holder.budgets.length > 0);
  if (holders.length === 0) return policy;
  const holder = dice.pick(holders);
  const name = dice.pick(holder.budgets).name;
  const change = <H extends { readonly budgets: readonly Budget[] }>(candidate: H): H =>
    candidate.budgets !== holder.budgets
      ? candidate
      : {
          ...candidate,
          budgets: candidate.budgets.map((budget) =>
            budget.name === name ? { ...budget, limitNanoUsd: (budget.limitNanoUsd * factor) / 100n + 1n } : budget,
          ),
        };
  return { ...policy, consumerGroups: policy.consumerGroups.map(change), providers: policy.providers.map(change) };
}

/**
 * A group, a provider or a wallet is deleted, comes back, gets another wallet or one budget more; the stage gets another zone,
 * in which it may be tomorrow or yesterday.
 */
export function withOtherShape(policy: Policy, profile: Profile, dice: Dice): Policy {
  const goneGroups = profile.groups.filter((group) => !policy.consumerGroups.some(({ name }) => name === group.name));
  const goneProviders = profile.providers.filter((provider) => !policy.providers.some(({ name }) => name === provider.name));
  const [group] = goneGroups;
  if (group !== undefined) return { ...policy, consumerGroups: [...policy.consumerGroups, makeGroup(profile, group)] };
  const [provider] = goneProviders;
  if (provider !== undefined) return { ...policy, providers: [...policy.providers, makeProvider(profile, provider)] };
  const goneWallets = Object.keys(profile.wallets).filter((id) => !policy.wallets.some(({ teamId }) => teamId === id));
  const [lostWallet] = goneWallets;
  if (lostWallet !== undefined) return { ...policy, wallets: [...policy.wallets, makeWallet(profile, lostWallet)] };
  const kind = dice.whole(0, 5);
  const victim = dice.pick(policy.consumerGroups).name;
  if (kind === 0 && policy.consumerGroups.length > 1) {
    return { ...policy, consumerGroups: policy.consumerGroups.filter(({ name }) => name !== victim) };
  }
  if (kind === 1 && policy.providers.length > 1) {
    const lost = dice.pick(policy.providers).name;
    return { ...policy, providers: policy.providers.filter(({ name }) => name !== lost) };
  }
  if (kind === 4) return { ...policy, timezone: dice.pick(ZONES) };
  const wallet = dice.pick(policy.wallets).teamId;
  if (kind === 5 && policy.wallets.length > 1) return withoutWallet(policy, wallet);
  const extra: Budget = makeBudget(profile, { name: 'extra', window: 'day', limit: dice.whole(1_000, 20_000) });
  return {
    ...policy,
    consumerGroups: policy.consumerGroups.map((candidate) => {
      if (candidate.name !== victim) return candidate;
      if (kind === 2) return { ...candidate, walletTeamId: wallet, funding: candidate.funding.filter((id) => id !== wallet) };
      const without = candidate.budgets.filter(({ name }) => name !== 'extra');
      return { ...candidate, budgets: without.length < candidate.budgets.length ? without : [...without, extra] };
    }),
  };
}

/** The groups that draw on it draw on another one; money of it that is in lanes is still spent. */
function withoutWallet(policy: Policy, lost: string): Policy {
  const wallets = policy.wallets.filter(({ teamId }) => teamId !== lost);
  const other = wallets[0]?.teamId ?? lost;
  return {
    ...policy,
    wallets,
    consumerGroups: policy.consumerGroups.map((group) => {
      const walletTeamId = group.walletTeamId === lost ? other : group.walletTeamId;
      return { ...group, walletTeamId, funding: group.funding.filter((id) => id !== lost && id !== walletTeamId) };
    }),
  };
}

function makeWallet(profile: Profile, teamId: string): Policy['wallets'][number] {
  return { teamId, planNanoUsdPerMonth: 0n, thresholds: profile.walletThresholds };
}

function makeGroup(profile: Profile, group: ProfileGroup): ConsumerGroup {
  return {
    name: group.name,
    walletTeamId: group.wallet,
    funding: group.funding ?? [],
    models: profile.models,
    maxOutputTokens: 1_000,
    budgets: group.budgets.map((budget) => makeBudget(profile, budget)),
  };
}

function makeProvider(profile: Profile, provider: ProfileProvider): Provider {
  return {
    name: provider.name,
    protocol: 'openai',
    apis: ['chat_completions'],
    baseUrl: 'http://127.0.0.1:1/v1',
    credential: { kind: 'none' },
    timeoutMs: { connect: 3_000, firstByte: 30_000, idle: 60_000, total: 600_000 },
    outputCapField: 'max_completion_tokens',
    budgets: provider.budgets.map((budget) => makeBudget(profile, budget)),
  };
}

function makeBudget(profile: Profile, { name, window, limit, per, models, soft }: ProfileBudget): Budget {
  const thresholds: readonly Threshold[] = soft
    ? profile.thresholds.filter(({ action }) => action === 'notify')
    : profile.thresholds;
  return { name, window, limitNanoUsd: BigInt(limit), per, models, thresholds };
}
