/**
 * A policy as SSM parameters under `/tollgate/<stage>/policy/`: one for each route (with its targets' prices) and each
 * group, a few for the rest, and an index with the hash of each part. Several parameters cannot change at once, so a
 * reader takes a new set only when every part is there and matches its index.
 *
 * Nothing here loads YAML, the schema or the price catalogue: the functions on AWS import this file.
 */
import { createHash } from 'node:crypto';
import type { Policy } from '../domain/policy.ts';
import type { Price } from '../domain/prices.ts';
import { DecodeError, type Decoder, decodeJson, oneOf, optional, record } from './decode.ts';
import { type Settings, decodeGroup, decodeProviders, decodeRoute, decodeSettings, decodeWallets } from './parameter-parts.ts';
import { comparePrices } from './price-order.ts';

/** Largest value of a standard parameter, bytes. @see https://docs.aws.amazon.com/general/latest/gr/ssm.html (2026-11-23) */
export const STANDARD_BYTES = 4096;
/** Largest value of an advanced parameter, bytes; an advanced one has a monthly price. */
export const ADVANCED_BYTES = 8192;

/** One SSM parameter of a policy. */
export interface PolicyParameter {
  readonly name: string;
  readonly value: string;
  readonly tier: 'standard' | 'advanced';
}

/** A part of a policy that does not fit into a parameter. */
export class ParameterTooLargeError extends Error {
  readonly code = 'policy_parameter_too_large';
  constructor(what: string, bytes: number) {
    super(
      `${what} takes ${bytes} bytes as a parameter; at most ${ADVANCED_BYTES} fit. Give it fewer budgets, models, targets or aliases`,
    );
    this.name = 'ParameterTooLargeError';
  }
}

/** A set of parameters that is not whole: a part is missing, or it is of another version than its index. */
export class IncompletePolicyError extends Error {
  readonly code = 'policy_incomplete';
  readonly parts: readonly string[];
  constructor(parts: readonly string[]) {
    super(`the policy's parameters are not a complete set: ${parts.join(', ')}; the last complete one stays in force`);
    this.name = 'IncompletePolicyError';
    this.parts = parts;
  }
}

/** Where a stage's policy parameters are: `/tollgate/dev/policy`. */
export function parameterRoot(stage: string): string {
  return `/tollgate/${stage}/policy`;
}

/**
 * Writes a policy as parameters, the index last: written in this order, no reader sees a new index before its parts.
 * @throws ParameterTooLargeError naming the route or group that does not fit
 */
export function toParameters(policy: Policy): PolicyParameter[] {
  const root = parameterRoot(policy.stage);
  const parts = [
    parameter(`${root}/settings`, encode(settingsOf(policy)), 'the settings of the stage'),
    ...packed(`${root}/wallets`, policy.wallets, 'a wallet'),
    ...packed(`${root}/providers`, policy.providers, 'a provider'),
    ...policy.consumerGroups.map((group) =>
      parameter(`${root}/${partOfGroup(group.name)}`, encode(group), `consumer group '${group.name}'`),
    ),
    ...policy.routes.map((route) => {
      const isTarget = (price: Price) =>
        route.targets.some((target) => target.provider === price.provider && target.model === price.model);
      const value = encode({ route, prices: policy.prices.filter(isTarget) });
      return parameter(`${root}/${partOfRoute(route.model)}`, value, `route '${route.model}'`);
    }),
  ];
  return [...parts, ...indexOf(root, parts)];
}

/**
 * Reads a policy from a stage's parameters, by name. Parameters that the index does not name are left alone: they are a
 * former version's.
 * @throws IncompletePolicyError when a part is missing or does not match its hash
 * @throws DecodeError when a part has another form than this version writes, or names what is not there
 */
