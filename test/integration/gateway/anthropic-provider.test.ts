/** Anthropic's protocol on the wire: headers, bytes, refusals, and providers that answer badly. */
import { readFileSync } from 'node:fs';
import { LedgerUnavailableError } from '../../../lambdas/application/payments.ts';
import { USED_UP } from '../../support/anthropic.ts';
import { GROUP, price, provider, route } from '../../support/gateway-fixture.ts';
import { type Live, type LiveOptions, live } from '../../support/live-gateway.ts';
import { type RawCall, RawProvider } from '../../support/raw-provider.ts';

const ANTHROPIC = { protocol: 'anthropic', apis: ['messages', 'count_tokens'] } as const;
const ASK = { model: 'economy', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const file = (name: string): string =>
  readFileSync(new URL(`../../fixtures/providers/anthropic/${name}`, import.meta.url), 'utf8');

/** A gateway before one provider whose every answer a test writes. */
async function before(onCall: (call: RawCall) => void, options: LiveOptions = {}): Promise<Live & { readonly raw: RawProvider }> {
  const raw = new RawProvider(onCall);
  const url = await raw.start();
  const at = await live({
    ...options,
    policy: {
      providers: [provider('raw', url, { ...ANTHROPIC, ...options.provider })],
      routes: [route('economy', ['raw/small'])],
      prices: [price('raw', 'small')],
      ...options.policy,
    },
  });
  stops.push(
    () => at.stop(),
    () => raw.stop(),
  );
  return { ...at, raw };
}

function send(at: Live, body: unknown, headers: Record<string, string> = {}, path = '/v1/messages'): Promise<Response> {
  return fetch(`${at.server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': at.key, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

const answer =
  (text: string, type = 'application/json', status = 200) =>
  ({ res }: RawCall): void => {
    res.writeHead(status, { 'content-type': type }).end(text);
  };

const SECRET = {
  secrets: { vendor: 'sk-ant-secret' },
  provider: { credential: { kind: 'secret', name: 'vendor' } },
} as const;

describe('headers', () => {
  test("the provider's key goes as x-api-key and never the caller's; version and betas are the caller's", async () => {
    const at = await before(answer(file('message.json')), SECRET);
    await send(at, ASK, { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'context-1m-2025-08-07' });
    await send(at, ASK);
    const [own, plain] = at.raw.calls.map((call) => call.req.headers);
    expect(own).toMatchObject({
      'x-api-key': 'sk-ant-secret',
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'context-1m-2025-08-07',
    });
    expect(own?.authorization).toBeUndefined();
    expect(plain).toMatchObject({ 'x-api-key': 'sk-ant-secret', 'anthropic-version': '2023-06-01' });
    expect(plain?.['anthropic-beta']).toBeUndefined();
  });

  test("an OpenAI endpoint gets none of Anthropic's headers", async () => {
    const at = await before(answer('{"choices":[]}'), {
      ...SECRET,
      provider: { ...SECRET.provider, protocol: 'openai', apis: ['chat_completions'] },
    });
    await at.post({ model: 'economy', messages: ASK.messages }, { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'x' });
    const [headers] = at.raw.calls.map((call) => call.req.headers);
    expect(headers?.authorization).toBe('Bearer sk-ant-secret');
    expect(Object.keys(headers ?? {}).filter((name) => /anthropic|x-api-key/.test(name))).toEqual([]);
  });

  test('a provider that repeats its key in an error does not pass it on', async () => {
    const at = await before(answer('{"error":"no model for sk-ant-secret"}', 'application/json', 404), SECRET);
    const response = await send(at, ASK);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe('{"error":"no model for [credential]"}');
  });

  test('a missing key is a failed target, and nothing is sent', async () => {
    const at = await before(answer('{}'), { provider: SECRET.provider });
    const response = await send(at, ASK);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'api_error', message: expect.stringContaining('credential_missing') },
    });
    expect(at.raw.calls).toHaveLength(0);
  });
});

describe('bytes', () => {
  test('only the model and the cap change in a request, and nothing in its answer', async () => {
    const at = await before(answer(file('message.json')));
    const body =
      '{ "max_tokens":5000 ,"novel": [1.0, "é\\u0041"],\n "messages":[{"role":"user","content":"hi"}], "model":"economy" }';
    const response = await send(at, body);
    expect(at.raw.calls[0]?.body).toBe(body.replace('5000', '1024').replace('economy', 'small'));
    expect(await response.text()).toBe(file('message.json'));
    expect(response.headers.get('x-tollgate-unlisted-fields')).toBe('novel');
  });

  test('a missing max_tokens is written in, and none into a count', async () => {
    const at = await before(answer('{"input_tokens":5}'));
    const body = '{"model":"economy","messages":[{"role":"user","content":"hi"}]}';
    await send(at, body);
    await send(at, body, {}, '/v1/messages/count_tokens');
    const renamed = body.replace('economy', 'small');
    expect(at.raw.calls.map((call) => call.body)).toEqual([renamed.replace(']}', '],"max_tokens":1024}'), renamed]);
    expect(at.raw.calls.map((call) => call.req.url)).toEqual(['/v1/messages', '/v1/messages/count_tokens']);
  });

  test.each(['stream-text.sse', 'stream-tool.sse', 'stream-thinking.sse', 'stream-cache.sse', 'stream-error.sse'])(
    '%s reaches the caller byte for byte',
    async (name) => {
      const at = await before(answer(file(name), 'text/event-stream'));
      expect(await (await send(at, { ...ASK, stream: true })).text()).toBe(file(name));
      await at.payments.settled(1);
      expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok' });
    },
  );
});

describe('money', () => {
  test.each([
    ['message-cache.json', 'application/json'],
    ['stream-cache.sse', 'text/event-stream'],
  ])('cache tokens are counted once each, at their own prices (%s)', async (name, type) => {
    const rates = {
      aboveInputTokens: 0,
      inputPicoUsd: 3_000_000n,
      cachedInputPicoUsd: 300_000n,
      cacheWriteInputPicoUsd: 3_750_000n,
      cacheWriteHourInputPicoUsd: 6_000_000n,
      outputPicoUsd: 15_000_000n,
    };
    const at = await before(answer(file(name), type), { policy: { prices: [{ ...price('raw', 'small'), tiers: [rates] }] } });
    await (await send(at, { ...ASK, max_tokens: 1_000, system: 'x'.repeat(6_000), stream: type.startsWith('text') })).text();
    await at.payments.settled(1);
    const [settled] = at.payments.settlements;
    // 2,048 fresh, 1,800 read, 456 written for minutes and 100 for an hour, 503 of output: 0.016539 dollars.
    expect(settled?.actualNanoUsd).toBe(6_144_000n + 540_000n + 1_710_000n + 600_000n + 7_545_000n);
    expect(settled?.detail).toMatchObject({
      usage: { inputTokens: 4_404, cachedInputTokens: 1_800, cacheWriteInputTokens: 456, cacheWriteHourInputTokens: 100 },
    });
  });

  test('an answer without usage is priced from its bytes, and marked', async () => {
    const text = JSON.stringify({ type: 'message', content: [{ type: 'text', text: 'Hello' }] });
    const at = await before(answer(text));
    await send(at, ASK);
    await at.payments.settled(1);
    const [settled] = at.payments.settlements;
    // Every byte of the prompt at 1.00 and 5 bytes of text at 2.00 dollars a million.
    expect(settled?.detail).toMatchObject({ estimated: true, usage: { outputTokens: 5, cacheWriteInputTokens: 0 } });
    expect(settled?.actualNanoUsd).toBe(BigInt(settled?.detail.usage?.inputTokens ?? 0) * 1_000n + 10_000n);
    expect(settled?.detail.usage?.inputTokens).toBeGreaterThan(JSON.stringify(ASK).length);
  });

  test('usage above the bound is charged at the bound in the headers and settled as reported', async () => {
    const usage = { input_tokens: 1_000_000, output_tokens: 1 };
    const at = await before(answer(JSON.stringify({ content: [], usage })));
    const response = await send(at, ASK);
    await at.payments.settled(1);
    const [settled] = at.payments.settlements;
    expect(settled?.actualNanoUsd).toBe(1_000_002_000n);
    expect(Number(response.headers.get('x-tollgate-cost-usd'))).toBeLessThan(0.01);
  });

  test('an image in the body is bounded as an image and not as text', async () => {
    const at = await before(answer(file('message.json')));
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(100_000) } };
    await send(at, { ...ASK, messages: [{ role: 'user', content: [image] }] });
    const [held] = at.payments.holds;
    // 5,000 tokens of image, some bytes of JSON and 100 tokens of output: far below the image's bytes.
    expect(held?.boundNanoUsd).toBeGreaterThan(5_000_000n);
    expect(held?.boundNanoUsd).toBeLessThan(6_000_000n);
  });

  test('only a request that asks for cache writes holds their price', async () => {
    const dear = {
      ...price('raw', 'small'),
      tiers: price('raw', 'small').tiers.map((tier) => ({
        ...tier,
        cacheWriteInputPicoUsd: 1_250_000n,
        cacheWriteHourInputPicoUsd: 2_000_000n,
      })),
    };
    const at = await before(answer(file('message.json')), { policy: { prices: [dear] } });
    for (const ttl of [undefined, '5m', '1h'])
      await send(at, { ...ASK, max_tokens: 0, ...(ttl === undefined ? {} : { cache_control: { type: 'ephemeral', ttl } }) });
    const bytes = at.raw.calls.map((call) => BigInt(Buffer.byteLength(call.body)) + 256n);
    const [none = 0n, minutes = 0n, hour = 0n] = bytes;
    expect(at.payments.holds.map((held) => held.boundNanoUsd)).toEqual([none * 1_000n, minutes * 1_250n, hour * 2_000n]);
  });

  test('thinking that needs more than the group may generate is refused before anything is held', async () => {
    const at = await before(answer(file('message.json')));
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const response = await send(at, { ...ASK, max_tokens: 4_000, thinking });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining(`group ${GROUP.name} may have 1024 tokens`) },
    });
    expect(at.payments.events).toEqual([]);
    expect((await send(at, { ...ASK, max_tokens: 1_024, thinking: { ...thinking, budget_tokens: 1_023 } })).status).toBe(200);
  });
});

describe("refusals have Anthropic's shape on its paths", () => {
  const shape = async (response: Response): Promise<readonly unknown[]> => {
    const body = (await response.json()) as {
      type: string;
      error: { type: string; details: { error_code: string } };
      request_id: string;
    };
    expect(body.type).toBe('error');
    expect(body.request_id).toBe(response.headers.get('request-id'));
    return [response.status, body.error.type, body.error.details.error_code];
  };

  test.each([
    ['401', { 'x-api-key': 'tg_dev_wrong' }, ASK, [401, 'authentication_error', 'invalid_api_key']],
    ['400', {}, { ...ASK, messages: [] }, [400, 'invalid_request_error', 'invalid_request']],
    ['400 of what is no JSON', {}, '{', [400, 'invalid_request_error', 'invalid_request']],
    ['403', {}, { ...ASK, model: 'frontier' }, [403, 'permission_error', 'model_not_allowed']],
    ['404', {}, { ...ASK, model: 'nobody' }, [404, 'not_found_error', 'model_not_found']],
    ['413', {}, { ...ASK, system: 'x'.repeat(3_000) }, [413, 'request_too_large', 'invalid_request']],
  ] as const)('%s', async (_status, headers, body, expected) => {
    const routes = [route('economy', ['raw/small']), route('frontier', ['raw/small'])];
    const at = await before(answer('{}'), { limits: { bodyBytes: 2_000 }, policy: { routes } });
    expect(await shape(await send(at, body, headers))).toEqual(expected);
    expect(at.raw.calls).toHaveLength(0);
  });

  test('402, 429 and 503', async () => {
    const at = await before(answer('{}'));
    at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: USED_UP });
    expect(await shape(await send(at, ASK))).toEqual([402, 'billing_error', 'budget_exceeded']);
    at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: { ...USED_UP, code: 'funds_reserved' } });
    expect(await shape(await send(at, ASK))).toEqual([429, 'rate_limit_error', 'funds_reserved']);
    at.payments.onHold = () => {
      throw new LedgerUnavailableError('not_applied');
    };
    expect(await shape(await send(at, ASK))).toEqual([503, 'overloaded_error', 'ledger_unavailable']);
    expect(at.raw.calls).toHaveLength(0);
  });

  test('502 and 504', async () => {
    const broken = await before(answer('{"type":"error"}', 'application/json', 529));
    expect(await shape(await send(broken, ASK))).toEqual([502, 'api_error', 'providers_unavailable']);
    const silent = await before(() => undefined, {
      provider: { timeoutMs: { connect: 2_000, firstByte: 100, idle: 100, total: 5_000 } },
    });
    expect(await shape(await send(silent, ASK))).toEqual([504, 'timeout_error', 'providers_unavailable']);
  });

  test("a provider's own refusal goes on as it came and costs nothing", async () => {
    const text = '{"type":"error","error":{"type":"invalid_request_error","message":"too long"},"request_id":"req_1"}';
    const at = await before(answer(text, 'application/json', 400));
    const response = await send(at, ASK);
    expect([response.status, await response.text()]).toEqual([400, text]);
    await at.payments.settled(1);
    expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'refused_by_provider' } });
  });

  test('a stream that falls silent ends with an error event', async () => {
    const start = file('stream-text.sse').split('event: content_block_stop')[0] ?? '';
    const at = await before(
      ({ res }) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.write(start);
      },
      { provider: { timeoutMs: { connect: 2_000, firstByte: 5_000, idle: 100, total: 10_000 } } },
    );
    const text = await (await send(at, { ...ASK, stream: true })).text();
    expect(text.startsWith(start)).toBe(true);
    const [event, data] = text.slice(start.length).split('\n');
    expect(event).toBe('event: error');
    expect(JSON.parse((data ?? '').slice('data: '.length))).toMatchObject({
      type: 'error',
      error: { type: 'api_error', details: { error_code: 'provider_timeout' } },
    });
    await at.payments.settled(1);
    expect(at.payments.settlements[0]?.detail).toMatchObject({
      outcome: 'timeout',
      estimated: true,
      usage: { inputTokens: 25, outputTokens: 7 },
    });
  });
});
