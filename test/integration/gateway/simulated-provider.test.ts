import { SimulatedProvider } from '../../../lambdas/local/simulated-provider.ts';

let simulator: SimulatedProvider;
beforeEach(async () => {
  simulator = new SimulatedProvider();
  await simulator.start();
});
afterEach(async () => {
  await simulator.stop();
});

function post(path: string, body: unknown): Promise<Response> {
  return fetch(new URL(path, simulator.baseUrl), { method: 'POST', body: JSON.stringify(body) });
}

const ASK = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

test('it keeps to the cap and to n, and its usage is what it says', async () => {
  const answer = (await (await post('/v1/chat/completions', { ...ASK, max_tokens: 5, n: 2 })).json()) as {
    choices: { message: { content: string } }[];
    usage: { completion_tokens: number };
  };
  expect(answer.choices.map((choice) => choice.message.content.length)).toEqual([20, 20]);
  expect(answer.usage.completion_tokens).toBe(10);
});

test('a stream tells usage only when it is asked to', async () => {
  const plain = await (await post('/v1/chat/completions', { ...ASK, stream: true })).text();
  expect(plain).not.toContain('"usage"');
  expect(plain.endsWith('data: [DONE]\n\n')).toBe(true);
  const asked = await (
    await post('/v1/chat/completions', { ...ASK, stream: true, stream_options: { include_usage: true } })
  ).text();
  expect(asked).toContain('"completion_tokens":24');
});

test('its faults are switched while it runs, and unknown or mistyped ones are ignored', async () => {
  await post('/control', { failEvery: 2, failStatus: 429, retryAfterSeconds: 3, latencyMs: 'long', other: true });
  const first = await post('/v1/chat/completions', ASK);
  const second = await post('/v1/chat/completions', ASK);
  expect([first.status, second.status, second.headers.get('retry-after')]).toEqual([200, 429, '3']);
  const control = await (await fetch(new URL('/control', simulator.baseUrl))).json();
  expect(control).toMatchObject({ requests: 2, options: { latencyMs: 0, failEvery: 2 } });
});

describe("Anthropic's API", () => {
  const MESSAGE = { ...ASK, max_tokens: 5 };
  const usageOf = async (body: object): Promise<Record<string, unknown>> =>
    ((await (await post('/v1/messages', body)).json()) as { usage: Record<string, unknown> }).usage;

  test('it keeps to the cap, and its usage is what it says', async () => {
    const answer = (await (await post('/v1/messages', MESSAGE)).json()) as { content: { text: string }[]; usage: object };
    expect(answer.content[0]?.text).toHaveLength(20);
    expect(answer.usage).toMatchObject({ output_tokens: 5, cache_creation_input_tokens: 0 });
  });

  test('what a request marks for the cache is reported as written, for as long as it asked', async () => {
    const plain = await usageOf(MESSAGE);
    const minutes = await usageOf({ ...MESSAGE, cache_control: { type: 'ephemeral' } });
    const hour = await usageOf({ ...MESSAGE, cache_control: { type: 'ephemeral', ttl: '1h' } });
    const all = Number(plain.input_tokens);
    expect(minutes).toMatchObject({ input_tokens: 1, cache_creation: { ephemeral_5m_input_tokens: all - 1 } });
    expect(hour).toMatchObject({ input_tokens: 1, cache_creation: { ephemeral_1h_input_tokens: all - 1 } });
  });

  test('a stream has the events of the real one, in their order, and repeats its usage when told to', async () => {
    simulator.set({ repeatUsage: true });
    const text = await (await post('/v1/messages', { ...MESSAGE, stream: true })).text();
    const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type).filter((type, at, all) => type !== all[at - 1]);
    expect(types).toEqual([
      'message_start',
      'content_block_start',
      'ping',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect([...text.matchAll(/"usage":\{"output_tokens":(\d)\}/g)].map(([, tokens]) => tokens)).toEqual(['1', '5']);
  });

  test('it counts tokens, and refuses what is no request in its own shape', async () => {
    expect(await (await post('/v1/messages/count_tokens', ASK)).json()).toEqual({ input_tokens: expect.any(Number) });
    const refused = await post('/v1/messages', ASK);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  });
});
