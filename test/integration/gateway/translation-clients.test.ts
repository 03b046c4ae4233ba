import { createAnthropic } from '@ai-sdk/anthropic';
import { ChatAnthropic } from '@langchain/anthropic';
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { HttpProvider } from '../../../lambdas/adapters/providers/http-provider.ts';
import { type NodeServer, startNodeServer } from '../../../lambdas/http/node-entry.ts';
import { FakeLog, type Fixture, GROUP, fixture, policy, price, provider, route } from '../../support/gateway-fixture.ts';
import { type Asked, ScriptedProvider } from '../../support/scripted-provider.ts';

/** Clients of Anthropic's API, as they come, on a provider that serves chat completions only. */
const gpt = new ScriptedProvider();
let made: Fixture;
let server: NodeServer;
let client: HttpProvider;

beforeAll(() => gpt.start());
afterAll(() => gpt.stop());
beforeEach(async () => {
  gpt.asked.length = 0;
  gpt.script = callThenTell;
  const inForce = policy({
    providers: [provider('gpt', gpt.baseUrl, { apis: ['chat_completions'] })],
    consumerGroups: [{ ...GROUP, models: ['mini'] }],
    routes: [route('mini', ['gpt/gpt-m'])],
    prices: [price('gpt', 'gpt-m', '1.00', '2.00')],
  });
  client = new HttpProvider({ find: () => Promise.resolve(undefined) }, new FakeLog(), '0.0.0-test');
  made = fixture(inForce, client);
  server = await startNodeServer(made.gateway, { port: 0 });
});
afterEach(async () => {
  await server.stop(5_000);
  await client.close();
});

const HEAD = { id: 'chatcmpl-1', created: 1, model: 'gpt-m-1' };
const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } };

/** Asks for the tool until it was given what the tool says, and then tells it. */
function callThenTell({ body }: Asked): { answer: unknown; events?: readonly unknown[] } {
  const gave = (body.messages as readonly { role: string; content: unknown }[]).find(({ role }) => role === 'tool');
  const message = gave === undefined ? { tool_calls: [CALL] } : { content: `It is ${String(gave.content)}.` };
  const finish = gave === undefined ? 'tool_calls' : 'stop';
  const answer = {
    ...HEAD,
    choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish }],
    usage: USAGE,
  };
  if (body.stream !== true) return { answer };
  const delta = gave === undefined ? { tool_calls: [{ index: 0, ...CALL }] } : message;
  const chunk = (each: unknown, reason: string | null = null) => ({
    ...HEAD,
    choices: [{ index: 0, delta: each, finish_reason: reason }],
  });
  return {
    answer,
    events: [chunk({ role: 'assistant' }), chunk(delta), chunk({}, finish), { ...HEAD, choices: [], usage: USAGE }, '[DONE]'],
  };
}

const CITY = { type: 'object' as const, properties: { city: { type: 'string' as const } } };
/** What the second call of a tool round must have brought. */
const ROUND = [
  { role: 'user', content: 'Weather?' },
  { role: 'assistant', content: null, tool_calls: [CALL] },
  { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
];

test.each(['whole', 'streamed'])('the AI SDK goes a round with a tool, %s', async (how) => {
  const anthropic = createAnthropic({ apiKey: made.key, baseURL: `${server.url}/v1` });
  const weather = tool({
    inputSchema: jsonSchema<{ city: string }>(CITY),
    execute: ({ city }) => (city === 'Rome' ? 'sunny' : '?'),
  });
  const ask = {
    model: anthropic('mini'),
    tools: { weather },
    prompt: 'Weather?',
    maxOutputTokens: 200,
    stopWhen: stepCountIs(3),
  };
  const answer = how === 'whole' ? await generateText(ask) : streamText(ask);
  expect(await answer.text).toBe('It is sunny.');
  expect(await answer.totalUsage).toMatchObject({ inputTokens: 18, outputTokens: 6 });
  expect(gpt.asked.map(({ body }) => body.messages)).toEqual([ROUND.slice(0, 1), ROUND]);
  await made.payments.settled(2);
});

test('LangChain goes a round with a tool', async () => {
  const model = new ChatAnthropic({ model: 'mini', apiKey: made.key, anthropicApiUrl: server.url });
  const bound = model.bindTools([{ name: 'weather', input_schema: CITY }]);
  const human = new HumanMessage('Weather?');
  const asked = await bound.invoke([human]);
  expect(asked.tool_calls).toMatchObject([{ id: 'call_1', name: 'weather', args: { city: 'Rome' } }]);
  const stream = await bound.stream([
    human,
    new AIMessage({ content: asked.content, tool_calls: asked.tool_calls }),
    new ToolMessage({ tool_call_id: 'call_1', content: 'sunny' }),
  ]);
  let text = '';
  for await (const each of stream) text += each.text;
  expect(text).toBe('It is sunny.');
  expect(gpt.asked[1]?.body.messages).toEqual(ROUND);
  await made.payments.settled(2);
});
