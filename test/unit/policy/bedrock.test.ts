/** Providers at Amazon Bedrock: what an address and a credential must be, what the endpoint serves, and true prices of true ids. */
import { findPrice } from '../../../lambdas/domain/prices.ts';
import { findBedrockHost, readBedrockModel } from '../../../lambdas/domain/bedrock.ts';
import { cataloguePrices } from '../../../lambdas/policy/catalogue.ts';
import { fromParameters, toParameters } from '../../../lambdas/policy/parameters.ts';
import { AT, LEARNING, edit, load, problemOf, problemsOf } from './support.ts';

const RUNTIME = 'https://bedrock-runtime.eu-central-1.amazonaws.com';
const MANTLE = 'https://bedrock-mantle.us-east-1.api.aws';
const SONNET = 'anthropic.claude-sonnet-4-5-20250929-v1:0';

/** The learning stage with `mistral` replaced by a provider at Bedrock. */
function policy(protocol: string, baseUrl: string, model: string, more = '', credential = '{ iam: bedrock }'): string {
  const place = `    base_url: https://api.mistral.ai/v1\n    credential: { secret: mistral }`;
  const text = edit(
    LEARNING,
    place,
    `    protocol: ${protocol}\n    base_url: ${baseUrl}\n    credential: ${credential}${more === '' ? '' : `\n    ${more}`}`,
  );
  return edit(text, 'mistral-small-2603', `"${model}"`);
}

test.each([
  ['openai', `${RUNTIME}/openai/v1`, 'openai.gpt-oss-20b-1:0', 'bedrock', 'eu-central-1', ['chat_completions', 'responses']],
  ['anthropic', `${RUNTIME}/`, `eu.${SONNET}`, 'bedrock', 'eu-central-1', ['messages']],
  ['openai', `${MANTLE}/v1`, 'openai.gpt-oss-20b-1:0', 'bedrock-mantle', 'us-east-1', ['chat_completions', 'responses']],
  ['openai', `${MANTLE}/openai/v1`, 'openai.gpt-oss-20b-1:0', 'bedrock-mantle', 'us-east-1', ['chat_completions', 'responses']],
  ['anthropic', `${MANTLE}/anthropic/v1`, 'anthropic.claude-opus-4-8', 'bedrock-mantle', 'us-east-1', ['messages']],
])('%s at %s is signed for the service and the region that its address says', (protocol, url, model, service, region, apis) => {
  const { policy: loaded, warnings } = load(policy(protocol, url, model), true);
  expect(warnings).toEqual([]);
  const provider = loaded.providers.find(({ name }) => name === 'mistral');
  expect(provider).toMatchObject({ credential: { kind: 'iam', service, region }, apis, baseUrl: url.replace(/\/$/, '') });
  expect(findPrice(loaded.prices, 'mistral', model, AT)).toBeDefined();
  const written = new Map(toParameters(loaded).map(({ name, value }) => [name, value]));
  expect(fromParameters(written, 'dev').providers).toEqual(loaded.providers);
});

test.each([
  [
    'another service',
    policy('openai', `${RUNTIME}/openai/v1`, 'openai.gpt-oss-20b-1:0', '', '{ iam: sagemaker }'),
    'credential.iam',
    'write { iam: bedrock }',
  ],
  [
    'another address',
    policy('openai', 'https://api.example.com/v1', 'openai.gpt-oss-20b-1:0', '', '{ iam: bedrock }'),
    'base_url',
    'https://bedrock-runtime.REGION.amazonaws.com/openai/v1',
  ],
  [
    'an address that looks like it',
    policy('anthropic', `${RUNTIME}.example.com`, `eu.${SONNET}`),
    'base_url',
    'https://bedrock-runtime.REGION.amazonaws.com,',
  ],
  ['a missing path', policy('openai', RUNTIME, 'openai.gpt-oss-20b-1:0'), 'base_url', `write ${RUNTIME}/openai/v1`],
  [
    'a path that InvokeModel has not',
    policy('anthropic', `${RUNTIME}/anthropic/v1`, `eu.${SONNET}`),
    'base_url',
    `write ${RUNTIME}`,
  ],
  [
    "the other protocol's path",
    policy('anthropic', `${MANTLE}/v1`, 'anthropic.claude-opus-4-8'),
    'base_url',
    `write ${MANTLE}/anthropic/v1`,
  ],
  [
    'a count of tokens',
    policy('anthropic', RUNTIME, `eu.${SONNET}`, 'apis: [messages, count_tokens]'),
    'apis[1]',
    'messages for protocol anthropic',
  ],
  [
    'embeddings',
    policy('openai', `${RUNTIME}/openai/v1`, 'openai.gpt-oss-20b-1:0', 'apis: [embeddings]'),
    'apis[0]',
    'chat_completions, responses',
  ],
  [
    'a key at InvokeModel',
    policy('anthropic', RUNTIME, `eu.${SONNET}`, '', '{ secret: bedrock }'),
    'credential',
    '{ iam: bedrock }',
  ],
])('%s is refused by name, with what to write', (_what, text, path, advice) => {
  const problem = problemOf(text);
  expect(problem.path).toContain(path);
  expect(problem.suggestion).toContain(advice);
});

