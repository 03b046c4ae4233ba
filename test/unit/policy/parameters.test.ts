/** A policy as parameters: small, whole or not taken, and free of what a function need not load. */
import { readFileSync } from 'node:fs';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import {
  IncompletePolicyError,
  ParameterTooLargeError,
  fromParameters,
  toParameters,
} from '../../../lambdas/policy/parameters.ts';
import { load, shipped } from './support.ts';

const { policy } = load(shipped('dev.yaml'));

function asMap(of: Policy): Map<string, string> {
  return new Map(toParameters(of).map(({ name, value }) => [name, value]));
}

test.each(['dev', 'prod'])('the shipped %s policy comes back from its parameters as it was', (stage) => {
  const original = load(shipped(`${stage}.yaml`)).policy;
  expect(fromParameters(asMap(original), stage)).toEqual(original);
});

test('one parameter per route and per group, an index last, all in the standard tier', () => {
  const parameters = toParameters(policy);
  expect(parameters.map((parameter) => parameter.name)).toEqual([
    '/tollgate/dev/policy/settings',
    '/tollgate/dev/policy/wallets/1',
    '/tollgate/dev/policy/providers/1',
    '/tollgate/dev/policy/groups/dev',
    '/tollgate/dev/policy/routes/economy',
    '/tollgate/dev/policy/routes/frontier',
    '/tollgate/dev/policy/routes/claude',
    '/tollgate/dev/policy/routes/embeddings',
    '/tollgate/dev/policy/index',
  ]);
  for (const { value, tier } of parameters) {
    expect(tier).toBe('standard');
    expect(Buffer.byteLength(value)).toBeLessThanOrEqual(4096);
  }
});

test('the same policy gives the same parameters, byte for byte', () => {
  expect(toParameters(load(shipped('dev.yaml')).policy)).toEqual(toParameters(policy));
});

test('a set with any one part missing is not taken', () => {
  for (const name of asMap(policy).keys()) {
    const parameters = asMap(policy);
    parameters.delete(name);
    expect(() => fromParameters(parameters, 'dev')).toThrow(IncompletePolicyError);
  }
});

test('a set with any one part of another version is not taken', () => {
  for (const name of asMap(policy).keys()) {
    const parameters = asMap(policy);
    if (name.endsWith('/index')) continue;
    parameters.set(name, `${parameters.get(name) ?? ''} `);
    expect(() => fromParameters(parameters, 'dev')).toThrow(IncompletePolicyError);
  }
});

test('while a new policy is being written, a reader takes neither half of it', () => {
  const changed: Policy = {
    ...policy,
    consumerGroups: policy.consumerGroups.map((group) => ({ ...group, maxOutputTokens: 2048 })),
    routes: policy.routes.map((route) => ({ ...route, fallback: { ...route.fallback, attempts: 1 } })),
  };
  const parameters = asMap(policy);
  const writes = toParameters(changed).filter(({ name, value }) => parameters.get(name) !== value);
  expect(writes.length).toBeGreaterThan(2);
  for (const { name, value } of writes.slice(0, -1)) {
    parameters.set(name, value);
    expect(() => fromParameters(parameters, 'dev')).toThrow(IncompletePolicyError);
  }
  const last = writes.at(-1);
  parameters.set(last?.name ?? '', last?.value ?? '');
  expect(fromParameters(parameters, 'dev')).toEqual(changed);
});

test('a parameter of a former version that the index does not name changes nothing', () => {
  const parameters = asMap(policy).set('/tollgate/dev/policy/routes/old', '{}');
  expect(fromParameters(parameters, 'dev')).toEqual(policy);
});

test('the parameters of one stage are no policy of another', () => {
  expect(() => fromParameters(asMap(policy), 'prod')).toThrow(IncompletePolicyError);
  const renamed = new Map([...asMap(policy)].map(([name, value]) => [name.replace('/dev/', '/prod/'), value]));
  expect(() => fromParameters(renamed, 'prod')).toThrow('index.stage');
});

