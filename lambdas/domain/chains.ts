/** Which pots a request is under: its wallet, every matching budget of its group, its provider's budgets. */
import { hardLimitNanoUsd } from './alerts.ts';
import type { Budget, ConsumerGroup, Policy } from './policy.ts';
import type { Chain, Pot, PotKey } from './pots.ts';
import { LIFE, type Window, WindowCalendar, windowOfKey } from './windows.ts';

/** Who asks for what, from whom, and whose money is tried. */
export interface ChainRequest {
  readonly group: ConsumerGroup;
  readonly userId: string;
  readonly route: string;
  readonly provider: string;
  readonly walletId: string;
}

interface LanePots {
  readonly hash: string;
  readonly line: string;
  readonly pots: readonly Pot[];
  /** While all its windows last. */
  readonly startsAtEpochMs: number;
  readonly endsAtEpochMs: number;
}

/** Makes chains under one policy. Windows and fingerprints are kept, so the paid path computes neither twice. */
export class ChainBuilder {
  private readonly calendar: WindowCalendar;
  private readonly lanePots = new Map<string, LanePots>();
  private readonly policy: Policy;
  private readonly fingerprint: (text: string) => string;

  constructor(policy: Policy, fingerprint: (text: string) => string) {
    this.policy = policy;
    this.fingerprint = fingerprint;
    this.calendar = calendarOf(policy);
  }

  /** @param nowEpochMs decides the windows: a request belongs to the window in which it is reserved */
  chain(request: ChainRequest, nowEpochMs: number): Chain {
    const { group, route, provider, walletId, userId } = request;
    const name = `${walletId}\n${group.name}\n${route}\n${provider}`;
    let known = this.lanePots.get(name);
    if (known === undefined || nowEpochMs < known.startsAtEpochMs || nowEpochMs >= known.endsAtEpochMs) {
      known = this.makeLanePots(request, nowEpochMs);
      this.lanePots.set(name, known);
    }
    const [wallet, ...limits] = known.pots;
    if (wallet === undefined) throw new RangeError('a chain has a wallet');
    const direct = group.budgets
      .filter((budget) => budget.per === 'user' && counts(budget, route))
      .map((budget) =>
        limitPot(this.policy, userScope(group.name, budget.name, userId), 'user', budget, this.window(budget, nowEpochMs)),
      );
    return {
      hash: known.hash,
      line: known.line,
      wallet,
      limits,
      direct,
      walletId,
      groupId: group.name,
      providerId: provider,
      userId,
    };
  }

  private makeLanePots(request: ChainRequest, nowEpochMs: number): LanePots {
    const { group, route, walletId } = request;
    const shared = group.budgets.filter((budget) => budget.per === undefined && counts(budget, route));
    const provider = this.policy.providers.find((candidate) => candidate.name === request.provider);
    const pots: Pot[] = [
      walletPot(this.policy, walletId),
      ...shared.map((budget) =>
        limitPot(this.policy, `budget/${group.name}/${budget.name}`, 'budget', budget, this.window(budget, nowEpochMs)),
      ),
      ...(provider?.budgets ?? []).map((budget) =>
        limitPot(this.policy, `provider/${request.provider}/${budget.name}`, 'provider', budget, this.window(budget, nowEpochMs)),
      ),
    ];
    // The provider's and group's names count too: an index finds a chain's lanes by them even where no budget does.
    const named = (texts: readonly string[]): string => this.fingerprint([group.name, request.provider, ...texts].join('\n'));
    return {
      hash: named(pots.map((pot) => pot.key)),
      line: named(pots.map((pot) => pot.scope)),
      pots,
      startsAtEpochMs: Math.max(...pots.map((pot) => pot.window.startsAtEpochMs)),
      endsAtEpochMs: Math.min(...pots.map((pot) => pot.window.endsAtEpochMs)),
    };
  }

  private window(budget: Budget, nowEpochMs: number): Window {
    return this.calendar.at(budget.window, nowEpochMs);
  }
}

const calendars = new WeakMap<Policy, WindowCalendar>();