export function fromParameters(parameters: ReadonlyMap<string, string>, stage: string): Policy {
  const root = parameterRoot(stage);
  const hashes = readIndex(root, stage, parameters);
  verify(root, hashes, parameters);
  const all = <T>(prefix: string, decoder: Decoder<T>): T[] =>
    [...hashes.keys()]
      .filter((part) => part.startsWith(prefix))
      .map((part) => decodeJson(parameters.get(`${root}/${part}`) ?? '', decoder, part));
  const [settings] = all('settings', decodeSettings);
  if (settings === undefined) throw new IncompletePolicyError(['settings']);
  if (settings.stage !== stage) throw new DecodeError('settings.stage', `stage ${stage}`);
  const routes = all('routes/', decodeRoute);
  const policy: Policy = {
    ...settings,
    wallets: all('wallets/', decodeWallets).flat(),
    consumerGroups: all('groups/', decodeGroup),
    providers: all('providers/', decodeProviders).flat(),
    routes: routes.map((part) => part.route),
    prices: distinctPrices(routes.flatMap((part) => part.prices)),
  };
  checkReferences(policy);
  return policy;
}

function settingsOf(policy: Policy): Settings {
  const { stage, purpose, timezone, owner, costTracking, alerts, defaultRoute, evaluations } = policy;
  return { stage, purpose, timezone, owner, costTracking, alerts, defaultRoute, evaluations };
}

/** Compact JSON, amounts as digits. SSM takes `{{` for a reference; in JSON it can only stand in a text. */
function encode(value: unknown): string {
  const json = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
  return json.replaceAll('{{', '{\\u007b');
}

/** The part that holds a group, such as `groups/dev`. */
export function partOfGroup(name: string): string {
  return `groups/${encodeName(name)}`;
}

/** The part that holds a route with its prices. */
export function partOfRoute(model: string): string {
  return `routes/${encodeName(model)}`;
}

/** A name in the characters that a parameter's name may have; `_` begins the code of any other character. */
function encodeName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9.-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function parameter(name: string, value: string, what: string): PolicyParameter {
  const bytes = byteLength(value);
  if (bytes > ADVANCED_BYTES) throw new ParameterTooLargeError(what, bytes);
  return { name, value, tier: bytes > STANDARD_BYTES ? 'advanced' : 'standard' };
}

function byteLength(value: string): number {
  return new TextEncoder().encode(value).length;
}

/** A list in as few standard parameters as it takes, numbered from 1. */
function packed(name: string, items: readonly unknown[], what: string): PolicyParameter[] {
  const chunks: unknown[][] = [[]];
  for (const item of items) {
    const last = chunks.at(-1) ?? [];
    if (last.length > 0 && byteLength(encode([...last, item])) > STANDARD_BYTES) chunks.push([item]);
    else last.push(item);
  }
  return chunks.map((chunk, index) => parameter(`${name}/${index + 1}`, encode(chunk), what));
}

interface Index {
  readonly version: '1';
  readonly stage: string;
  /** Hash of each part by its name, in the policy's order; of each page of the index when they are too many for one. */
  readonly parts?: Readonly<Record<string, string>>;
  readonly pages?: Readonly<Record<string, string>>;
}

const PARTS_PER_PAGE = 40;

function indexOf(root: string, parts: readonly PolicyParameter[]): PolicyParameter[] {
  const stage = root.split('/')[2] ?? '';
  const name = `${root}/index`;
  const hashes = hashesOf(root, parts);
  const one: Index = { version: '1', stage, parts: Object.fromEntries(hashes) };
  if (byteLength(encode(one)) <= STANDARD_BYTES) return [parameter(name, encode(one), 'the index')];
  const pages: PolicyParameter[] = [];
  for (let first = 0; first < hashes.length; first += PARTS_PER_PAGE) {
    const page = Object.fromEntries(hashes.slice(first, first + PARTS_PER_PAGE));
    pages.push(parameter(`${root}/index-${pages.length + 1}`, encode(page), 'a page of the index'));
  }
  const top: Index = { version: '1', stage, pages: Object.fromEntries(hashesOf(root, pages)) };
  return [...pages, parameter(name, encode(top), 'the index')];
}

