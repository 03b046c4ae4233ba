import { sha256Fingerprint } from '../../../lambdas/adapters/system/system.ts';
import { hardLimitNanoUsd, isCrossed, levelOf } from '../../../lambdas/domain/alerts.ts';
import { ChainBuilder, potOfKey } from '../../../lambdas/domain/chains.ts';
import { limit, makePolicy } from '../../support/ledger.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const parts = {
  budgets: [
    limit('day', 100n),
    limit('frontier', 100n, { models: ['frontier'] }),
    limit('each', 10n, { per: 'user' as const, window: 'month' as const }),
  ],
  providerBudgets: [limit('month', 500n, { window: 'month' as const })],
};

function build(
  more: { readonly route?: string; readonly now?: number; readonly userId?: string; readonly provider?: string } = {},
) {
  const policy = makePolicy(parts);
  const group = policy.consumerGroups[0];
  if (group === undefined) throw new Error('no group');
  const builder = new ChainBuilder(policy, sha256Fingerprint);
  return builder.chain(
    {
      group,
      userId: more.userId ?? 'ann',
      route: more.route ?? 'economy',
      provider: more.provider ?? 'mock',
      walletId: 'team_dev',
    },
    more.now ?? NOW,
  );
}

test('a chain holds the wallet, every matching budget of the group and the provider’s; users’ pots stand beside it', () => {
  const chain = build({ route: 'frontier' });
  expect([chain.wallet, ...chain.limits].map((pot) => pot.key)).toEqual([
    'wallet/team_dev#life',
    'budget/dev/day#d2026-11-23',
    'budget/dev/frontier#d2026-11-23',
    'provider/mock/month#m2026-11',
  ]);
  expect(chain.direct.map((pot) => pot.key)).toEqual(['budget/dev/each/ann#m2026-11']);
});

test('users share lanes; routes under other budgets, providers and windows do not', () => {
  expect(build({ userId: 'bob' }).hash).toBe(build().hash);
  const hashes = [build(), build({ route: 'frontier' }), build({ provider: 'spare' }), build({ now: NOW + 86_400_000 })].map(
    (chain) => chain.hash,
  );
  expect(new Set(hashes).size).toBe(4);
});

test('a stored key leads back to its pot under the policy in force, or to none', () => {
  const policy = makePolicy(parts);
  const chain = build({ route: 'frontier' });
  for (const pot of [chain.wallet, ...chain.limits, ...chain.direct]) expect(potOfKey(policy, pot.key)).toEqual(pot);
  for (const gone of [
    'wallet/nobody#life',
    'budget/dev/day#m2026-11',
    'budget/dev/gone#d2026-11-23',
    'budget/dev/day/ann#d2026-11-23',
    'budget/dev/each#m2026-11',
    'nonsense',
  ]) {
    expect(potOfKey(policy, gone)).toBeUndefined();
  }
});

test('thresholds are crossed exactly at their percent, by cross-multiplication', () => {
  const pot = { kind: 'limit' as const, limitNanoUsd: 3n };
  const state = (settledNanoUsd: bigint) => ({
    key: 'k',
    kind: 'limit' as const,
    availableNanoUsd: 0n,
    fundedNanoUsd: 0n,
    withdrawnNanoUsd: 0n,
    baseNanoUsd: 0n,
    committedNanoUsd: 0n,
    settledNanoUsd,
    alerts: {},
  });
  expect(isCrossed(50, levelOf(pot, state(1n)))).toBe(false);
  expect(isCrossed(50, levelOf(pot, state(2n)))).toBe(true);
  expect(isCrossed(100, levelOf(pot, state(2n)))).toBe(false);
  expect(isCrossed(100, levelOf(pot, state(3n)))).toBe(true);
  expect(isCrossed(100, levelOf({ kind: 'limit', limitNanoUsd: 0n }, state(0n)))).toBe(false);
});

test('a hard limit is the block’s percent of the limit, rounded down; without a block there is none', () => {
  expect(hardLimitNanoUsd(999n, [{ percent: 95, action: 'block' }])).toBe(949n);
  expect(hardLimitNanoUsd(999n, [{ percent: 95, action: 'notify' }])).toBeUndefined();
});