/** One calendar a policy: a window is computed when it begins, and not for every request. */
function calendarOf(policy: Policy): WindowCalendar {
  let calendar = calendars.get(policy);
  if (calendar === undefined) {
    calendar = new WindowCalendar(policy.timezone);
    calendars.set(policy, calendar);
  }
  return calendar;
}

function counts(budget: Budget, route: string): boolean {
  return budget.models === undefined || budget.models.includes(route);
}

function userScope(group: string, budget: string, user: string): string {
  return `budget/${group}/${budget}/${user}`;
}

function walletPot(policy: Policy, walletId: string): Pot {
  const wallet = policy.wallets.find((candidate) => candidate.teamId === walletId);
  return {
    key: `wallet/${walletId}#${LIFE.key}`,
    scope: `wallet/${walletId}`,
    kind: 'wallet',
    owner: 'wallet',
    enforced: policy.costTracking.enabled && policy.costTracking.walletEnforcement,
    thresholds: wallet?.thresholds ?? [],
    window: LIFE,
  };
}

function limitPot(policy: Policy, scope: string, owner: 'budget' | 'user' | 'provider', budget: Budget, window: Window): Pot {
  const hard = policy.costTracking.enabled ? hardLimitNanoUsd(budget.limitNanoUsd, budget.thresholds) : undefined;
  return {
    key: `${scope}#${window.key}`,
    scope,
    kind: 'limit',
    owner,
    limitNanoUsd: budget.limitNanoUsd,
    hardLimitNanoUsd: hard,
    enforced: hard !== undefined,
    thresholds: budget.thresholds,
    window,
  };
}

/**
 * The pot that a stored key names, under the policy in force; undefined when the policy has it no more.
 */
export function potOfKey(policy: Policy, key: PotKey): Pot | undefined {
  const mark = key.lastIndexOf('#');
  const scope = key.slice(0, mark);
  const window = windowOfKey(key.slice(mark + 1), policy.timezone);
  const [family, owner = '', name, ...user] = scope.split('/');
  if (window === undefined) return undefined;
  if (family === 'wallet') return policy.wallets.some((wallet) => wallet.teamId === owner) ? walletPot(policy, owner) : undefined;
  const holder =
    family === 'budget'
      ? policy.consumerGroups.find((group) => group.name === owner)
      : policy.providers.find((provider) => provider.name === owner);
  const budget = holder?.budgets.find((candidate) => candidate.name === name);
  if (budget === undefined || (budget.per === 'user') !== user.length > 0) return undefined;
  if (window.kind !== (budget.window === 'total' ? 'life' : budget.window)) return undefined;
  return limitPot(policy, scope, family === 'provider' ? 'provider' : user.length > 0 ? 'user' : 'budget', budget, window);
}

/** Every pot of the current windows that the policy itself names: wallets, budgets, providers' budgets; no user's. */
export function currentPots(policy: Policy, nowEpochMs: number): readonly Pot[] {
  const calendar = calendarOf(policy);
  const budgets = (owner: 'budget' | 'provider', holder: { readonly name: string; readonly budgets: readonly Budget[] }): Pot[] =>
    holder.budgets
      .filter((budget) => budget.per === undefined)
      .map((budget) =>
        limitPot(policy, `${owner}/${holder.name}/${budget.name}`, owner, budget, calendar.at(budget.window, nowEpochMs)),
      );
  return [
    ...policy.wallets.map((wallet) => walletPot(policy, wallet.teamId)),
    ...policy.consumerGroups.flatMap((group) => budgets('budget', group)),
    ...policy.providers.flatMap((provider) => budgets('provider', provider)),
  ];
}

/** What stands over a caller, for people: its wallets, its group's budgets and its own. */
export function callerPots(policy: Policy, group: ConsumerGroup, userId: string, nowEpochMs: number) {
  const calendar = calendarOf(policy);
  return {
    wallets: [group.walletTeamId, ...group.funding].map((id) => walletPot(policy, id)),
    budgets: group.budgets.map((budget) => {
      const scope = budget.per === 'user' ? userScope(group.name, budget.name, userId) : `budget/${group.name}/${budget.name}`;
      return limitPot(policy, scope, budget.per === 'user' ? 'user' : 'budget', budget, calendar.at(budget.window, nowEpochMs));
    }),
  };
}
