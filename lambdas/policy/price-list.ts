/** The prices of a policy's targets: its own list first, the catalogue's behind it, and what is said where there is none. */
import { parseUsdPerMillion } from '../domain/money.ts';
import { type Price, findPrice } from '../domain/prices.ts';
import { anthropicCacheWrite, cacheWriteRates } from './cache-write-prices.ts';
import { type CatalogueAnswer, cataloguePrices } from './catalogue.ts';
import type { Findings } from './findings.ts';
import { POLICY_SOURCE, comparePrices } from './price-order.ts';
import type { PathStep } from './problems.ts';
import { dayEpochMs } from './schema-fields.ts';
import type { PolicyFile } from './schema.ts';

/** What the stage says of a model without a price. */
export interface PriceRules {
  readonly service: boolean;
  readonly unpricedModel: 'reject' | 'allow_at_zero';
  readonly atEpochMs: number;
}

/** Every price of every target, in a fixed order: the policy's own, then the catalogue's, by provider, model and date. */
export function priceList(file: PolicyFile, rules: PriceRules, findings: Findings): Price[] {
  const own = ownPrices(file, findings);
  const targets = new Map<string, { provider: string; model: string; path: PathStep[] }>();
  for (const [routeIndex, route] of file.routes.entries()) {
    for (const [targetIndex, { provider, model }] of route.targets.entries()) {
      const key = JSON.stringify([provider, model]);
      if (!targets.has(key)) targets.set(key, { provider, model, path: ['routes', routeIndex, 'targets', targetIndex] });
    }
  }
  warnOfUnused(file, new Set(targets.keys()), findings);
  const prices = [...targets.values()].flatMap(({ provider, model, path }) => {
    const mine = own.filter((price) => price.provider === provider && price.model === model);
    const endpoint = file.providers.find((candidate) => candidate.name === provider);
    const answer =
      endpoint === undefined ? { prices: [] } : cataloguePrices({ name: provider, baseUrl: endpoint.base_url }, model);
    const known = [...mine, ...answer.prices];
    if (findPrice(known, provider, model, rules.atEpochMs) !== undefined) {
      if (mine.length === 0 && answer.note !== undefined) findings.warn(path, `${provider}/${model}: ${answer.note}`);
      return known;
    }
    return [...known, ...unpriced(provider, model, path, known.length > 0, answer, rules, findings)];
  });
  checkKinds(file, prices, rules.atEpochMs, findings);
  return prices.toSorted(comparePrices);
}

/** A target without an output price embeds, and cannot stand in for one that answers. */
function checkKinds(file: PolicyFile, prices: readonly Price[], atEpochMs: number, findings: Findings): void {
  for (const [routeIndex, route] of file.routes.entries()) {
    const found = route.targets.map(({ provider, model }) => findPrice(prices, provider, model, atEpochMs));
    if (!found.some((price) => price?.tiers.some((tier) => tier.outputPicoUsd > 0n))) continue;
    for (const [targetIndex, price] of found.entries()) {
      if (price?.inputOnly !== true) continue;
      const what = `${price.provider}/${price.model} has no output price, since it only embeds`;
      const path = ['routes', routeIndex, 'targets', targetIndex];
      findings.error(path, `${what}; other targets of route ${route.model} generate text`, 'give it a route of its own');
    }
  }
}

function unpriced(
  provider: string,
  model: string,
  path: readonly PathStep[],
  later: boolean,
  answer: CatalogueAnswer,
  rules: PriceRules,
  findings: Findings,
): Price[] {
  const why = later ? 'its first price begins later' : (answer.note ?? 'it stands in neither list');
  const advice = `add { provider: ${provider}, model: ${model}, input_usd_per_million: "…", output_usd_per_million: "…" } to prices`;
  const message = `${provider}/${model} has no price: ${why}`;
  if (rules.service) {
    findings.error(path, `${message}; a service stage needs a price for every target`, advice);
    return [];
  }
  if (rules.unpricedModel === 'reject') {
    findings.warn(path, `${message}; requests for it are refused with price_unknown`, advice);
    return [];
  }
  findings.warn(path, `${message}; it is recorded at 0 (unpriced_model: allow_at_zero)`, advice);
  const free = { aboveInputTokens: 0, inputPicoUsd: 0n, cachedInputPicoUsd: 0n, outputPicoUsd: 0n };
  return [{ provider, model, fromEpochMs: 0, source: 'unpriced', tiers: [free] }];
}

function ownPrices(file: PolicyFile, findings: Findings): Price[] {
  const seen = new Set<string>();
  return (file.prices ?? []).flatMap((entry, index) => {
    const path = ['prices', index];
    const fromEpochMs = entry.from === undefined ? 0 : dayEpochMs(entry.from);
    if (fromEpochMs === undefined) {
      findings.error([...path, 'from'], 'there is no such day', 'write it as 2026-10-01');
      return [];
    }
    const key = JSON.stringify([entry.provider, entry.model, fromEpochMs]);
    if (seen.has(key))
      findings.error(path, `${entry.provider}/${entry.model} has two prices from the same day on`, 'remove one of them');
    seen.add(key);
    const inputPicoUsd = parseUsdPerMillion(entry.input_usd_per_million);
    const cached = entry.cached_input_usd_per_million;
    const written = entry.cache_write_input_usd_per_million;
    const unstated = writesCaches(file, entry.provider) ? anthropicCacheWrite(inputPicoUsd) : 0n;
    const tier = {
      aboveInputTokens: 0,
      inputPicoUsd,
      cachedInputPicoUsd: cached === undefined ? inputPicoUsd : parseUsdPerMillion(cached),
      outputPicoUsd: parseUsdPerMillion(entry.output_usd_per_million),
      ...cacheWriteRates(inputPicoUsd, written === undefined ? unstated : parseUsdPerMillion(written), 0n),
    };
    return [{ provider: entry.provider, model: entry.model, fromEpochMs, source: POLICY_SOURCE, tiers: [tier] }];
  });
}

/** Whether an endpoint speaks the protocol in which a request asks for cache writes. */
function writesCaches(file: PolicyFile, name: string): boolean {
  return file.providers.some((endpoint) => endpoint.name === name && endpoint.protocol === 'anthropic');
}

function warnOfUnused(file: PolicyFile, targets: ReadonlySet<string>, findings: Findings): void {
  for (const [index, { provider, model }] of (file.prices ?? []).entries()) {
    if (!targets.has(JSON.stringify([provider, model]))) {
      findings.warn(['prices', index], `no route has the target ${provider}/${model}: this price has no use`);
    }
  }
}
