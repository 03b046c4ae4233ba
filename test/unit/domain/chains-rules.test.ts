import { ChainBuilder, callerPots, currentPots, potOfKey } from '../../../lambdas/domain/chains.ts';
import type { ConsumerGroup, Policy } from '../../../lambdas/domain/policy.ts';
import type { Pot } from '../../../lambdas/domain/pots.ts';
import { LIFE } from '../../../lambdas/domain/windows.ts';
import { THRESHOLDS, limit, makePolicy } from '../../support/ledger.ts';

const NOON = Date.parse('2026-11-23T12:00:00Z');
const MIDNIGHT = Date.parse('2026-11-24T00:00:00Z');
const HOUR_MS = 3_600_000;

const POLICY = makePolicy({
  budgets: [
    limit('day', 100n),
    limit('frontier', 100n, { models: ['frontier'] }),
    limit('ever', 900n, { window: 'total', thresholds: [{ percent: 50, action: 'notify' }] }),
    limit('each', 10n, { per: 'user', window: 'month' }),
    limit('each-frontier', 5n, { per: 'user', models: ['frontier'] }),
  ],
  providerBudgets: [limit('month', 500n, { window: 'month' })],
  walletThresholds: [{ percent: 80, action: 'notify' }],
});
const GROUP = POLICY.consumerGroups[0] ?? groupMissing();

function groupMissing(): never {
  throw new Error('no group');
}

/** A fingerprint that shows what it was made of, and how often one was made. */
function builderOf(policy: Policy) {
  const made: string[] = [];
  const builder = new ChainBuilder(policy, (text) => {
    made.push(text);
    return `<${text}>`;
  });
  const chain = (
    more: Partial<{ group: ConsumerGroup; userId: string; route: string; provider: string; walletId: string; at: number }> = {},
  ) =>
    builder.chain(
      { group: GROUP, userId: 'ann', route: 'economy', provider: 'mock', walletId: 'team_dev', ...more },
      more.at ?? NOON,
    );
  return { made, chain };
}

test('a chain’s pots say whose they are, where they bite and how long they last', () => {
  const { chain } = builderOf(POLICY);
  const made = chain();
  expect(made.wallet).toEqual({
    key: 'wallet/team_dev#life',
    scope: 'wallet/team_dev',
    kind: 'wallet',
    owner: 'wallet',
    enforced: true,
    thresholds: [{ percent: 80, action: 'notify' }],
    window: LIFE,
  });
  expect(made.limits[0]).toMatchObject({
    key: 'budget/dev/day#d2026-11-23',
    scope: 'budget/dev/day',
    kind: 'limit',
    owner: 'budget',
    limitNanoUsd: 100n,
    hardLimitNanoUsd: 100n,
    enforced: true,
    thresholds: THRESHOLDS,
  });
  expect(made.limits[1]).toMatchObject({
    key: 'budget/dev/ever#life',
    owner: 'budget',
    hardLimitNanoUsd: undefined,
    enforced: false,
  });
  expect(made.limits[2]).toMatchObject({ key: 'provider/mock/month#m2026-11', owner: 'provider', enforced: true });
  expect(made.direct.map((pot) => [pot.key, pot.owner])).toEqual([['budget/dev/each/ann#m2026-11', 'user']]);
  expect(made).toMatchObject({ walletId: 'team_dev', groupId: 'dev', providerId: 'mock', userId: 'ann' });
  expect(chain({ route: 'frontier' }).direct.map((pot) => pot.scope)).toEqual([
    'budget/dev/each/ann',
    'budget/dev/each-frontier/ann',
  ]);
});

test('a chain’s name is made of its group, its provider and its pots’ keys; its line of their scopes', () => {
  const { chain } = builderOf(POLICY);
  const { hash, line } = chain();
  expect(hash).toBe(
    '<dev\nmock\nwallet/team_dev#life\nbudget/dev/day#d2026-11-23\nbudget/dev/ever#life\nprovider/mock/month#m2026-11>',
  );
  expect(line).toBe('<dev\nmock\nwallet/team_dev\nbudget/dev/day\nbudget/dev/ever\nprovider/mock/month>');
});

test('a chain is computed once while its shortest window lasts, and anew on either side of it', () => {
  const { made, chain } = builderOf(POLICY);
  const dayOf = (at: number) => chain({ at }).limits[0]?.key;
  expect(dayOf(NOON)).toBe('budget/dev/day#d2026-11-23');
  expect(dayOf(MIDNIGHT - 1)).toBe('budget/dev/day#d2026-11-23');
  expect(made).toHaveLength(2);
  expect(dayOf(MIDNIGHT)).toBe('budget/dev/day#d2026-11-24');
  expect(made).toHaveLength(4);
  expect(dayOf(MIDNIGHT)).toBe('budget/dev/day#d2026-11-24');
  expect(made).toHaveLength(4);
  // A clock that goes back finds the window that it is in.
  expect(dayOf(MIDNIGHT - 1)).toBe('budget/dev/day#d2026-11-23');
  expect(made).toHaveLength(6);
});

