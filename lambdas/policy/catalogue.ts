/**
 * Prices of the pinned catalogue as exact integers. The catalogue has kinds of output that an answer is not told apart by
 * here (reasoning, media): the dearest of them prices the whole side, so no answer costs more than its price says.
 * @see https://github.com/pydantic/genai-prices (0.1.8, 2026-11-23)
 */
import { type ModelPrice, calcPrice, findProvider } from '@pydantic/genai-prices';
import { findBedrockHost, readBedrockModel } from '../domain/bedrock.ts';
import { type PicoUsd, maxOf } from '../domain/money.ts';
import { cacheWriteRates } from './cache-write-prices.ts';
import type { Price, PriceTier } from '../domain/prices.ts';

/** What a price from the catalogue names as its source. */
export const CATALOGUE_SOURCE = 'catalogue 0.1.8';

/** Kinds of input that a request of texts and images may be billed as; cache writes have rates of their own. */
const INPUT_KEYS = ['input_mtok', 'input_image_mtok'];
/** Kinds of output that an answer may be billed as. */
const OUTPUT_KEYS = ['output_mtok', 'output_reasoning_mtok', 'output_image_mtok', 'output_audio_mtok', 'output_video_mtok'];
/** Fees that tokens do not bound: a model with one has no usable price. */
const UNBOUNDED_KEYS = ['requests_kcount', 'output_citation_mtok', 'input_text_messages_kcount'];

/** What the catalogue says about one model of one provider. */
export interface CatalogueAnswer {
  /** Ascending by date; empty when the model has no price that tokens bound. */
  readonly prices: readonly Price[];
  /** Why there is none, or where the price is higher than the plain one. */
  readonly note?: string;
}

/**
 * The catalogue's prices of a target.
 * @param provider the policy's name and address of it: the address decides, the name where the address is unknown
 * @param model as the provider calls it
 */
export function cataloguePrices(provider: { readonly name: string; readonly baseUrl: string }, model: string): CatalogueAnswer {
  const providerId = catalogueProviderId(provider);
  if (providerId === undefined) return { prices: [], note: 'the catalogue does not know this provider' };
  const found = calcPrice({}, model, { providerId });
  if (found === null) return { prices: [], note: `the catalogue has no such model of ${providerId}` };
  if (providerId === 'aws' && stemOf(found.model.id) !== stemOf(model)) {
    return { prices: [], note: `the catalogue has no such model of ${providerId}; its nearest is ${found.model.id}` };
  }
  const dated = datedPrices(found.model.prices);
  const refused = dated.map(({ price }) => whyUnusable(price)).find((why) => why !== undefined);
  if (refused !== undefined) return { prices: [], note: refused };
  const alternatives = timeOfDayPrices(found.model.prices);
  const prices = dated.map(({ fromEpochMs, price }) => ({
    provider: provider.name,
    model,
    fromEpochMs,
    source: CATALOGUE_SOURCE,
    ...(isInputOnly(price) ? { inputOnly: true as const } : {}),
    tiers: tiersOf([price, ...alternatives]),
  }));
  return { prices, note: dated.some(({ price }) => isDearerThanPlain(price)) ? DEARER : undefined };
}

const DEARER =
  'the catalogue has dearer kinds of tokens for this model (images, reasoning or media); the dearest prices them all, ' +
  'and an entry under prices can state another';

/** The catalogue's id of a provider. */
export function catalogueProviderId(provider: { readonly name: string; readonly baseUrl: string }): string | undefined {
  if (URL.canParse(provider.baseUrl) && findBedrockHost(new URL(provider.baseUrl).hostname) !== undefined) return 'aws';
  const byAddress = findProvider({ providerApiUrl: `${provider.baseUrl}/` });
  if (byAddress !== undefined) return byAddress.id;
  const firstWord = provider.name.toLowerCase().split(/[-_.]/)[0] ?? '';
  return (findProvider({ providerId: provider.name.toLowerCase() }) ?? findProvider({ providerId: firstWord }))?.id;
}

/**
 * What an id of Bedrock's and the catalogue's name of it have in common: the model, without geography, date and version. The catalogue
 * looks for parts of ids, so that a later `claude-sonnet-5-5` would get the price of `claude-sonnet-5`. The geography has done its work
 * by then: it chooses between the catalogue's two prices of a model, `global` and the dearer `regional`.
 */
function stemOf(id: string): string {
  return readBedrockModel(id.replace(/^regional\./, '')).model.replace(/(-\d{8})?(-v\d+)?(:\d+)?$/, '');
}

