import OpenAI, { APIError, AuthenticationError } from 'openai';
import { parseUsd } from '../../../lambdas/domain/money.ts';
import type { MoneyRefusalCode } from '../../../lambdas/domain/refusals.ts';
import { type Live, MESSAGES, live } from '../../support/live-gateway.ts';

let at: Live;
beforeEach(async () => {
  at = await live();
});
afterEach(async () => {
  await at.stop();
});

function refuse(code: MoneyRefusalCode): void {
  at.payments.onHold = () => ({
    ok: false,
    by: 'caller',
    refusal: {
      code,
      limitedBy: 'budget/dev/month',
      limitNanoUsd: parseUsd('500.00'),
      spentNanoUsd: parseUsd('499.12'),
      reservedNanoUsd: parseUsd('0.88'),
      requestedNanoUsd: parseUsd('0.02'),
      resetsAtEpochMs: Date.UTC(2026, 11, 1),
      owner: 'platform@example.com',
    },
  });
}

test('the OpenAI SDK gets an answer, and its true cost is settled and told', async () => {
  const { data, response } = await at.openai.chat.completions.create({ model: 'economy', messages: MESSAGES }).withResponse();
  expect(data.choices[0]?.message.content).toContain('simulated');
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  // 1.00 and 2.00 USD per million: 1,000 and 2,000 nano-USD a token.
  const expected = BigInt(data.usage?.prompt_tokens ?? 0) * 1_000n + BigInt(data.usage?.completion_tokens ?? 0) * 2_000n;
  expect(settlement?.actualNanoUsd).toBe(expected);
  expect(settlement?.detail).toMatchObject({
    outcome: 'ok',
    route: 'economy',
    provider: 'first',
    model: 'small',
    attempt: 1,
    group: 'dev',
  });
  expect(response.headers.get('x-tollgate-cost-usd')).toBe(`0.${expected.toString().padStart(9, '0').replace(/0+$/, '')}`);
  expect(response.headers.get('x-tollgate-provider')).toBe('first');
  expect(response.headers.get('x-tollgate-route')).toBe('economy');
  expect(response.headers.get('x-tollgate-attempts')).toBe('1');
  expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
  expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('99');
  expect(response.headers.get('openai-processing-ms')).toBe('0');
  expect(response.headers.get('set-cookie')).toBeNull();
});

test('the OpenAI SDK streams, the usage chunk stays inside, and the reported cost is settled', async () => {
  const stream = await at.openai.chat.completions.create({ model: 'gpt-5-mini', messages: MESSAGES, stream: true });
  let text = '';
  for await (const chunk of stream) {
    expect(chunk.choices).toHaveLength(1);
    text += chunk.choices[0]?.delta.content ?? '';
  }
  expect(text).toContain('simulated');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.usage?.outputTokens).toBe(24);
  expect(at.payments.settlements[0]?.detail.estimated).toBeUndefined();
});

test('a caller who asks for the usage chunk gets it', async () => {
  const stream = await at.openai.chat.completions.create({
    model: 'economy',
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  });
  const usages = [];
  for await (const chunk of stream) if (chunk.usage) usages.push(chunk.usage.completion_tokens);
  expect(usages).toEqual([24]);
});

test.each([
  ['budget_exceeded', 402],
  ['insufficient_funds', 402],
  ['request_too_expensive', 402],
] as const)('the SDK sends a request refused with %s once', async (code, status) => {
  refuse(code);
  const failure = await at.openai.chat.completions
    .create({ model: 'economy', messages: MESSAGES })
    .catch((error: unknown) => error);
  if (!(failure instanceof APIError)) throw new Error('an APIError was expected');
  expect(failure.status).toBe(status);
  expect(failure.code).toBe(code);
  expect(failure.type).toBe('insufficient_quota');
  expect(failure.headers?.get('x-should-retry')).toBe('false');
  expect(failure.headers?.get('retry-after')).toBeNull();
  expect(at.payments.events).toEqual(['hold']);
  expect(at.providers[0].requests + at.providers[1].requests).toBe(0);
});

test('a used-up budget is told in words and in figures', async () => {
  refuse('budget_exceeded');
  const response = await at.post({ model: 'economy', messages: MESSAGES });
  expect(await response.json()).toEqual({
    error: {
      message:
        "Budget 'month' of group dev is used up: $500.00 of $500.00. It resets 2026-12-01T00:00Z. Owner: platform@example.com",
      type: 'insufficient_quota',
      param: null,
      code: 'budget_exceeded',
      metadata: {
        limited_by: 'budget/dev/month',
        limit_usd: '500.00',
        spent_usd: '499.12',
        reserved_usd: '0.88',
        requested_usd: '0.02',
        resets_at: '2026-12-01T00:00:00Z',
      },
    },
  });
});

test('reserved funds are a 429 that says when to come back', async () => {
  refuse('funds_reserved');
  const response = await at.post({ model: 'economy', messages: MESSAGES });
  expect(response.status).toBe(429);
  expect(response.headers.get('retry-after')).toBe('2');
  expect(response.headers.get('x-should-retry')).toBeNull();
});

test('a wrong key is 401 and is sent once', async () => {
  const stranger = new OpenAI({ apiKey: 'tg_dev_wrong', baseURL: `${at.server.url}/v1` });
  const failure = await stranger.models.list().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AuthenticationError);
  expect(at.keys.lookups).toBe(0);
});

test('the models that a group may call are listed by name and alias', async () => {
  const names = [];
  for await (const model of at.openai.models.list()) names.push(model.id);
  expect(names).toEqual(['economy', 'gpt-5-mini']);
});