function hashesOf(root: string, parts: readonly PolicyParameter[]): [string, string][] {
  return parts.map(({ name, value }) => [name.slice(root.length + 1), hashOf(value)]);
}

/** The hash that an index holds of a value. */
export function hashOf(value: string): string {
  return createHash('sha256').update(value, 'utf8').digest('hex');
}

const decodeHashes: Decoder<Record<string, string>> = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError(path, 'a mapping of hashes');
  const entries = Object.entries(value).map(([part, hash]: [string, unknown]): [string, string] => {
    if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash))
      throw new DecodeError(`${path}.${part.slice(0, 80)}`, 'a SHA-256');
    return [part, hash];
  });
  return Object.fromEntries(entries);
};

/** What an index names: each part with its hash, or pages that do. @throws DecodeError when it is no index of that stage */
export function decodeIndex(text: string, stage: string): Pick<Index, 'parts' | 'pages'> {
  const decoder = record<Index>({
    version: oneOf('1'),
    stage: oneOf(stage),
    parts: optional(decodeHashes),
    pages: optional(decodeHashes),
  });
  return decodeJson(text, decoder, 'index');
}

/** What a page of an index names. @throws DecodeError */
export function decodeIndexPage(text: string): Readonly<Record<string, string>> {
  return decodeJson(text, decodeHashes, 'a page of the index');
}

function readIndex(root: string, stage: string, parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const source = parameters.get(`${root}/index`);
  if (source === undefined) throw new IncompletePolicyError(['index']);
  const index = decodeIndex(source, stage);
  if (index.parts !== undefined) return new Map(Object.entries(index.parts));
  const pages = new Map(Object.entries(index.pages ?? {}));
  verify(root, pages, parameters);
  const entries = [...pages.keys()].flatMap((page) => Object.entries(decodeIndexPage(parameters.get(`${root}/${page}`) ?? '')));
  return new Map(entries);
}

function verify(root: string, hashes: ReadonlyMap<string, string>, parameters: ReadonlyMap<string, string>): void {
  const wrong = [...hashes].flatMap(([part, hash]) => {
    const value = parameters.get(`${root}/${part}`);
    if (value === undefined) return [`${part} is missing`];
    return hashOf(value) === hash ? [] : [`${part} is of another version`];
  });
  if (wrong.length > 0) throw new IncompletePolicyError(wrong);
}

/** A target of two routes has its prices in both. */
function distinctPrices(prices: readonly Price[]): Price[] {
  const byKey = new Map(
    prices.map((price) => [JSON.stringify([price.provider, price.model, price.fromEpochMs, price.source]), price]),
  );
  return [...byKey.values()].toSorted(comparePrices);
}

function checkReferences(policy: Policy): void {
  const wallets = new Set(policy.wallets.map((wallet) => wallet.teamId));
  const providers = new Set(policy.providers.map((provider) => provider.name));
  const routes = new Set(policy.routes.map((route) => route.model));
  const refer = (known: ReadonlySet<string>, name: string, path: string) => {
    if (!known.has(name)) throw new DecodeError(path, 'a name that the policy has');
  };
  for (const group of policy.consumerGroups) {
    for (const wallet of [group.walletTeamId, ...group.funding]) refer(wallets, wallet, `groups/${group.name}`);
    for (const model of [...group.models, ...group.budgets.flatMap((budget) => budget.models ?? [])]) {
      refer(routes, model, `groups/${group.name}`);
    }
  }
  for (const route of policy.routes) {
    for (const target of route.targets) refer(providers, target.provider, `routes/${route.model}`);
    if (route.whenBudgetAbove !== undefined) refer(routes, route.whenBudgetAbove.use, `routes/${route.model}`);
  }
  if (policy.defaultRoute !== undefined) refer(routes, policy.defaultRoute, 'settings.defaultRoute');
  if (policy.evaluations !== undefined) refer(wallets, policy.evaluations.walletTeamId, 'settings.evaluations');
}
