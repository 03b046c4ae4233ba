/** Anthropic's SDK, unchanged, with its default retries. */
import Anthropic, {
  APIError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { USED_UP, failureOf, liveAnthropic } from '../../support/anthropic.ts';
import type { Live } from '../../support/live-gateway.ts';

const ASK = { model: 'economy', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Say something.' }] };

let at: Live;
let client: Anthropic;
beforeEach(async () => {
  at = await liveAnthropic();
  client = new Anthropic({ baseURL: at.server.url, apiKey: at.key });
});
afterEach(async () => {
  await at.stop();
});

/** What the fixture's price (1.00 and 2.00 USD per million) makes of a usage without cache writes, nano-USD. */
function priced(usage: { input_tokens: number; output_tokens: number }): bigint {
  return BigInt(usage.input_tokens) * 1_000n + BigInt(usage.output_tokens) * 2_000n;
}

test('a message is answered, its true cost is settled, and the provider was asked in its own way', async () => {
  const { data, response, request_id: requestId } = await client.messages.create(ASK).withResponse();
  expect(data.content).toMatchObject([{ type: 'text', text: expect.stringContaining('simulated') }]);
  expect(data.stop_reason).toBe('end_turn');
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  expect(settlement?.actualNanoUsd).toBe(priced(data.usage));
  expect(settlement?.detail).toMatchObject({
    outcome: 'ok',
    route: 'economy',
    provider: 'first',
    usage: { cacheWriteInputTokens: 0, cacheWriteHourInputTokens: 0, outputTokens: 24 },
  });
  expect(settlement?.detail.estimated).toBeUndefined();
  expect(requestId).toMatch(/^req_/);
  expect(response.headers.get('x-tollgate-provider')).toBe('first');
  const [seen] = at.providers[0].seen;
  expect(seen?.path).toBe('/v1/messages');
  expect(seen?.headers['anthropic-version']).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  expect(seen?.headers.authorization).toBeUndefined();
  expect(JSON.parse(seen?.body ?? '')).toEqual({ ...ASK, model: 'small' });
});

test('a stream is read to its final message, and its reported cost is settled', async () => {
  const stream = client.messages.stream(ASK);
  let text = '';
  stream.on('text', (piece) => {
    text += piece;
  });
  const message = await stream.finalMessage();
  expect(text).toContain('simulated');
  expect(message.usage.output_tokens).toBe(24);
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  expect(settlement?.actualNanoUsd).toBe(priced(message.usage));
  expect(settlement?.detail.estimated).toBeUndefined();
});

test('tools are called in a stream and in a whole answer', async () => {
  const tools = [{ name: 'note', input_schema: { type: 'object' as const, properties: { words: { type: 'string' } } } }];
  const ask = { ...ASK, tools, tool_choice: { type: 'tool' as const, name: 'note' } };
  const whole = await client.messages.create(ask);
  const streamed = await client.messages.stream(ask).finalMessage();
  for (const message of [whole, streamed]) {
    expect(message.stop_reason).toBe('tool_use');
    expect(message.content).toMatchObject([{ type: 'tool_use', name: 'note', input: { words: expect.stringContaining('sim') } }]);
  }
});

test('max_tokens is lowered to the cap of the group', async () => {
  await client.messages.create({ ...ASK, max_tokens: 5_000 });
  expect(JSON.parse(at.providers[0].seen[0]?.body ?? '')).toMatchObject({ max_tokens: 1_024 });
});

test('cache writes for an hour are settled at what they cost', async () => {
  const policy = at.inForce.policy;
  const hourly = { cacheWriteInputPicoUsd: 1_250_000n, cacheWriteHourInputPicoUsd: 2_000_000n };
  const prices = policy.prices.map((price) => ({ ...price, tiers: price.tiers.map((tier) => ({ ...tier, ...hourly })) }));
  at.inForce.policy = { ...policy, prices };
  const { usage } = await client.messages.create({
    ...ASK,
    system: [{ type: 'text', text: 'x'.repeat(400), cache_control: { type: 'ephemeral', ttl: '1h' } }],
  });
  const written = BigInt(usage.cache_creation_input_tokens ?? 0);
  expect(written).toBeGreaterThan(100n);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(written * 2_000n + priced(usage));
});

test('tokens are counted at no cost, through the same door', async () => {
  const { max_tokens: _, ...counted } = ASK;
  const { data, response } = await client.messages.countTokens(counted).withResponse();
  expect(data.input_tokens).toBeGreaterThan(0);
  expect(response.headers.get('x-tollgate-cost-usd')).toBe('0.00');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]).toMatchObject({ boundNanoUsd: 0n, actualNanoUsd: 0n });
  expect(at.providers[0].seen[0]?.path).toBe('/v1/messages/count_tokens');
});

