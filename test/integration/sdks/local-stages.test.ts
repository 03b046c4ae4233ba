/** Both local stages as `npm start` makes them of the shipped policies, called by Anthropic's SDK: its provider has no key here and is played. */
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { parseUsd } from '../../../lambdas/domain/money.ts';
import { failureOf } from '../../support/anthropic.ts';
import { type Started, eventually, startTollgate, temporaryDirectory, tollgate } from '../../support/stages.ts';

const ASK = { max_tokens: 100, messages: [{ role: 'user' as const, content: 'Say something.' }] };
/** What app code names, and who may call it. */
const STAGES = [
  ['dev', 'claude-haiku-4-5'],
  ['prod', 'claude'],
] as const;

let started: Started;
let home: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ directory: home, remove } = await temporaryDirectory());
  started = await startTollgate({ home });
});
afterAll(async () => {
  await started?.end('SIGTERM');
  await remove?.();
});

function clientOf(stage: 'dev' | 'prod'): Anthropic {
  const { baseUrl, keys } = started.ready.stages[stage];
  return new Anthropic({ baseURL: baseUrl, apiKey: keys[stage] ?? '' });
}

test('the banner says that the provider is played, and what would make it real', () => {
  expect(started.stderr()).toContain('set ANTHROPIC_API_KEY to call the real one');
});

test.each(STAGES)('on %s, %s is answered, streamed and counted, and its cost leaves the wallet', async (stage, model) => {
  const client = clientOf(stage);
  const { data, response } = await client.messages.create({ ...ASK, model }).withResponse();
  expect(data.content).toMatchObject([{ type: 'text', text: expect.stringContaining('simulated') }]);
  expect(response.headers.get('x-tollgate-route')).toBe('claude');
  expect(response.headers.get('x-tollgate-provider')).toBe('anthropic');
  const streamed = await client.messages.stream({ ...ASK, model }).finalMessage();
  expect(streamed.content).toEqual(data.content);
  const counted = await client.messages.countTokens({ messages: ASK.messages, model }).withResponse();
  expect(counted.data.input_tokens).toBeGreaterThan(0);
  expect(counted.response.headers.get('x-tollgate-cost-usd')).toBe('0.00');
  const names = [];
  for await (const { id } of client.models.list()) names.push(id);
  expect(names).toContain(model);
});

test('what the two stages charged is in their own wallets, to the nano-dollar', async () => {
  const spent = async (stage: string): Promise<bigint> => {
    const words = ['wallet', 'show', `team_${stage}`, '--stage', stage, '--json', '--local', '--home', home];
    return parseUsd((JSON.parse((await tollgate(words)).stdout) as { spentUsd: string }).spentUsd);
  };
  // Two answers of the same tokens on each stage: Haiku 4.5 is 1.00 and 5.00, Sonnet 5 is 2.00 and 10.00 dollars a million.
  const settled = async (): Promise<true | undefined> => {
    const [dev, prod] = [await spent('dev'), await spent('prod')];
    return dev > 0n && prod === 2n * dev ? true : undefined;
  };
  expect(await eventually(settled, 60_000, 'both stages have settled two answers')).toBe(true);
});

test.each(STAGES)('on %s, a request that has no bound and one of another stage are refused, each once', async (stage, model) => {
  const refused = await failureOf(clientOf(stage).messages.create({ ...ASK, model, container: 'c_1' }));
  if (!(refused instanceof APIError)) throw new Error('an APIError was expected');
  expect(refused.status).toBe(400);
  const other = started.ready.stages[stage === 'dev' ? 'prod' : 'dev'].keys[stage === 'dev' ? 'prod' : 'dev'] ?? '';
  const stranger = await failureOf(
    clientOf(stage)
      .withOptions({ apiKey: other })
      .messages.create({ ...ASK, model }),
  );
  if (!(stranger instanceof APIError)) throw new Error('an APIError was expected');
  expect(stranger.status).toBe(401);
  expect(stranger.message).toContain(`this is stage ${stage}`);
});
