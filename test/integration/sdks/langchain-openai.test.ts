/** LangChain's OpenAI classes, unchanged: chat completions by default, responses and embeddings when asked. */
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import type { Live } from '../../support/live-gateway.ts';
import { REFUSALS, type Target, arrange, failureOf, sdkGateway, statusOf, target } from '../../support/sdk-gateway.ts';

let at: Live;
beforeEach(async () => {
  at = await sdkGateway();
});
afterEach(async () => {
  await at.stop();
});

function chat({ baseURL, apiKey, model }: Target, useResponsesApi = false): ChatOpenAI {
  return new ChatOpenAI({ model, apiKey, useResponsesApi, configuration: { baseURL } });
}

function embeddings({ baseURL, apiKey, model }: Target): OpenAIEmbeddings {
  return new OpenAIEmbeddings({ model, apiKey, configuration: { baseURL } });
}

const TOOL = {
  type: 'function' as const,
  function: { name: 'get_weather', description: 'The weather', parameters: { type: 'object', properties: {} } },
};

test.each([
  [false, '/v1/chat/completions'],
  [true, '/v1/responses'],
])('it is answered and streamed (responses: %s)', async (useResponsesApi, path) => {
  const model = chat(target(at, 'economy'), useResponsesApi);
  const answer = await model.invoke('Say something.');
  expect(answer.text).toContain('simulated');
  expect(answer.usage_metadata?.output_tokens).toBe(24);
  let text = '';
  for await (const chunk of await model.stream('Say something.')) text += chunk.text;
  expect(text).toBe(answer.text);
  expect(at.received).toEqual([`POST ${path}`, `POST ${path}`]);
  await at.payments.settled(2);
  for (const { detail } of at.payments.settlements) expect(detail).toMatchObject({ outcome: 'ok', usage: { outputTokens: 24 } });
});

test('a tool is called by the Responses API', async () => {
  const answer = await chat(target(at, 'economy'), true).bindTools([TOOL]).invoke('How is the weather?');
  expect(answer.tool_calls).toMatchObject([{ name: 'get_weather', args: {} }]);
});

test('texts are embedded', async () => {
  const vectors = await embeddings(target(at, 'embeddings')).embedDocuments(['one text', 'another']);
  expect(vectors.map((vector) => vector.length)).toEqual([1_536, 1_536]);
  expect(at.received).toEqual(['POST /v1/embeddings']);
});

const CALLS: readonly (readonly [name: string, model: string, path: string, call: (to: Target) => Promise<unknown>])[] = [
  ['chat', 'economy', '/v1/chat/completions', (to) => chat(to).invoke('hi')],
  ['chat stream', 'economy', '/v1/chat/completions', (to) => chat(to).stream('hi')],
  ['responses', 'economy', '/v1/responses', (to) => chat(to, true).invoke('hi')],
  ['embeddings', 'embeddings', '/v1/embeddings', (to) => embeddings(to).embedQuery('hi')],
];

describe.each(CALLS)('%s', (_name, model, path, call) => {
  test.each(REFUSALS)('refused with $status is sent once', async (refusal) => {
    const failure = await failureOf(call(arrange(at, refusal, model)));
    expect(statusOf(failure)).toBe(refusal.status);
    expect(at.received).toEqual([`POST ${path}`]);
    expect(at.providers[0].requests).toBe(0);
  });
});
