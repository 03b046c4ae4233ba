/** A former policy is put together exactly, or not at all. */
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { deploymentReasons, policyChanges } from '../../../lambdas/policy/changes.ts';
import { type VersionSource, formerPolicy, lastWholePolicy } from '../../../lambdas/policy/former-policy.ts';
import { toParameters } from '../../../lambdas/policy/parameters.ts';
import { policyOf } from '../../infrastructure/stage-fixture.ts';

function capped(maxOutputTokens: number, groups = 1): Policy {
  const policy = policyOf('dev');
  const [group] = policy.consumerGroups;
  if (group === undefined) throw new Error('the fixture has a group');
  const consumerGroups = Array.from({ length: groups }, (_, at) => ({ ...group, name: `group-${at}`, maxOutputTokens }));
  return { ...policy, consumerGroups };
}

class Versions implements VersionSource {
  readonly all = new Map<string, string[]>();
  put(policy: Policy): void {
    for (const { name, value } of toParameters(policy)) {
      const written = this.all.get(name) ?? [];
      if (written.at(-1) !== value) this.all.set(name, [...written, value]);
    }
  }
  async history(name: string) {
    return (this.all.get(name) ?? []).map((value, at) => ({ version: at + 1, value })).toReversed();
  }
}

test.each([1, 120])('each version of a policy with %d groups comes back as it was', async (groups) => {
  const versions = new Versions();
  for (const cap of [10, 20, 30]) versions.put(capped(cap, groups));
  expect(await formerPolicy(versions, 'dev', 1)).toEqual(capped(10, groups));
  expect(await formerPolicy(versions, 'dev', 2)).toEqual(capped(20, groups));
  expect(await lastWholePolicy(versions, 'dev')).toEqual(capped(30, groups));
});

test('a part that somebody broke by hand is passed by: the version that the index names is taken', async () => {
  const versions = new Versions();
  versions.put(capped(10));
  const part = '/tollgate/dev/policy/groups/group-0';
  versions.all.get(part)?.push('{"name":"broken"');
  expect(await lastWholePolicy(versions, 'dev')).toEqual(capped(10));
  versions.all.get('/tollgate/dev/policy/index')?.push('no index');
  expect(await lastWholePolicy(versions, 'dev')).toEqual(capped(10));
});

test('a version whose part is gone, and one that never was, are said to be so', async () => {
  const versions = new Versions();
  versions.put(capped(10));
  versions.put(capped(20));
  versions.all.set('/tollgate/dev/policy/groups/group-0', ['{}']);
  await expect(formerPolicy(versions, 'dev', 1)).rejects.toThrow('version 1 cannot be put together: its groups/group-0 is gone');
  await expect(formerPolicy(versions, 'dev', 9)).rejects.toThrow('there is no version 9 of the policy of dev; SSM has 2, 1');
  await expect(lastWholePolicy(versions, 'dev')).rejects.toThrow('no version of the policy of dev is whole');
});

test('a change is told by names, an order of targets as an order, and a key never by its hash', () => {
  const before = capped(10);
  const [group] = before.consumerGroups;
  const [route] = before.routes;
  if (group === undefined || route === undefined) throw new Error('the fixture has a group and a route');
  const [target] = route.targets;
  if (target === undefined) throw new Error('the fixture has a target');
  const more = { ...target, model: 'another' };
  const two = { ...before, routes: [{ ...route, targets: [target, more] }] };
  const turned = {
    ...before,
    consumerGroups: [{ ...group, apiKeySha256: 'a'.repeat(64) }],
    routes: [{ ...route, targets: [more, target] }],
  };
  const names = [target, more].map(({ provider, model }) => `${provider}/${model}`);
  expect(policyChanges(two, turned)).toEqual([
    { path: 'consumerGroups/group-0/apiKeySha256', to: '(a key)' },
    { path: `routes/${route.model}/targets in order`, from: names.join(', '), to: names.toReversed().join(', ') },
  ]);
  expect(policyChanges(two, two)).toEqual([]);
});

test('an amount is told in dollars', () => {
  const before = capped(10);
  const [wallet] = before.wallets;
  if (wallet === undefined) throw new Error('the fixture has a wallet');
  const after = { ...before, wallets: [{ ...wallet, planNanoUsdPerMonth: 1_500_000_000n }] };
  expect(policyChanges(before, after)).toMatchObject([{ path: `wallets/${wallet.teamId}/planNanoUsdPerMonth`, to: '$1.50' }]);
});

test('new groups, routes, credentials and channels need a deployment; what goes or changes does not', () => {
  const before = capped(10);
  const [route] = before.routes;
  const [provider] = before.providers;
  if (route === undefined || provider === undefined) throw new Error('the fixture has a route and a provider');
  const after: Policy = {
    ...capped(20, 2),
    routes: [
      ...before.routes,
      { ...route, model: 'extra', targets: [{ provider: 'p', model: 'openai.gpt-oss-20b-1:0', weight: 1 }] },
    ],
    providers: [
      ...before.providers,
      { ...provider, name: 'p', credential: { kind: 'iam', service: 'bedrock', region: 'eu-central-1' } },
    ],
    alerts: { ...before.alerts, email: ['new@example.com'] },
  };
  expect(deploymentReasons(before, after, () => false)).toEqual([
    "group group-1 is new: its parameter is the stack's to make",
    "route extra is new: its parameter is the stack's to make",
    'IAM access to openai.gpt-oss-20b-1:0 (bedrock in eu-central-1) is new: the gateway has no right to use it yet',
    "alerts.channels changed: subscriptions are the stack's to make",
  ]);
  expect(deploymentReasons(before, after, (part) => ['groups/group-1', 'routes/extra'].includes(part))).toHaveLength(2);
  expect(deploymentReasons(after, { ...before, alerts: after.alerts }, () => false)).toEqual([]);
});
