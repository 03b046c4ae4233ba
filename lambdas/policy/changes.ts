/**
 * What changes between two policies, in the policy's own words, and what of it only a deployment can bring about: the stack
 * makes parameters, rights and subscriptions, and a rule must not name what the stage does not have.
 */
import { formatUsd } from '../domain/money.ts';
import type { Policy } from '../domain/policy.ts';
import { partOfGroup, partOfRoute } from './parameters.ts';

/** One difference. `from` absent: it is new; `to` absent: it is gone. */
export interface PolicyChange {
  /** Such as `routes/economy/targets/openai/gpt-5-mini/weight`. */
  readonly path: string;
  readonly from?: string;
  readonly to?: string;
}

/** Every difference, in a fixed order. Keys' hashes are never told. */
export function policyChanges(before: Policy, after: Policy): readonly PolicyChange[] {
  const [old, now] = [flatten(before), flatten(after)];
  const paths = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  return paths.flatMap((path) => {
    const [from, to] = [old.get(path), now.get(path)];
    if (from === to) return [];
    return [
      { path, ...(from === undefined ? {} : { from: told(path, from) }), ...(to === undefined ? {} : { to: told(path, to) }) },
    ];
  });
}

/**
 * Why a change needs `cdk deploy`; empty when writing the parameters is enough.
 * @param isMade whether the stack has the parameter of a part: one of a group or route that was taken away stays until the next deployment
 */
export function deploymentReasons(before: Policy, after: Policy, isMade: (part: string) => boolean): readonly string[] {
  const added = (old: readonly string[], now: readonly string[]): readonly string[] => now.filter((name) => !old.includes(name));
  return [
    ...added(groupsOf(before), groupsOf(after))
      .filter((name) => !isMade(partOfGroup(name)))
      .map((name) => `group ${name} is new: its parameter is the stack's to make`),
    ...added(routesOf(before), routesOf(after))
      .filter((name) => !isMade(partOfRoute(name)))
      .map((name) => `route ${name} is new: its parameter is the stack's to make`),
    ...added(credentialsOf(before), credentialsOf(after)).map((name) => `${name} is new: the gateway has no right to use it yet`),
    ...(channelsOf(before) === channelsOf(after) ? [] : ["alerts.channels changed: subscriptions are the stack's to make"]),
  ];
}

function groupsOf({ consumerGroups }: Policy): readonly string[] {
  return consumerGroups.map(({ name }) => name);
}

function routesOf({ routes }: Policy): readonly string[] {
  return routes.map(({ model }) => model);
}

function credentialsOf({ providers, routes }: Policy): readonly string[] {
  return providers.flatMap(({ name, credential }) => {
    if (credential.kind === 'none') return [];
    if (credential.kind === 'secret') return [`secret ${credential.name}`];
    const { service, region } = credential;
    const models = routes.flatMap(({ targets }) => targets.filter(({ provider }) => provider === name).map(({ model }) => model));
    return [...new Set(models)].map((model) => `IAM access to ${model} (${service} in ${region})`);
  });
}

function channelsOf({ alerts: { email, slack } }: Policy): string {
  return JSON.stringify([[...email].toSorted(), slack]);
}

/** Fields that name an item of a list, so that a moved item is not taken for a changed one. */
const NAMES = ['teamId', 'name', 'percent'] as const;

function flatten(policy: Policy): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (value === undefined) return;
    if (Array.isArray(value)) {
      const items: readonly unknown[] = value;
      const names = items.map(nameOf);
      const named = names.every((name) => name !== undefined) && new Set(names).size === names.length;
      if (named && names.length > 0) {
        for (const [at, item] of items.entries()) walk(item, `${path}/${names[at]}`);
        // In a list of targets the order is a rule.
        if (path.endsWith('/targets')) out.set(`${path} in order`, names.join(', '));
      } else out.set(path, JSON.stringify(items, digits));
      return;
    }
    if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) walk(inner, path === '' ? name : `${path}/${name}`);
      return;
    }
    if (typeof value === 'bigint') out.set(path, path.includes('NanoUsd') ? `$${formatUsd(value)}` : value.toString());
    else out.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  };
  walk(policy, '');
  return out;
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(item));
  const [provider, model, from, source] = ['provider', 'model', 'fromEpochMs', 'source'].map((name) => fields.get(name));
  if (typeof provider === 'string') {
    return typeof from === 'number'
      ? `${provider}/${String(model)} from ${dayOf(from)} (${String(source)})`
      : `${provider}/${String(model)}`;
  }
  if (typeof model === 'string') return model;
  const name = NAMES.map((field) => fields.get(field)).find((value) => typeof value === 'string' || typeof value === 'number');
  return typeof name === 'number' ? String(name) : name;
}

function dayOf(epochMs: number): string {
  return epochMs === 0 ? 'always' : new Date(epochMs).toISOString().slice(0, 10);
}

function digits(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function told(path: string, value: string): string {
  return path.endsWith('/apiKeySha256') ? '(a key)' : value;
}