test('an ARN in place of an id is refused: neither price nor right could be exact', () => {
  const arn = `arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.${SONNET}`;
  expect(problemsOf(policy('anthropic', RUNTIME, arn)).map(({ path }) => path)).toContain('routes[0].targets[1].model');
});

const AWS = { name: 'claude', baseUrl: RUNTIME };
const rates = (model: string) => cataloguePrices(AWS, model).prices[0]?.tiers[0];

test.each([
  // US dollars per million: 3 and 15 with `global`, 10 % more where the geography is chosen.
  [`global.${SONNET}`, 3_000_000n, 300_000n, 3_750_000n, 6_000_000n, 15_000_000n],
  [`eu.${SONNET}`, 3_300_000n, 330_000n, 4_125_000n, 6_600_000n, 16_500_000n],
  [`us.${SONNET}`, 3_300_000n, 330_000n, 4_125_000n, 6_600_000n, 16_500_000n],
  [SONNET, 3_300_000n, 330_000n, 4_125_000n, 6_600_000n, 16_500_000n],
  ['apac.anthropic.claude-haiku-4-5-20251001-v1:0', 1_100_000n, 110_000n, 1_375_000n, 2_200_000n, 5_500_000n],
  ['global.anthropic.claude-opus-5-5', 4_000_000n, 200_000n, 5_000_000n, 8_000_000n, 20_000_000n],
  ['eu.anthropic.claude-opus-5-5', 4_400_000n, 220_000n, 5_500_000n, 8_800_000n, 22_000_000n],
])(
  '%s has its own price, the premium of its geography and its cache prices included',
  (model, input, read, write, hour, output) => {
    expect(rates(model)).toEqual({
      aboveInputTokens: 0,
      inputPicoUsd: input,
      cachedInputPicoUsd: read,
      cacheWriteInputPicoUsd: write,
      cacheWriteHourInputPicoUsd: hour,
      outputPicoUsd: output,
    });
  },
);

test.each([
  // The catalogue looks for parts of ids, and would take each of these for an older model.
  'eu.anthropic.claude-sonnet-5-5-v1:0',
  'global.anthropic.claude-sonnet-4-6-5',
  'us.anthropic.claude-opus-4-50-v1:0',
  // A geography that the catalogue has no price for.
  'us-gov.anthropic.claude-opus-4-8-v1:0',
  'mars.anthropic.claude-3-5-haiku-20241022-v1:0',
  'eu.anthropic.claude-unheard-of-v1:0',
])('%s is unknown and gets no price of another model', (model) => {
  const { prices, note } = cataloguePrices(AWS, model);
  expect(prices).toEqual([]);
  expect(note).toContain('no such model of aws');
});

test("the address decides on Bedrock's prices, whatever the provider's name", () => {
  expect(
    cataloguePrices({ name: 'anthropic', baseUrl: `${MANTLE}/anthropic/v1` }, 'anthropic.claude-opus-4-8').prices,
  ).toHaveLength(1);
  expect(cataloguePrices({ name: 'anthropic', baseUrl: `${MANTLE}/anthropic/v1` }, 'claude-opus-4-1').prices).toEqual([]);
});

test.each([
  ['bedrock-runtime.eu-central-1.amazonaws.com', { service: 'bedrock', region: 'eu-central-1' }],
  ['bedrock-mantle.us-east-1.api.aws', { service: 'bedrock-mantle', region: 'us-east-1' }],
  ['bedrock-runtime.eu-central-1.api.aws', undefined],
  ['bedrock.eu-central-1.amazonaws.com', undefined],
  ['bedrock-runtime.evil.example.amazonaws.com', undefined],
  ['x-bedrock-runtime.eu-central-1.amazonaws.com', undefined],
])('%s is %j', (host, expected) => {
  expect(findBedrockHost(host)).toEqual(expected);
});

test.each([
  ['eu.anthropic.claude-x', { geography: 'eu', model: 'anthropic.claude-x' }],
  ['openai.gpt-5.5', { model: 'openai.gpt-5.5' }],
  ['anthropic', { model: 'anthropic' }],
])('the id %s is read as %j', (id, expected) => {
  expect(readBedrockModel(id)).toEqual(expected);
});
