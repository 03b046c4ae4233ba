import { createHash } from 'node:crypto';
import type { ProviderClient } from '../../../lambdas/application/ports-provider.ts';
import type { PotStatement } from '../../../lambdas/application/payments.ts';
import { parseUsd } from '../../../lambdas/domain/money.ts';
import { makeApiKey } from '../../../lambdas/domain/api-keys.ts';
import { type Fixture, GROUP, fixture, policy, price, provider, route } from '../../support/gateway-fixture.ts';

const ANSWER = '{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":10,"completion_tokens":2}}';
const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }] };

class OneAnswer implements ProviderClient {
  readonly bodies: string[] = [];
  send(given: Parameters<ProviderClient['send']>[0]): ReturnType<ProviderClient['send']> {
    this.bodies.push(new TextDecoder().decode(given.body));
    given.onSent?.();
    const pieces = [new TextEncoder().encode(ANSWER)];
    return Promise.resolve({
      kind: 'answer',
      status: 200,
      headers: new Map([['content-type', 'application/json']]),
      body: { next: () => Promise.resolve(pieces.shift()), cancel: () => undefined },
    });
  }
}

let at: Fixture;
let upstream: OneAnswer;
beforeEach(() => {
  upstream = new OneAnswer();
  at = fixture(
    policy({
      providers: [provider('first', 'http://127.0.0.1:1/v1')],
      routes: [route('economy', ['first/small'], { aliases: ['gpt-5-mini'] }), route('frontier', ['first/large'])],
      prices: [price('first', 'small'), price('first', 'large')],
      consumerGroups: [
        GROUP,
        { ...GROUP, name: 'other', models: ['frontier'], apiKeySha256: createHash('sha256').update('kt_cg_plain').digest('hex') },
      ],
    }),
    upstream,
  );
});

async function call(path: string, init: RequestInit = {}, key: string | null = at.key): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key !== null && !headers.has('authorization') && !headers.has('x-api-key')) headers.set('authorization', `Bearer ${key}`);
  const { response, done } = await at.gateway.handle(new Request(`http://localhost${path}`, { ...init, headers }));
  await done;
  return response;
}

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return call('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text as BodyInit,
  });
}

async function errorOf(response: Response): Promise<{ status: number; code: string; param: string | null; message: string }> {
  const { error } = (await response.json()) as { error: { code: string; param: string | null; message: string } };
  return { status: response.status, code: error.code, param: error.param, message: error.message };
}

