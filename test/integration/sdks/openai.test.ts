/** The openai package, unchanged, against the gateway: chat, responses, embeddings and models. */
import OpenAI, { APIError } from 'openai';
import type { Live } from '../../support/live-gateway.ts';
import { REFUSALS, type Target, arrange, failureOf, sdkGateway, statusOf } from '../../support/sdk-gateway.ts';

let at: Live;
beforeEach(async () => {
  at = await sdkGateway();
});
afterEach(async () => {
  await at.stop();
});

const FUNCTION = {
  type: 'function' as const,
  name: 'get_weather',
  description: 'The weather of a place',
  parameters: { type: 'object', properties: { place: { type: 'string' } } },
  strict: false,
};

function client({ baseURL, apiKey }: Target): OpenAI {
  return new OpenAI({ baseURL, apiKey });
}

test('a response is answered, and the true cost is settled and told', async () => {
  const { data, response } = await at.openai.responses
    .create({ model: 'economy', input: 'Say something.', instructions: 'Be brief.' })
    .withResponse();
  expect(data.output_text).toContain('simulated');
  expect(data.status).toBe('completed');
  await at.payments.settled(1);
  // 1.00 and 2.00 USD per million: 1,000 and 2,000 nano-USD a token.
  const expected = BigInt(data.usage?.input_tokens ?? 0) * 1_000n + BigInt(data.usage?.output_tokens ?? 0) * 2_000n;
  expect(expected).toBeGreaterThan(0n);
  const [settlement] = at.payments.settlements;
  expect(settlement?.actualNanoUsd).toBe(expected);
  expect(settlement?.detail).toMatchObject({ outcome: 'ok', route: 'economy', provider: 'first', model: 'small' });
  expect(settlement?.detail.estimated).toBeUndefined();
  expect(response.headers.get('x-tollgate-cost-usd')).toBe(`0.${expected.toString().padStart(9, '0').replace(/0+$/, '')}`);
  expect(JSON.parse(at.providers[0].seen[0]?.body ?? '')).toMatchObject({ model: 'small', max_output_tokens: 1_024 });
  expect(at.providers[0].seen[0]?.path).toBe('/v1/responses');
});

test('a response that reaches its cap says so, and costs what was used', async () => {
  const answer = await at.openai.responses.create({ model: 'economy', input: 'Say something.', max_output_tokens: 5 });
  expect([answer.status, answer.incomplete_details?.reason]).toEqual(['incomplete', 'max_output_tokens']);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.usage?.outputTokens).toBe(5);
});

test('a response streams by its own events, and its reported cost is settled', async () => {
  const stream = at.openai.responses.stream({ model: 'economy', input: 'Say something.' });
  const types: string[] = [];
  let text = '';
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  const final = await stream.finalResponse();
  expect(final.output_text).toBe(text);
  expect([...new Set(types)]).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok', usage: { outputTokens: 24 } });
  expect(at.payments.settlements[0]?.detail.estimated).toBeUndefined();
});

test('a function is called and its output given back, with the history in the body', async () => {
  const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'How is the weather in Bonn?' }];
  const ask = { model: 'economy', tools: [FUNCTION], store: false, include: ['reasoning.encrypted_content' as const] };
  const first = await at.openai.responses.create({ ...ask, input });
  const call = first.output.find((item) => item.type === 'function_call');
  if (call === undefined) throw new Error('a call was expected');
  expect(call.name).toBe('get_weather');
  input.push(call, { type: 'function_call_output', call_id: call.call_id, output: '7 degrees' });
  const second = await at.openai.responses.create({ ...ask, input });
  expect(second.output_text).toContain('simulated');
  expect(JSON.parse(at.providers[0].seen[1]?.body ?? '')).toMatchObject({ ...ask, model: 'small', input });
});

test('history that the provider keeps is a 400 that says what to do, sent once', async () => {
  const failure = await failureOf(
    at.openai.responses.create({ model: 'economy', input: 'And then?', previous_response_id: 'resp_1' }),
  );
  if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
  expect([failure.status, failure.code, failure.param]).toEqual([400, 'invalid_request', 'previous_response_id']);
  expect(failure.message).toContain('send the history in input, with store: false');
  expect(at.received).toEqual(['POST /v1/responses']);
  expect(at.payments.events).toEqual([]);
});

test('a stream of a response that breaks is a typed error, and what was seen is settled', async () => {
  at.providers[0].set({ dieAfterBytes: 4_000 });
  const failure = await failureOf(
    (async () => {
      const stream = await at.openai.responses.create({ model: 'economy', input: 'Say something.', stream: true });
      for await (const event of stream) expect(event.type).toMatch(/^response\./);
    })(),
  );
  if (!(failure instanceof APIError)) throw new Error(`an APIError was expected, not ${String(failure)}`);
  expect(failure.code).toBe('provider_disconnected');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'reset', estimated: true });
});

