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