test('the models that a group may call are listed', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  expect(names).toEqual(['economy', 'gpt-5-mini']);
  expect(at.received).toEqual(['GET /v1/models']);
});

test.each([
  [
    '400',
    () => client.messages.create({ ...ASK, container: 'c_1' }),
    BadRequestError,
    'invalid_request',
    'invalid_request_error',
  ],
  [
    '403',
    () => client.messages.create({ ...ASK, model: 'frontier' }),
    PermissionDeniedError,
    'model_not_allowed',
    'permission_error',
  ],
  ['404', () => client.messages.create({ ...ASK, model: 'nobody' }), NotFoundError, 'model_not_found', 'not_found_error'],
  [
    '404 of a count',
    () => client.messages.countTokens({ model: 'nobody', messages: ASK.messages }),
    NotFoundError,
    'model_not_found',
    'not_found_error',
  ],
  [
    '401',
    () => client.withOptions({ apiKey: 'tg_dev_wrong' }).messages.create(ASK),
    AuthenticationError,
    'invalid_api_key',
    'authentication_error',
  ],
  [
    '401 of a list',
    () => client.withOptions({ apiKey: 'tg_dev_wrong' }).models.list(),
    AuthenticationError,
    'invalid_api_key',
    'authentication_error',
  ],
] as const)(
  'a request refused with %s is sent once, and raised as the SDK raises Anthropic’s own',
  async (_status, call, kind, code, type) => {
    const failure = await failureOf(call());
    if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
    expect(failure).toBeInstanceOf(kind);
    expect(failure.error).toMatchObject({ type: 'error', error: { type, details: { error_code: code } } });
    expect(failure.requestID).toMatch(/^req_/);
    expect(at.received).toHaveLength(1);
    expect(at.providers[0].requests).toBe(0);
  },
);

test('a used-up budget is a 402, sent once, with its figures', async () => {
  at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: USED_UP });
  const failure = await failureOf(client.messages.create(ASK));
  if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
  expect(failure.status).toBe(402);
  expect(failure.error).toEqual({
    type: 'error',
    error: {
      type: 'billing_error',
      message: "Budget 'month' of group dev is used up: $500.00 of $500.00. It resets 2026-12-01T00:00Z.",
      details: {
        error_code: 'budget_exceeded',
        limited_by: 'budget/dev/month',
        limit_usd: '500.00',
        spent_usd: '499.12',
        reserved_usd: '0.88',
        requested_usd: '0.02',
        resets_at: '2026-12-01T00:00:00Z',
      },
    },
    request_id: failure.requestID,
  });
  expect(at.received).toHaveLength(1);
});

test('reserved funds are a 429 that a client without retries sees as a rate limit', async () => {
  at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: { ...USED_UP, code: 'funds_reserved' } });
  const failure = await failureOf(client.withOptions({ maxRetries: 0 }).messages.create(ASK));
  expect(failure).toBeInstanceOf(RateLimitError);
  expect((failure as APIError).headers?.get('retry-after')).toBe('2');
});

test('a stream that breaks in the middle is raised as a typed error, and costs what came', async () => {
  for (const provider of at.providers) provider.set({ dieAfterBytes: 900 });
  const failure = await failureOf(client.messages.stream(ASK).finalMessage());
  if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
  expect(failure.error).toMatchObject({ error: { type: 'api_error', details: { error_code: 'provider_disconnected' } } });
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  expect(settlement?.detail).toMatchObject({ outcome: 'reset', estimated: true });
  expect(settlement?.actualNanoUsd).toBeGreaterThan(0n);
  expect(settlement?.actualNanoUsd).toBeLessThan(settlement?.boundNanoUsd ?? 0n);
});