test('users share what is computed; wallets, groups, routes and providers do not', () => {
  const { made, chain } = builderOf(POLICY);
  chain();
  chain({ userId: 'bob' });
  expect(made).toHaveLength(2);
  const other = POLICY.consumerGroups[1] ?? groupMissing();
  const hashes = [
    chain(),
    chain({ walletId: 'team_two' }),
    chain({ group: other }),
    chain({ route: 'frontier' }),
    chain({ provider: 'spare' }),
  ].map(({ hash }) => hash);
  expect(new Set(hashes).size).toBe(5);
});

test('a provider without budgets or not in the policy adds none, and an unknown wallet has no thresholds', () => {
  const { chain } = builderOf(POLICY);
  const scopes = (pots: readonly Pot[]) => pots.map((pot) => pot.scope);
  expect(scopes(chain({ provider: 'spare' }).limits)).toEqual(['budget/dev/day', 'budget/dev/ever']);
  expect(scopes(chain({ provider: 'gone' }).limits)).toEqual(['budget/dev/day', 'budget/dev/ever']);
  expect(chain({ walletId: 'gone' }).wallet.thresholds).toEqual([]);
  const second = makePolicy({ walletThresholds: THRESHOLDS });
  const own = { ...second, wallets: second.wallets.map((wallet, at) => (at === 0 ? { ...wallet, thresholds: [] } : wallet)) };
  expect(builderOf(own).chain({ walletId: 'team_two' }).wallet.thresholds).toBe(THRESHOLDS);
  expect(builderOf(own).chain().wallet.thresholds).toEqual([]);
});

test('a wallet is enforced only where cost tracking and its enforcement are on, a limit only where tracking is', () => {
  const enforcedUnder = (enabled: boolean, walletEnforcement: boolean) => {
    const made = builderOf({ ...POLICY, costTracking: { ...POLICY.costTracking, enabled, walletEnforcement } }).chain();
    return [made.wallet.enforced, made.limits[0]?.enforced, made.limits[0]?.hardLimitNanoUsd];
  };
  expect(enforcedUnder(true, true)).toEqual([true, true, 100n]);
  expect(enforcedUnder(true, false)).toEqual([false, true, 100n]);
  expect(enforcedUnder(false, true)).toEqual([false, false, undefined]);
});

test('a stored key leads to its pot, and to none when the policy has it no more', () => {
  const pots = [builderOf(POLICY).chain({ route: 'frontier' })].flatMap(({ wallet, limits, direct }) => [
    wallet,
    ...limits,
    ...direct,
  ]);
  for (const pot of pots) expect(potOfKey(POLICY, pot.key)).toEqual(pot);
  expect(potOfKey(POLICY, 'budget/dev/each/a/b#m2026-11')).toMatchObject({ owner: 'user', scope: 'budget/dev/each/a/b' });
  for (const key of [
    'wallet/gone#life',
    'wallet/team_dev#x2026',
    'budget/gone/day#d2026-11-23',
    'budget/other/day#d2026-11-23',
    'budget/dev/gone#d2026-11-23',
    'budget/dev/day#m2026-11',
    'budget/dev/day#life',
    'budget/dev/ever#d2026-11-23',
    'budget/dev/day/ann#d2026-11-23',
    'budget/dev/each#m2026-11',
    'provider/spare/month#m2026-11',
    'provider/gone/month#m2026-11',
    'budget#life',
    '',
  ])
    expect([key, potOfKey(POLICY, key)]).toEqual([key, undefined]);
});

test('the pots of now are every wallet, budget and provider’s budget, and no user’s', () => {
  expect(currentPots(POLICY, NOON).map((pot) => [pot.key, pot.owner])).toEqual([
    ['wallet/team_dev#life', 'wallet'],
    ['wallet/team_two#life', 'wallet'],
    ['budget/dev/day#d2026-11-23', 'budget'],
    ['budget/dev/frontier#d2026-11-23', 'budget'],
    ['budget/dev/ever#life', 'budget'],
    ['provider/mock/month#m2026-11', 'provider'],
  ]);
  expect(currentPots(POLICY, NOON + 12 * HOUR_MS)[2]?.key).toBe('budget/dev/day#d2026-11-24');
});

test('a caller stands under its wallets in their order, its group’s budgets and its own', () => {
  const group = { ...GROUP, funding: ['team_two'] };
  const { wallets, budgets } = callerPots(POLICY, group, 'ann', NOON);
  expect(wallets.map((pot) => pot.key)).toEqual(['wallet/team_dev#life', 'wallet/team_two#life']);
  expect(budgets.map((pot) => [pot.key, pot.owner])).toEqual([
    ['budget/dev/day#d2026-11-23', 'budget'],
    ['budget/dev/frontier#d2026-11-23', 'budget'],
    ['budget/dev/ever#life', 'budget'],
    ['budget/dev/each/ann#m2026-11', 'user'],
    ['budget/dev/each-frontier/ann#d2026-11-23', 'user'],
  ]);
});
