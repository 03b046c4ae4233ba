/** The `ai` package with @ai-sdk/openai, unchanged: its default is the Responses API. */
import { createOpenAI } from '@ai-sdk/openai';
import { embed, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import type { Live } from '../../support/live-gateway.ts';
import { REFUSALS, type Target, arrange, failureOf, sdkGateway, statusOf, target } from '../../support/sdk-gateway.ts';

let at: Live;
beforeEach(async () => {
  at = await sdkGateway();
});
afterEach(async () => {
  await at.stop();
});

function openai({ baseURL, apiKey }: Target): ReturnType<typeof createOpenAI> {
  return createOpenAI({ baseURL, apiKey });
}

function bodies(): readonly Readonly<Record<string, unknown>>[] {
  return at.providers[0].seen.map(({ body }) => JSON.parse(body) as Readonly<Record<string, unknown>>);
}

const WEATHER = {
  weather: tool({
    description: 'The weather of a place',
    inputSchema: jsonSchema<object>({ type: 'object', properties: {} }),
    execute: () => Promise.resolve('7 degrees'),
  }),
};

test('text is generated, and its true cost is settled', async () => {
  const { text, usage } = await generateText({ model: openai(target(at, 'economy'))('economy'), prompt: 'Say something.' });
  expect(text).toContain('simulated');
  expect(at.received).toEqual(['POST /v1/responses']);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(
    BigInt(usage.inputTokens ?? 0) * 1_000n + BigInt(usage.outputTokens ?? 0) * 2_000n,
  );
});

test('text is streamed to its end', async () => {
  const result = streamText({ model: openai(target(at, 'economy'))('economy'), prompt: 'Say something.' });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  expect(text).toContain('simulated');
  expect((await result.usage).outputTokens).toBe(24);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok', usage: { outputTokens: 24 } });
});

test.each([undefined, false])('a tool is called, run and answered in two steps, with store %s', async (store) => {
  const { text, steps } = await generateText({
    model: openai(target(at, 'economy'))('economy'),
    prompt: 'How is the weather?',
    tools: WEATHER,
    stopWhen: stepCountIs(3),
    ...(store === undefined ? {} : { providerOptions: { openai: { store } } }),
  });
  expect(text).toContain('simulated');
  expect(steps).toHaveLength(2);
  const [first, second] = bodies();
  expect(first?.store).toBe(store);
  expect(second?.store).toBe(store);
  expect(second?.input).toEqual([
    { role: 'user', content: [{ type: 'input_text', text: 'How is the weather?' }] },
    expect.objectContaining({ type: 'function_call', name: 'weather', arguments: '{}' }),
    expect.objectContaining({ type: 'function_call_output', output: '7 degrees' }),
  ]);
  await at.payments.settled(2);
  expect(at.payments.events.filter((event) => event === 'hold')).toHaveLength(2);
});

test('a model that reasons asks for its sealed reasoning with store: false, and sends it back whole', async () => {
  const model = openai(target(at, 'economy'))('economy');
  const providerOptions = { openai: { store: false, forceReasoning: true } };
  const sealed = [
    { role: 'user' as const, content: 'Think.' },
    {
      role: 'assistant' as const,
      content: [
        {
          type: 'reasoning' as const,
          text: 'Hm.',
          providerOptions: { openai: { itemId: 'rs_1', reasoningEncryptedContent: 'gAAAA' } },
        },
        { type: 'text' as const, text: 'Done.' },
      ],
    },
    { role: 'user' as const, content: 'Go on.' },
  ];
  await generateText({ model, messages: sealed, providerOptions });
  expect(bodies()[0]).toMatchObject({ include: ['reasoning.encrypted_content'], store: false });
  expect(JSON.stringify(bodies()[0]?.input)).toContain('"encrypted_content":"gAAAA"');
});

test('history by reference, which it sends where answers are stored, is a 400 that says what to do, sent once', async () => {
  const model = openai(target(at, 'economy'))('economy');
  const first = await generateText({ model, prompt: 'Say something.' });
  const messages = [{ role: 'user' as const, content: 'Say something.' }, ...first.response.messages];
  const next = [...messages, { role: 'user' as const, content: 'Go on.' }];
  const failure = await failureOf(generateText({ model, messages: next }));
  expect(statusOf(failure)).toBe(400);
  expect(String(failure)).toContain('send the history in input, with store: false');
  expect(at.received).toHaveLength(2);
  const second = await generateText({ model, messages: next, providerOptions: { openai: { store: false } } });
  expect(second.text).toContain('simulated');
});

test('a stream that breaks is an error of the stream, with the words of the gateway', async () => {
  at.providers[0].set({ dieAfterBytes: 4_000 });
  const errors: unknown[] = [];
  const result = streamText({
    model: openai(target(at, 'economy'))('economy'),
    prompt: 'Say something.',
    onError: ({ error }) => {
      errors.push(error);
    },
  });
  await result.consumeStream();
  expect(JSON.stringify(errors)).toContain('provider_disconnected');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'reset', estimated: true });
});

test('chat completions serve it too', async () => {
  const { text } = await generateText({ model: openai(target(at, 'economy')).chat('economy'), prompt: 'Say something.' });
  expect(text).toContain('simulated');
  expect(at.received).toEqual(['POST /v1/chat/completions']);
});

test('texts are embedded', async () => {
  const model = openai(target(at, 'embeddings')).embedding('embeddings');
  expect((await embed({ model, value: 'one text' })).embedding).toHaveLength(1_536);
  const { embeddings, usage } = await embedMany({ model, values: ['one text', 'another'] });
  expect(embeddings).toHaveLength(2);
  await at.payments.settled(2);
  expect(at.payments.settlements[1]?.actualNanoUsd).toBe(BigInt(usage.tokens) * 20n);
});

const CALLS: readonly (readonly [name: string, model: string, path: string, call: (to: Target) => Promise<unknown>])[] = [
  ['generateText', 'economy', '/v1/responses', (to) => generateText({ model: openai(to)(to.model), prompt: 'hi' })],
  [
    'streamText',
    'economy',
    '/v1/responses',
    async (to) => {
      const failures: unknown[] = [];
      const result = streamText({
        model: openai(to)(to.model),
        prompt: 'hi',
        onError: ({ error }) => {
          failures.push(error);
        },
      });
      await result.consumeStream();
      throw failures[0];
    },
  ],
  ['chat', 'economy', '/v1/chat/completions', (to) => generateText({ model: openai(to).chat(to.model), prompt: 'hi' })],
  ['embed', 'embeddings', '/v1/embeddings', (to) => embed({ model: openai(to).embedding(to.model), value: 'hi' })],
];

describe.each(CALLS)('%s', (_name, model, path, call) => {
  test.each(REFUSALS)('refused with $status is sent once, with its code', async (refusal) => {
    const failure = await failureOf(call(arrange(at, refusal, model)));
    expect(statusOf(failure)).toBe(refusal.status);
    expect(String(Reflect.get(failure as object, 'responseBody'))).toContain(`"code":"${refusal.code}"`);
    expect(at.received).toEqual([`POST ${path}`]);
    expect(at.providers[0].requests).toBe(0);
  });
});
