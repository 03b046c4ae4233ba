/** Prices of the pinned catalogue are exact integers, dated, tiered, and never lower than what an answer can cost. */
import { readFileSync } from 'node:fs';
import { CATALOGUE_SOURCE, catalogueProviderId, cataloguePrices, picoPerToken } from '../../../lambdas/policy/catalogue.ts';
import { findPrice } from '../../../lambdas/domain/prices.ts';
import { AT, LEARNING, edit, load, problemOf } from './support.ts';

const OPENAI = { name: 'openai', baseUrl: 'https://api.openai.com/v1' };

test('the source names the version that is installed', () => {
  const file = new URL('../../../node_modules/@pydantic/genai-prices/package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  expect(CATALOGUE_SOURCE).toBe(`catalogue ${version}`);
});

test.each([
  [0.25, 250_000n],
  [0.025, 25_000n],
  [1.25, 1_250_000n],
  [0.1, 100_000n],
  [0.3, 300_000n],
  [0.039, 39_000n],
  [0.000001, 1n],
  [1e-7, 1n],
  [15, 15_000_000n],
  [1e21, 1_000_000_000_000_000_000_000_000_000n],
  [0.08333333333333334, 83_334n],
  [0, 0n],
])('%d dollars per million tokens are %d pico-dollars a token, and a finer rest is rounded up', (usd, pico) => {
  expect(picoPerToken(usd)).toBe(pico);
});

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('%d is no price', (usd) => {
  expect(() => picoPerToken(usd)).toThrow(RangeError);
});

test('a plain price is taken as it stands', () => {
  expect(cataloguePrices(OPENAI, 'gpt-5-mini')).toEqual({
    prices: [
      {
        provider: 'openai',
        model: 'gpt-5-mini',
        fromEpochMs: 0,
        source: CATALOGUE_SOURCE,
        tiers: [{ aboveInputTokens: 0, inputPicoUsd: 250_000n, cachedInputPicoUsd: 25_000n, outputPicoUsd: 2_000_000n }],
      },
    ],
    note: undefined,
  });
});

test('a model without a price for cached input pays its input price for it', () => {
  expect(cataloguePrices(OPENAI, 'o3-pro').prices[0]?.tiers).toEqual([
    { aboveInputTokens: 0, inputPicoUsd: 20_000_000n, cachedInputPicoUsd: 20_000_000n, outputPicoUsd: 80_000_000n },
  ]);
});

test('tiers are kept', () => {
  expect(cataloguePrices(OPENAI, 'gpt-5.4').prices[0]?.tiers).toEqual([
    { aboveInputTokens: 0, inputPicoUsd: 2_500_000n, cachedInputPicoUsd: 250_000n, outputPicoUsd: 15_000_000n },
    { aboveInputTokens: 271_999, inputPicoUsd: 5_000_000n, cachedInputPicoUsd: 500_000n, outputPicoUsd: 22_500_000n },
  ]);
});

test('dated prices are kept, so that old spend keeps its price', () => {
  const { prices } = cataloguePrices(OPENAI, 'o3');
  expect(prices.map((price) => [price.fromEpochMs, price.tiers[0]?.outputPicoUsd])).toEqual([
    [0, 40_000_000n],
    [Date.parse('2025-06-10T00:00:00Z'), 8_000_000n],
  ]);
});

test('a price of some hours of the day bounds every hour', () => {
  const { prices } = cataloguePrices({ name: 'deepseek', baseUrl: 'https://api.deepseek.com' }, 'deepseek-v4-pro');
  for (const price of prices) expect(price.tiers[0]).toMatchObject({ inputPicoUsd: 1_320_000n, outputPicoUsd: 3_960_000n });
});

const ANTHROPIC = { name: 'anthropic', baseUrl: 'https://api.anthropic.com/v1' };

test('writing a cache has prices of its own: for minutes, and for an hour', () => {
  expect(cataloguePrices(ANTHROPIC, 'claude-haiku-4-5')).toMatchObject({
    prices: [
      {
        tiers: [
          {
            aboveInputTokens: 0,
            inputPicoUsd: 1_000_000n,
            cachedInputPicoUsd: 100_000n,
            outputPicoUsd: 5_000_000n,
            cacheWriteInputPicoUsd: 1_250_000n,
            cacheWriteHourInputPicoUsd: 2_000_000n,
          },
        ],
      },
    ],
    note: undefined,
  });
});

test('prices of cache writes are tiered and dated as the others are', () => {
  const { prices } = cataloguePrices(ANTHROPIC, 'claude-sonnet-4-6');
  expect(prices.map(({ fromEpochMs, tiers }) => [fromEpochMs, tiers.map((tier) => tier.cacheWriteInputPicoUsd)])).toEqual([
    [0, [3_750_000n, 7_500_000n]],
    [Date.parse('2026-03-13T00:00:00Z'), [3_750_000n]],
  ]);
  expect(prices[0]?.tiers[1]).toMatchObject({ aboveInputTokens: 200_000, cacheWriteHourInputPicoUsd: 12_000_000n });
});

test('where the catalogue has no price for an hour, it is twice the input price', () => {
  const [price] = cataloguePrices(OPENAI, 'gpt-6-luna').prices;
  expect(price?.tiers[0]).toMatchObject({ inputPicoUsd: 100_000n, cachedInputPicoUsd: 10_000n });
  expect(price?.tiers[0]).toMatchObject({ cacheWriteInputPicoUsd: 125_000n, cacheWriteHourInputPicoUsd: 200_000n });
});

test('an embedding model needs an input price only, and its price pays for nothing that generates', () => {
  expect(cataloguePrices(OPENAI, 'text-embedding-3-small')).toEqual({
    prices: [
      {
        provider: 'openai',
        model: 'text-embedding-3-small',
        fromEpochMs: 0,
        source: CATALOGUE_SOURCE,
        inputOnly: true,
        tiers: [{ aboveInputTokens: 0, inputPicoUsd: 20_000n, cachedInputPicoUsd: 20_000n, outputPicoUsd: 0n }],
      },
    ],
    note: undefined,
  });
  // Its images cost more than its text, and only text goes there.
  const gemini = { name: 'gemini', baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai' };
  expect(cataloguePrices(gemini, 'gemini-embedding-2').prices[0]).toMatchObject({
    inputOnly: true,
    tiers: [{ inputPicoUsd: 200_000n }],
  });
  expect(cataloguePrices(OPENAI, 'gpt-5-mini').prices[0]).not.toHaveProperty('inputOnly');
});

test('where an image costs more a token than text, its price bounds both', () => {
  expect(cataloguePrices(OPENAI, 'gpt-realtime')).toMatchObject({
    prices: [{ tiers: [{ inputPicoUsd: 5_000_000n }] }],
    note: expect.stringContaining('dearer'),
  });
});

test('a target that only embeds cannot stand beside one that generates, and may stand alone', () => {
  const target = '- { provider: openai, model: text-embedding-3-small }';
  const beside = edit(LEARNING, '- { provider: mistral, model: mistral-small-2603 }', target);
  expect(problemOf(beside)).toMatchObject({
    path: 'routes[0].targets[1]',
    message:
      'openai/text-embedding-3-small has no output price, since it only embeds; other targets of route economy generate text',
    suggestion: 'give it a route of its own',
  });
  const alone = load(edit(LEARNING, 'targets: [{ provider: openai, model: gpt-5.1 }]', `targets:\n      ${target}`));
  expect(alone.warnings).toEqual([]);
  expect(findPrice(alone.policy.prices, 'openai', 'text-embedding-3-small', AT)?.inputOnly).toBe(true);
});

test.each([
  [OPENAI, 'no-such-model', 'no such model'],
  [OPENAI, 'omni-moderation-latest', 'input tokens'],
  [{ name: 'perplexity', baseUrl: 'https://api.perplexity.ai' }, 'sonar', 'tokens do not bound'],
  [{ name: 'acme', baseUrl: 'http://127.0.0.1:9/v1' }, 'gpt-5-mini', 'does not know this provider'],
])('%j/%s has no usable price', (provider, model, why) => {
  expect(cataloguePrices(provider, model)).toMatchObject({ prices: [], note: expect.stringContaining(why) });
});

test.each([
  ['anything', 'https://api.mistral.ai/v1', 'mistral'],
  ['anything', 'https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1', 'aws'],
  ['anything', 'https://generativelanguage.googleapis.com/v1beta/openai', 'google'],
  ['anything', 'https://team.openai.azure.com/openai/v1', 'azure'],
  ['openai', 'http://127.0.0.1:9000/v1', 'openai'],
  ['groq-eu', 'http://127.0.0.1:9000/v1', 'groq'],
  ['bedrock', 'http://127.0.0.1:9000/v1', 'aws'],
  ['openai', 'https://api.mistral.ai/v1', 'mistral'],
])('provider %s at %s has the prices of %s: the address decides, then the name', (name, baseUrl, expected) => {
  expect(catalogueProviderId({ name, baseUrl })).toBe(expected);
});

const OVERLAY = (lines: string) => `${LEARNING}prices:\n${lines}`;
const ENTRY = (from: string, input: string) =>
  `  - { provider: openai, model: gpt-5-mini, from: ${from}, input_usd_per_million: "${input}", output_usd_per_million: "3.00" }\n`;

test("the policy's own price stands before the catalogue's, from its day on", () => {
  const { policy, warnings } = load(OVERLAY(ENTRY('2026-10-01', '0.50') + ENTRY('2027-01-01', '0.75')));
  const at = (day: string) => findPrice(policy.prices, 'openai', 'gpt-5-mini', Date.parse(day))?.tiers[0]?.inputPicoUsd;
  expect(warnings).toEqual([]);
  expect([at('2026-09-30T23:59:59Z'), at('2026-10-01T00:00:00Z'), at('2027-01-01T00:00:00Z')]).toEqual([
    250_000n,
    500_000n,
    750_000n,
  ]);
  expect(policy.prices.map((price) => price.source).slice(0, 2)).toEqual(['policy', 'policy']);
});

test('cached input of an own price costs its input price unless stated', () => {
  const { policy } = load(OVERLAY(ENTRY('2026-10-01', '0.50')));
  expect(findPrice(policy.prices, 'openai', 'gpt-5-mini', AT)?.tiers).toEqual([
    { aboveInputTokens: 0, inputPicoUsd: 500_000n, cachedInputPicoUsd: 500_000n, outputPicoUsd: 3_000_000n },
  ]);
});

const CLAUDE = edit(
  edit(
    LEARNING,
    'name: mistral\n    base_url: https://api.mistral.ai/v1',
    'name: claude\n    protocol: anthropic\n    base_url: https://api.anthropic.com/v1',
  ),
  '{ provider: mistral, model: mistral-small-2603 }',
  '{ provider: claude, model: claude-haiku-4-5 }',
);

test.each([
  ['', 1_250_002n, 2_000_002n],
  [', cache_write_input_usd_per_million: "1.50"', 1_500_000n, 2_000_000n],
  [', cache_write_input_usd_per_million: "3.00"', 3_000_000n, 3_000_000n],
])('an own price of a provider that writes caches has a price for them (%j)', (more, minutes, hour) => {
  const input = more === '' ? '1.000001' : '1.00';
  const line = `  - { provider: claude, model: claude-haiku-4-5, input_usd_per_million: "${input}", output_usd_per_million: "5.00"${more} }\n`;
  const [tier] = findPrice(load(`${CLAUDE}prices:\n${line}`).policy.prices, 'claude', 'claude-haiku-4-5', AT)?.tiers ?? [];
  expect(tier?.cacheWriteInputPicoUsd).toBe(minutes);
  expect(tier?.cacheWriteHourInputPicoUsd).toBe(hour);
});

test('an own price states what a cache write costs elsewhere too, and none unless it does', () => {
  const line = ENTRY('2026-10-01', '0.50').replace(' }\n', ', cache_write_input_usd_per_million: "0.60" }\n');
  const [tier] = findPrice(load(OVERLAY(line)).policy.prices, 'openai', 'gpt-5-mini', AT)?.tiers ?? [];
  expect(tier).toMatchObject({ cacheWriteInputPicoUsd: 600_000n, cacheWriteHourInputPicoUsd: 1_000_000n });
});

test('two own prices of one day, a day that is none and a price without quotes are refused', () => {
  expect(problemOf(OVERLAY(ENTRY('2026-10-01', '0.50') + ENTRY('2026-10-01', '0.60')))).toMatchObject({
    line: 32,
    path: 'prices[1]',
  });
  expect(problemOf(OVERLAY(ENTRY('2026-02-30', '0.50')))).toMatchObject({ line: 31, path: 'prices[0].from' });
  expect(problemOf(OVERLAY(ENTRY('2026-10-01', '0.50').replace('"0.50"', '0.50'))).suggestion).toBe(
    'write input_usd_per_million: "0.50"',
  );
});

test('a model whose only price begins later counts as unpriced', () => {
  const text = edit(OVERLAY(ENTRY('2027-01-01', '0.50')).replaceAll('gpt-5-mini', 'own-model'), 'stage: dev', 'stage: dev');
  expect(load(text).warnings).toMatchObject([{ message: expect.stringContaining('begins later') }]);
});

test('a price that no route has a use for is told', () => {
  const text = OVERLAY(ENTRY('2026-10-01', '0.50').replace('gpt-5-mini', 'gpt-4o'));
  expect(load(text).warnings).toMatchObject([{ path: 'prices[0]', message: expect.stringContaining('no use') }]);
});