test('embeddings come as the SDK asks for them, and cost their input', async () => {
  const { data, response } = await at.openai.embeddings
    .create({ model: 'embeddings', input: ['one text', 'another'], dimensions: 64 })
    .withResponse();
  expect(data.data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
  for (const { embedding } of data.data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  await at.payments.settled(1);
  // 0.02 USD per million: 20 nano-USD a token.
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(BigInt(data.usage.prompt_tokens) * 20n);
  expect(response.headers.get('x-tollgate-route')).toBe('embeddings');
  // What the SDK asks for by itself, and its own decoding, give the numbers of a plain request.
  const plain = await at.openai.embeddings.create({
    model: 'embeddings',
    input: ['one text', 'another'],
    dimensions: 64,
    encoding_format: 'float',
  });
  expect(plain.data.map(({ embedding }) => embedding)).toEqual(data.data.map(({ embedding }) => embedding));
  expect(JSON.parse(at.providers[0].seen[0]?.body ?? '')).toEqual({
    model: 'vectors',
    input: ['one text', 'another'],
    dimensions: 64,
    encoding_format: 'base64',
  });
});

test('embeddings without a count of tokens cost the bound of their input, never nothing', async () => {
  at.providers[0].set({ dropUsage: true });
  await at.openai.embeddings.create({ model: 'embeddings', input: 'one text' });
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  expect(settlement?.actualNanoUsd).toBe(settlement?.boundNanoUsd);
  expect(settlement?.actualNanoUsd).toBeGreaterThan(0n);
  expect(settlement?.detail.estimated).toBe(true);
});

test('a model that embeds answers no chat: nothing is sent', async () => {
  for (const call of [
    () => at.openai.chat.completions.create({ model: 'embeddings', messages: [{ role: 'user', content: 'hi' }] }),
    () => at.openai.responses.create({ model: 'embeddings', input: 'hi' }),
  ]) {
    const failure = await failureOf(call());
    if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
    expect([failure.status, failure.code, failure.param]).toEqual([400, 'invalid_request', 'model']);
    expect(failure.message).toContain('Use /v1/embeddings');
  }
  expect(at.payments.events).toEqual([]);
  expect(at.providers[0].requests).toBe(0);
});

test('a response goes past an endpoint that has none of them', async () => {
  const [first, second] = at.inForce.policy.providers;
  if (first === undefined) throw new Error('a provider was expected');
  expect(second).toBeUndefined();
  at.inForce.policy = { ...at.inForce.policy, providers: [{ ...first, apis: ['chat_completions', 'embeddings'] }] };
  const failure = await failureOf(at.openai.responses.create({ model: 'economy', input: 'hi' }));
  expect(statusOf(failure)).toBe(400);
  expect(String(failure)).toContain('serves /v1/responses');
  expect(at.payments.events).toEqual([]);
});

test('images go on as they are, held at their own bound', async () => {
  const url = `data:image/png;base64,${Buffer.alloc(300_000, 7).toString('base64')}`;
  await at.openai.chat.completions.create({
    model: 'economy',
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url, detail: 'low' } }] }],
  });
  await at.openai.responses.create({
    model: 'economy',
    input: [{ role: 'user', content: [{ type: 'input_image', image_url: url, detail: 'auto' }] }],
  });
  for (const seen of at.providers[0].seen) expect(seen.body).toContain(url);
  const [low, auto] = at.payments.holds.map((hold) => hold.boundNanoUsd);
  // 1,000 nano-USD a token of input, 2,000 for each of the 1,024 of output; the 400,000 bytes count no more.
  expect(low).toBeGreaterThan(16_384_000n + 2_048_000n);
  expect(low).toBeLessThan(16_384_000n + 2_048_000n + 600_000n);
  expect(auto).toBeGreaterThan(48_169_000n + 2_048_000n);
  expect(auto).toBeLessThan(48_169_000n + 2_048_000n + 600_000n);
});

test('models are listed and told one by one', async () => {
  const names = [];
  for await (const model of at.openai.models.list()) names.push(model.id);
  expect(names).toEqual(['economy', 'embeddings', 'unpriced']);
  expect(await at.openai.models.retrieve('economy')).toMatchObject({ id: 'economy', object: 'model' });
  expect(statusOf(await failureOf(at.openai.models.retrieve('frontier')))).toBe(404);
  expect(at.received.at(-1)).toBe('GET /v1/models/frontier');
  expect(at.received).toHaveLength(3);
  expect(at.payments.events).toEqual([]);
});

const CALLS: readonly (readonly [name: string, model: string, path: string, call: (at: Target) => Promise<unknown>])[] = [
  [
    'chat',
    'economy',
    '/v1/chat/completions',
    (to) => client(to).chat.completions.create({ model: to.model, messages: [{ role: 'user', content: 'hi' }] }),
  ],
  [
    'chat stream',
    'economy',
    '/v1/chat/completions',
    (to) => client(to).chat.completions.create({ model: to.model, messages: [{ role: 'user', content: 'hi' }], stream: true }),
  ],
  ['response', 'economy', '/v1/responses', (to) => client(to).responses.create({ model: to.model, input: 'hi' })],
  [
    'response stream',
    'economy',
    '/v1/responses',
    (to) => client(to).responses.stream({ model: to.model, input: 'hi' }).finalResponse(),
  ],
  ['embeddings', 'embeddings', '/v1/embeddings', (to) => client(to).embeddings.create({ model: to.model, input: 'hi' })],
];

describe.each(CALLS)('%s', (_name, model, path, call) => {
  test.each(REFUSALS)('refused with $status is sent once, with its code', async (refusal) => {
    const failure = await failureOf(call(arrange(at, refusal, model)));
    if (!(failure instanceof APIError)) throw new Error(`an APIError was expected, not ${String(failure)}`);
    expect([failure.status, failure.code]).toEqual([refusal.status, refusal.code]);
    expect(at.received).toEqual([`POST ${path}`]);
    expect(at.providers[0].requests).toBe(0);
  });
});