/**
 * USD per million tokens as a float, in exact pico-USD per token: its shortest decimal text is what the catalogue's
 * authors wrote. What is finer than a pico-dollar is rounded up.
 */
export function picoPerToken(usdPerMillion: number): PicoUsd {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(usdPerMillion));
  if (match === null) throw new RangeError(`${usdPerMillion} is not a price`);
  const [, whole = '0', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const shift = 6 - fraction.length + Number(exponent);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return (digits + divisor - 1n) / divisor;
}

type ModelPrices = NonNullable<ReturnType<typeof calcPrice>>['model']['prices'];

function datedPrices(prices: ModelPrices): { fromEpochMs: number; price: ModelPrice }[] {
  if (!Array.isArray(prices)) return [{ fromEpochMs: 0, price: prices }];
  return prices.flatMap(({ constraint, prices: price }) => {
    if (constraint === undefined) return [{ fromEpochMs: 0, price }];
    if (constraint.type === 'start_date') return [{ fromEpochMs: Date.parse(`${constraint.start_date}T00:00:00Z`), price }];
    return [];
  });
}

/** Prices of hours of the day: any call may fall into one, so each of them bounds every call. */
function timeOfDayPrices(prices: ModelPrices): ModelPrice[] {
  if (!Array.isArray(prices)) return [];
  return prices.filter(({ constraint }) => constraint?.type === 'time_of_date').map(({ prices: price }) => price);
}

function whyUnusable(price: ModelPrice): string | undefined {
  const fee = UNBOUNDED_KEYS.find((key) => price[key] !== undefined);
  if (fee !== undefined) return `the catalogue has a fee for this model that tokens do not bound (${fee})`;
  if (price['input_mtok'] === undefined) return 'the catalogue has no price for its input tokens';
  if (price['output_mtok'] === undefined && !isInputOnly(price)) return 'the catalogue has no price for its output tokens';
  return undefined;
}

/** A model that the catalogue has no price of any output for makes none: it embeds. Its input is text here. */
function isInputOnly(price: ModelPrice): boolean {
  return OUTPUT_KEYS.every((key) => price[key] === undefined);
}

function inputKeys(price: ModelPrice): readonly string[] {
  return isInputOnly(price) ? INPUT_KEYS.slice(0, 1) : INPUT_KEYS;
}

function isDearerThanPlain(price: ModelPrice): boolean {
  const dearer = (keys: readonly string[]) =>
    keys.slice(1).some((key) => startsOf(price).some((start) => rateAt(price[key], start) > rateAt(price[keys[0] ?? ''], start)));
  return dearer(inputKeys(price)) || dearer(OUTPUT_KEYS);
}

function tiersOf(prices: readonly ModelPrice[]): PriceTier[] {
  const starts = [...new Set(prices.flatMap(startsOf))].toSorted((a, b) => a - b);
  const dearest = (keys: (price: ModelPrice) => readonly string[], start: number) =>
    maxOf(0n, ...prices.flatMap((price) => keys(price).map((key) => rateAt(price[key], start))));
  return starts.map((aboveInputTokens) => {
    const inputPicoUsd = dearest(inputKeys, aboveInputTokens);
    const cacheWrite = dearest(() => ['cache_write_mtok'], aboveInputTokens);
    return {
      aboveInputTokens,
      inputPicoUsd,
      cachedInputPicoUsd: maxOf(
        0n,
        ...prices.flatMap((price) => [
          rateAt(price['cache_read_mtok'] ?? price['input_mtok'], aboveInputTokens),
          rateAt(price['cache_image_read_mtok'], aboveInputTokens),
        ]),
      ),
      outputPicoUsd: dearest(() => OUTPUT_KEYS, aboveInputTokens),
      ...cacheWriteRates(
        inputPicoUsd,
        cacheWrite,
        dearest(() => ['cache_write_1h_mtok'], aboveInputTokens),
      ),
    };
  });
}

function startsOf(price: ModelPrice): number[] {
  return [0, ...Object.values(price).flatMap((rate) => (typeof rate === 'object' ? rate.tiers.map((tier) => tier.start) : []))];
}

/** The rate of a request whose input is longer than `start` tokens. */
function rateAt(rate: ModelPrice[string], start: number): PicoUsd {
  if (rate === undefined) return 0n;
  if (typeof rate === 'number') return picoPerToken(rate);
  return picoPerToken(rate.tiers.reduce((price, tier) => (start >= tier.start ? tier.price : price), rate.base));
}