describe('keys', () => {
  test('both headers open, and two different keys do not', async () => {
    expect((await call('/v1/models')).status).toBe(200);
    expect((await call('/v1/models', { headers: { 'x-api-key': at.key } })).status).toBe(200);
    expect((await call('/v1/models', { headers: { 'x-api-key': at.key, authorization: `bearer ${at.key}` } })).status).toBe(200);
    expect(
      (await call('/v1/models', { headers: { 'x-api-key': 'kt_cg_plain', authorization: `Bearer ${at.key}` } })).status,
    ).toBe(401);
  });

  test('a missing key, another scheme and an unknown key are 401', async () => {
    expect(await errorOf(await call('/v1/models', {}, null))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect((await call('/v1/models', { headers: { authorization: 'Basic abc' } })).status).toBe(401);
    const unknown = makeApiKey('dev', (length) => 'z'.repeat(length));
    expect((await call('/v1/models', {}, unknown)).status).toBe(401);
  });

  test("another stage's key and a mistyped key are told so without a look-up", async () => {
    const foreign = makeApiKey('prod', (length) => 'a'.repeat(length));
    expect((await errorOf(await call('/v1/models', {}, foreign))).message).toBe(
      'This API key is for stage prod, and this is stage dev.',
    );
    const last = at.key.at(-1) === 'a' ? 'b' : 'a';
    expect((await call('/v1/models', {}, at.key.slice(0, -1) + last)).status).toBe(401);
    expect(at.keys.lookups).toBe(0);
  });

  test('an imported key of another form opens its group by its hash; an unknown one is 401', async () => {
    const key = 'kt_cg_imported_1';
    const sha256 = createHash('sha256').update(key).digest('hex');
    expect((await call('/v1/models', {}, key)).status).toBe(401);
    at.keys.stored.push({ id: sha256.slice(0, 12), sha256, group: 'dev', createdEpochMs: 0 });
    at.time.offsetMs += 60_000;
    expect((await call('/v1/models', {}, key)).status).toBe(200);
  });

  test('a policy that cannot be read is 503: nothing is decided without one', async () => {
    at.inForce.failure = Object.assign(new Error('no policy'), { code: 'policy_unavailable' });
    expect(await errorOf(await call('/v1/models'))).toMatchObject({ status: 503, code: 'policy_unavailable' });
  });

  test('a key of the policy opens its own group', async () => {
    const response = await call('/v1/models', {}, 'kt_cg_plain');
    expect(await response.json()).toEqual({
      object: 'list',
      data: [{ id: 'frontier', object: 'model', created: 0, owned_by: 'tollgate' }],
    });
    expect(at.keys.lookups).toBe(0);
  });

  test('revoked, expired and orphaned keys are 401', async () => {
    expect((await call('/v1/models', {}, at.keys.issue({ revokedEpochMs: 1 }))).status).toBe(401);
    expect((await call('/v1/models', {}, at.keys.issue({ group: 'gone' }))).status).toBe(401);
    const expiring = at.keys.issue({ expiresEpochMs: Date.now() + 5_000 });
    expect((await call('/v1/models', {}, expiring)).status).toBe(200);
    at.time.offsetMs = 5_001;
    expect((await call('/v1/models', {}, expiring)).status).toBe(401);
  });

  test('a look-up is believed for 60 s, found or not, and no longer', async () => {
    await call('/v1/models');
    await call('/v1/models');
    expect(at.keys.lookups).toBe(1);
    at.time.offsetMs = 60_001;
    await call('/v1/models');
    expect(at.keys.lookups).toBe(2);
    const unknown = makeApiKey('dev', (length) => 'q'.repeat(length));
    await call('/v1/models', {}, unknown);
    await call('/v1/models', {}, unknown);
    expect(at.keys.lookups).toBe(3);
  });

  test("keys, prompts and users' words never reach the log", async () => {
    await post({ model: 'economy', messages: [{ role: 'user', content: 'my secret prompt' }] });
    await post('{"model":"economy","messages":[{"role":"user","content":"my secret prompt"');
    const text = JSON.stringify(at.log.lines, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
    expect(text).not.toContain(at.key);
    expect(text).not.toContain('my secret prompt');
  });
});

describe('requests that are wrong', () => {
  const user = { role: 'user', content: 'hi' };
  test.each([
    ['no JSON', '{"model":', null],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), null],
    ['a list', '[]', null],
    ['a text', '"hi"', null],
    ['nothing', '', null],
    ['a comment', '{"model":"economy",/**/"messages":[{"role":"user","content":"hi"}]}', null],
    ['a key twice', '{"model":"economy","model":"frontier","messages":[{"role":"user","content":"hi"}]}', 'model'],
    ['a key twice by escape', '{"n":1,"\\u006e":8,"model":"economy","messages":[{"role":"user","content":"hi"}]}', 'n'],
    ['a key twice inside', '{"model":"economy","messages":[{"role":"user","role":"system","content":"hi"}]}', null],
    ['deep nesting', `{"model":"economy","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, null],
    ['no model', { messages: [user] }, 'model'],
    ['no messages', { model: 'economy' }, 'messages'],
    ['empty messages', { model: 'economy', messages: [] }, 'messages'],
    ['a message that is none', { model: 'economy', messages: ['hi'] }, 'messages[0]'],
    ['an unknown role', { model: 'economy', messages: [{ role: 'boss', content: 'x' }] }, 'messages[0].role'],
    [
      'a spoken message',
      { model: 'economy', messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] },
      'messages[0].content[0].type',
    ],
    [
      'an image that is nowhere',
      { model: 'economy', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages[0].content[0].image_url.url',
    ],
    ['negative max_tokens', { ...ASK, max_tokens: -1 }, 'max_tokens'],
    ['zero max_tokens', { ...ASK, max_tokens: 0 }, 'max_tokens'],
    ['fractional max_tokens', { ...ASK, max_completion_tokens: 1.5 }, 'max_completion_tokens'],
    ['huge max_tokens', { ...ASK, max_tokens: 1e300 }, 'max_tokens'],
    ['max_tokens as text', { ...ASK, max_tokens: '5' }, 'max_tokens'],
    ['two caps that differ', { ...ASK, max_tokens: 5, max_completion_tokens: 6 }, 'max_completion_tokens'],
    ['n out of range', { ...ASK, n: 9 }, 'n'],
    ['n of zero', { ...ASK, n: 0 }, 'n'],
    ['stream as text', { ...ASK, stream: 'true' }, 'stream'],
    ['a search', { ...ASK, web_search_options: {} }, 'web_search_options'],
    ['spoken output', { ...ASK, modalities: ['text', 'audio'] }, 'modalities'],
    ['a prediction', { ...ASK, prediction: { type: 'content', content: 'x' } }, 'prediction'],
    ['a dearer tier', { ...ASK, service_tier: 'priority' }, 'service_tier'],
    ['a tool the provider runs', { ...ASK, tools: [{ type: 'web_search' }] }, 'tools[0].type'],
  ])('%s is a 400 that names the field, and nothing is held', async (_name, body, param) => {
    expect(await errorOf(await post(body))).toMatchObject({ status: 400, code: 'invalid_request', param });
    expect(at.payments.events).toEqual([]);
  });

  test.each([
    [{ 'content-type': 'text/plain' }, 'content-type'],
    [{ 'content-type': 'application/json; charset=latin1' }, 'content-type'],
    [{ 'content-encoding': 'gzip' }, 'content-encoding'],
    [{ 'idempotency-key': 'a b' }, 'idempotency-key'],
    [{ 'idempotency-key': '' }, 'idempotency-key'],
    [{ 'idempotency-key': 'ü' }, 'idempotency-key'],
    [{ 'idempotency-key': 'a'.repeat(256) }, 'idempotency-key'],
    [{ 'x-tollgate-user': 'ann/bob' }, 'x-tollgate-user'],
    [{ 'x-tollgate-user': 'ann#1' }, 'x-tollgate-user'],
    [{ 'x-tollgate-user': 'a'.repeat(129) }, 'x-tollgate-user'],
    [{ 'x-tollgate-user': '' }, 'x-tollgate-user'],
    [{ 'x-tollgate-tags': 'novalue' }, 'x-tollgate-tags'],
    [{ 'x-tollgate-tags': 'a=1,a=2' }, 'x-tollgate-tags'],
    [{ 'x-tollgate-tags': `${'k'.repeat(33)}=1` }, 'x-tollgate-tags'],
    [{ 'x-tollgate-tags': Array.from({ length: 11 }, (_, index) => `k${index}=v`).join(',') }, 'x-tollgate-tags'],
  ])('the headers %j are refused by name', async (headers, param) => {
    expect(await errorOf(await post(ASK, headers))).toMatchObject({ status: 400, code: 'invalid_request', param });
    expect(at.payments.events).toEqual([]);
  });

  test('headers that are too large are a 431', async () => {
    expect((await post(ASK, { 'x-filler': 'a'.repeat(16 * 1024) })).status).toBe(431);
  });

  test('an unknown model is 404, one of another group 403', async () => {
    expect(await errorOf(await post({ ...ASK, model: 'nope' }))).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(await errorOf(await post({ ...ASK, model: 'frontier' }))).toMatchObject({ status: 403, code: 'model_not_allowed' });
  });

  test('an unknown field is refused by a service and passed and named by a learning stage', async () => {
    const response = await post({ ...ASK, 'weird\nfield': 1 });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tollgate-unlisted-fields')).toBe('weird?field');
    at.inForce.policy = { ...at.inForce.policy, purpose: 'service' };
    expect(await errorOf(await post({ ...ASK, top_k: 5 }))).toMatchObject({ status: 400, param: 'top_k' });
  });
});

describe('what is asked of the ledger', () => {
  test('the bound is the bytes of the forwarded body and the capped output of every answer', async () => {
    await post({ ...ASK, n: 3, max_tokens: 5_000 });
    const sent = upstream.bodies[0] ?? '';
    expect(JSON.parse(sent)).toMatchObject({ model: 'small', max_completion_tokens: 1_024 });
    expect(sent).not.toContain('max_tokens');
    expect(at.payments.holds[0]?.boundNanoUsd).toBe(BigInt(Buffer.byteLength(sent) + 256) * 1_000n + 3n * 1_024n * 2_000n);
  });

  test('a key bound to a user wins over the header, the header over nobody', async () => {
    await post(ASK);
    await post(ASK, { 'x-tollgate-user': 'ann@example.com', 'x-tollgate-tags': 'feature=search, case=17' });
    await post(ASK, { 'x-tollgate-user': 'ann', authorization: `Bearer ${at.keys.issue({ user: 'bob' })}` });
    expect(at.payments.holds.map((hold) => hold.userId)).toEqual(['anonymous', 'ann@example.com', 'bob']);
    expect(at.payments.settlements[1]?.detail.tags).toEqual({ feature: 'search', case: '17' });
  });
});

describe('paths', () => {
  test('healthz needs no key and says stage and version', async () => {
    expect(await (await call('/healthz', {}, null)).json()).toEqual({ status: 'ok', stage: 'dev', version: '0.0.0-test' });
  });

  test("models have Anthropic's shape when anthropic-version is sent", async () => {
    expect(await (await call('/v1/models', { headers: { 'anthropic-version': '2023-06-01' } })).json()).toMatchObject({
      data: [
        { type: 'model', id: 'economy' },
        { type: 'model', id: 'gpt-5-mini' },
      ],
      has_more: false,
      first_id: 'economy',
      last_id: 'gpt-5-mini',
    });
  });

  test('one model is told by its name, in both shapes, and one that the group may not call is a 404', async () => {
    expect(await (await call('/v1/models/gpt-5-mini')).json()).toEqual({
      id: 'gpt-5-mini',
      object: 'model',
      created: 0,
      owned_by: 'tollgate',
    });
    expect(await (await call('/v1/models/econ%6Fmy', { headers: { 'anthropic-version': '2023-06-01' } })).json()).toEqual({
      type: 'model',
      id: 'economy',
      display_name: 'economy',
      created_at: '1970-01-01T00:00:00Z',
    });
    for (const name of ['frontier', 'nope', '', '%', '%E0%A4', 'economy/x'])
      expect(await errorOf(await call(`/v1/models/${name}`))).toMatchObject({ status: 404, code: 'model_not_found' });
    expect((await call('/v1/models/economy', {}, null)).status).toBe(401);
    expect((await call('/v1/models/economy', { method: 'DELETE' })).status).toBe(405);
  });

  test('unknown paths are 404 and wrong methods 405 with Allow, in the shape of the path', async () => {
    for (const path of ['/v1/completions', '/v1/responses/resp_1', '/v1/images/generations', '/v1/chat/completions/']) {
      expect(await errorOf(await call(path, { method: 'POST', body: '{}' }))).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect((await call('/v1/responses/resp_1')).status).toBe(404);
    expect((await call('/v1/responses/resp_1', { method: 'DELETE' })).status).toBe(404);
    expect((await call('/constructor')).status).toBe(404);
    const wrong = await call('/v1/chat/completions');
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST');
    expect(await (await call('/v1/messages/batches', { method: 'POST', body: '{}' })).json()).toMatchObject({
      type: 'error',
      error: { type: 'not_found_error' },
    });
  });

  test('every answer carries its request id in both headers', async () => {
    for (const response of [await call('/healthz'), await call('/nope'), await post(ASK), await call('/v1/models', {}, null)]) {
      expect(response.headers.get('x-request-id')).toMatch(/^req_/);
      expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
    }
  });

  test('an unexpected failure is a 500 with the id and no detail', async () => {
    at.payments.onHold = () => {
      throw new TypeError('secret detail');
    };
    const response = await post(ASK);
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('secret detail');
    expect(text).toContain(response.headers.get('x-request-id'));
    expect(JSON.stringify(at.log.lines)).not.toContain('secret detail');
  });
});

describe('figures', () => {
  const pot = (scope: string, left: string, change: Partial<PotStatement> = {}): PotStatement => ({
    scope,
    kind: 'limit',
    window: 'day',
    limitNanoUsd: parseUsd('20.00'),
    spentNanoUsd: parseUsd('1.50'),
    heldNanoUsd: parseUsd('0.25'),
    leftNanoUsd: parseUsd(left),
    hard: true,
    ...change,
  });

  test("the wallet page shows the caller's own pots in decimal strings", async () => {
    const wallets = [pot('wallet/team', '8.00', { kind: 'wallet', window: 'life' })];
    const budgets = [pot('budget/dev/day', '18.25', { resetsAtEpochMs: Date.UTC(2026, 10, 24) })];
    at.payments.onStatement = () => Promise.resolve({ wallets, budgets, atEpochMs: Date.UTC(2026, 10, 23) });
    expect(await (await call('/v1/wallet')).json()).toEqual({
      object: 'wallet',
      stage: 'dev',
      group: 'dev',
      user: 'anonymous',
      wallets: [
        {
          name: 'wallet/team',
          window: 'life',
          hard: true,
          limit_usd: '20.00',
          spent_usd: '1.50',
          held_usd: '0.25',
          left_usd: '8.00',
          resets_at: null,
        },
      ],
      budgets: [
        {
          name: 'budget/dev/day',
          window: 'day',
          hard: true,
          limit_usd: '20.00',
          spent_usd: '1.50',
          held_usd: '0.25',
          left_usd: '18.25',
          resets_at: '2026-11-24T00:00:00Z',
        },
      ],
      as_of: '2026-11-23T00:00:00Z',
    });
  });

  test('an answer tells what the tightest hard pot has left', async () => {
    const budgets = [
      pot('budget/dev/soft', '0.01', { hard: false }),
      pot('budget/dev/day', '3.00', { resetsAtEpochMs: Date.UTC(2026, 10, 24) }),
    ];
    at.payments.onStatement = () => Promise.resolve({ wallets: [pot('wallet/team', '8.00')], budgets, atEpochMs: 0 });
    const response = await post(ASK);
    expect(response.headers.get('x-tollgate-budget-remaining-usd')).toBe('3.00');
    expect(response.headers.get('x-tollgate-budget-resets-at')).toBe('2026-11-24T00:00:00Z');
    expect(at.payments.events[0]).toBe('hold');
  });

  test('a store that does not answer leaves the headers out and makes the wallet page a 503', async () => {
    expect((await post(ASK)).headers.has('x-tollgate-budget-remaining-usd')).toBe(false);
    expect((await call('/v1/wallet')).status).toBe(503);
  });
});