test('a part between 4 and 8 KB is of the advanced tier', () => {
  const models = Array.from({ length: 64 }, (_, index) => `route-with-a-rather-long-name-to-fill-the-space-${index}`);
  const large: Policy = { ...policy, consumerGroups: policy.consumerGroups.map((group) => ({ ...group, models })) };
  expect(toParameters(large).find((parameter) => parameter.name.endsWith('/groups/dev'))?.tier).toBe('advanced');
});

test('a route or a group that is larger than any parameter is refused by its name', () => {
  const aliases = Array.from({ length: 200 }, (_, index) => `${'a'.repeat(60)}${index}`);
  const route: Policy = { ...policy, routes: policy.routes.map((each) => ({ ...each, aliases })) };
  expect(() => toParameters(route)).toThrow(ParameterTooLargeError);
  expect(() => toParameters(route)).toThrow("route 'economy'");
  const group: Policy = { ...policy, consumerGroups: policy.consumerGroups.map((each) => ({ ...each, models: aliases })) };
  expect(() => toParameters(group)).toThrow("consumer group 'dev'");
});

test('a policy with the most groups and routes has an index of pages, and comes back as it was', () => {
  const routes = Array.from({ length: 64 }, (_, index) => ({
    ...required(policy.routes[0]),
    model: `route:${index}`,
    aliases: [],
  }));
  const groups = Array.from({ length: 64 }, (_, index) => ({
    ...required(policy.consumerGroups[0]),
    name: `group_${index}`,
    models: ['route:1'],
    budgets: [],
  }));
  const { defaultRoute: _gone, ...rest } = policy;
  const prices = policy.prices.filter((price) => routes[0]?.targets.some((target) => target.model === price.model));
  const most: Policy = { ...rest, routes, consumerGroups: groups, prices };
  const parameters = asMap(most);
  expect([...parameters.keys()].filter((name) => name.includes('/index-')).length).toBeGreaterThan(1);
  expect([...parameters.keys()].every((name) => /^[A-Za-z0-9_./-]+$/.test(name))).toBe(true);
  expect(fromParameters(parameters, 'dev')).toEqual(most);
  parameters.delete('/tollgate/dev/policy/index-2');
  expect(() => fromParameters(parameters, 'dev')).toThrow(IncompletePolicyError);
});

test('braces in a text never look like a reference to another parameter', () => {
  const texted: Policy = {
    ...policy,
    routes: policy.routes.map((route) => ({ ...route, noFallbackReason: 'see {{ssm:x}} and {{{y}}}' })),
  };
  for (const { value } of toParameters(texted)) expect(value).not.toContain('{{');
  expect(fromParameters(asMap(texted), 'dev')).toEqual(texted);
});

test.each([
  ['a group without its wallet', { ...policy, wallets: [] }],
  ['a route without its provider', { ...policy, providers: [] }],
  ['a group that names a route that is gone', { ...policy, routes: policy.routes.slice(0, 1) }],
  ['a name that would break a key', { ...policy, wallets: policy.wallets.map((wallet) => ({ ...wallet, teamId: 'a/b#c' })) }],
  ['a negative amount', { ...policy, wallets: policy.wallets.map((wallet) => ({ ...wallet, planNanoUsdPerMonth: -1n })) }],
])('a complete set with %s is refused', (_what, broken: Policy) => {
  expect(() => fromParameters(asMap(broken), 'dev')).toThrow('expected');
});

test('a part with a key that this version does not know is refused: a rule in it would be ignored', () => {
  const limited = policy.consumerGroups.map((group) => ({ ...group, tickets: true }));
  expect(() => fromParameters(asMap({ ...policy, consumerGroups: limited }), 'dev')).toThrow("no key 'tickets'");
});

test('what a function loads to read a policy has no YAML, no schema library and no catalogue', () => {
  const seen = new Set<string>();
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    for (const [, specifier = ''] of readFileSync(url, 'utf8').matchAll(/^(?:import|export)(?! type)[^;]*? from '([^']+)'/gm)) {
      if (specifier.startsWith('.')) visit(new URL(specifier, url));
      else expect(specifier).toBe('node:crypto');
    }
  };
  visit(new URL('../../../lambdas/policy/parameters.ts', import.meta.url));
  expect(seen.size).toBeGreaterThan(3);
});

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}
