/** Providers that answer in ways that nobody asked for: the caller gets an answer or a typed error, the money is right, nothing leaks. */
import { gzipSync } from 'node:zlib';
import { boundNanoUsd } from '../../../lambdas/domain/prices.ts';
import { type Live, type LiveOptions, live } from '../../support/live-gateway.ts';
import { price, provider, route } from '../../support/gateway-fixture.ts';
import { type RawCall, RawProvider } from '../../support/raw-provider.ts';

const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }] };
const USAGE = { prompt_tokens: 10, completion_tokens: 5 };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function before(onCall: (call: RawCall) => void, options: LiveOptions = {}): Promise<Live> {
  const raw = new RawProvider(onCall);
  const url = await raw.start();
  const at = await live({
    ...options,
    policy: {
      providers: [provider('raw', url, options.provider)],
      routes: [route('economy', ['raw/small'])],
      prices: [price('raw', 'small')],
    },
  });
  stops.push(
    () => at.stop(),
    () => raw.stop(),
  );
  return at;
}

test('an answer that is compressed although nobody asked goes on as it came and costs its bound', async () => {
  const body = JSON.stringify({ choices: [{ message: { content: 'hi' } }], usage: USAGE });
  const at = await before(({ res }) => {
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(body));
  });
  const response = await at.post(ASK);
  expect(await response.text()).toBe(body);
  await at.payments.settled(1);
  const [settled] = at.payments.settlements;
  expect(settled?.actualNanoUsd).toBe(settled?.boundNanoUsd);
  expect(settled?.detail.estimated).toBe(true);
  expect(settled?.boundNanoUsd).toBeGreaterThan(boundNanoUsd(price('raw', 'small'), 256, 1_024));
});

test('a stream is a stream whatever the case of its media type', async () => {
  const at = await before(({ res }) => {
    res.writeHead(200, { 'content-type': 'Text/Event-Stream; charset=utf-8' });
    res.end(
      `data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: ${JSON.stringify({ choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`,
    );
  });
  const text = await (await at.post({ ...ASK, stream: true })).text();
  expect(text).toBe('data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ usage: { inputTokens: 10, outputTokens: 5 } });
});

test('a provider that repeats our credential in an error does not pass it on', async () => {
  const at = await before(
    ({ req, res }) => {
      res.writeHead(404, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: `no such model for ${req.headers.authorization}` } }));
    },
    { secrets: { openai: 'sk-provider-secret' }, provider: { credential: { kind: 'secret', name: 'openai' } } },
  );
  const response = await at.post(ASK);
  expect(response.status).toBe(404);
  expect(await response.text()).toBe('{"error":{"message":"no such model for Bearer [credential]"}}');
});

test('a provider whose account is empty is a failed provider, not a refusal of ours', async () => {
  const at = await before(({ res }) => {
    res.writeHead(402, { 'content-type': 'application/json' }).end('{"error":{"message":"top up"}}');
  });
  const response = await at.post(ASK);
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({
    error: { code: 'providers_unavailable', metadata: { attempts: [{ status: 402 }] } },
  });
});

test('a tag with a name that programs keep for themselves is refused before anything is held', async () => {
  const at = await before(({ res }) => void res.end());
  for (const tag of ['__proto__=1', 'constructor=1']) {
    const response = await at.post(ASK, { 'x-tollgate-tags': tag });
    expect(response.status).toBe(400);
  }
  expect(at.payments.holds).toEqual([]);
});
