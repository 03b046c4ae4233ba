/** One door: whatever is called, nothing reaches a provider that was not held for, once, right before. */
import type { ProviderCall, ProviderClient, ProviderReply } from '../../../lambdas/application/ports-provider.ts';
import type { ApiName } from '../../../lambdas/domain/protocols/api.ts';
import { APIS } from '../../../lambdas/domain/protocols/registry.ts';
import { METHODS } from '../../../lambdas/http/core.ts';
import { type Fixture, fixture, policy, price, provider, route } from '../../support/gateway-fixture.ts';

/** A valid request of each API. */
const REQUESTS: Readonly<Record<ApiName, Readonly<Record<string, unknown>>>> = {
  chat_completions: { model: 'economy', messages: [{ role: 'user', content: 'hi' }] },
  responses: { model: 'economy', input: 'hi' },
  embeddings: { model: 'economy', input: 'hi' },
  messages: { model: 'economy', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] },
  count_tokens: { model: 'economy', messages: [{ role: 'user', content: 'hi' }] },
};
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ENCODER = new TextEncoder();

/** A client of providers that writes down each send beside the holds. Its first answers are failures. */
class Recorder implements ProviderClient {
  readonly calls: ProviderCall[] = [];
  readonly failures: number;
  at: Fixture | undefined;

  constructor(failures: number) {
    this.failures = failures;
  }

  send(sent: ProviderCall): Promise<ProviderReply> {
    this.calls.push(sent);
    this.at?.payments.events.push('send');
    const chunks = ['{}'];
    return Promise.resolve({
      kind: 'answer',
      status: this.calls.length > this.failures ? 200 : 500,
      headers: new Map([['content-type', 'application/json']]),
      body: {
        next: () => {
          const chunk = chunks.shift();
          return Promise.resolve(chunk === undefined ? undefined : ENCODER.encode(chunk));
        },
        cancel: () => undefined,
      },
    });
  }
}

function door(failures = 0): { readonly at: Fixture; readonly recorder: Recorder } {
  const recorder = new Recorder(failures);
  const apis = APIS.map(({ name }) => name);
  const inForce = policy({
    providers: ['first', 'second'].map((name) => provider(name, 'http://127.0.0.1:1/v1', { apis })),
    routes: [route('economy', ['first/small', 'second/small'])],
    prices: [price('first', 'small'), price('second', 'small')],
  });
  const at = fixture(inForce, recorder);
  recorder.at = at;
  return { at, recorder };
}

async function call(at: Fixture, method: string, path: string, body?: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' };
  const text = body === undefined || method === 'GET' || method === 'HEAD' ? undefined : JSON.stringify(body);
  const handled = await at.gateway.handle(new Request(`http://localhost${path}`, { method, headers, body: text }));
  await handled.response.text();
  await handled.done;
  return handled.response;
}

const PATHS = [...Object.keys(METHODS), '/v1/models/economy'];

test('the gateway serves each API of the registry, and only reads beside them', () => {
  const paths = APIS.map(({ path }) => path);
  expect(new Set(paths).size).toBe(APIS.length);
  for (const path of paths) expect(METHODS[path]).toEqual(['POST']);
  const others = Object.entries(METHODS).filter(([path]) => !paths.includes(path));
  for (const [, methods] of others) expect(methods).toEqual(['GET', 'HEAD']);
});

describe.each(PATHS)('%s', (path) => {
  test.each(VERBS)('%s reaches no provider when the money is refused', async (verb) => {
    const { at, recorder } = door();
    at.payments.onHold = (request) => ({
      ok: false,
      by: 'caller',
      refusal: {
        code: 'budget_exceeded',
        limitedBy: 'budget/dev/month',
        limitNanoUsd: 1n,
        spentNanoUsd: 1n,
        reservedNanoUsd: 0n,
        requestedNanoUsd: request.boundNanoUsd,
      },
    });
    for (const body of Object.values(REQUESTS)) await call(at, verb, path, body);
    expect(recorder.calls).toEqual([]);
  });
});

describe.each(APIS.map((api) => [api.name, api] as const))('a call of %s', (name, api) => {
  test('is refused with 402 before anything is sent', async () => {
    const { at, recorder } = door();
    at.payments.onHold = () => ({
      ok: false,
      by: 'caller',
      refusal: {
        code: 'insufficient_funds',
        limitedBy: 'wallet/team',
        limitNanoUsd: 0n,
        spentNanoUsd: 0n,
        reservedNanoUsd: 0n,
        requestedNanoUsd: 1n,
      },
    });
    expect((await call(at, 'POST', api.path, REQUESTS[name])).status).toBe(402);
    expect(at.payments.events).toEqual(['hold']);
    expect(recorder.calls).toEqual([]);
  });

  test('is held for once, sent once, and settled', async () => {
    const { at, recorder } = door();
    const response = await call(at, 'POST', api.path, REQUESTS[name]);
    expect(response.status).toBe(200);
    await at.payments.settled(1);
    expect(at.payments.events.filter((event) => event !== 'statement')).toEqual(['hold', 'send', 'settle']);
    expect(recorder.calls.map(({ path, provider: to }) => [to.name, path])).toEqual([
      ['first', api.upstreamPath({ model: 'small', outputCapField: 'max_tokens', outputCapTokens: 1 }, false)],
    ]);
    const bound = at.payments.holds[0]?.boundNanoUsd ?? -1n;
    if (api.costs === 'free') expect(bound).toBe(0n);
    else expect(bound).toBeGreaterThan(0n);
  });

  test('is held for again before it is sent again', async () => {
    const { at, recorder } = door(1);
    expect((await call(at, 'POST', api.path, REQUESTS[name])).status).toBe(200);
    await at.payments.settled(2);
    expect(at.payments.events.filter((event) => event !== 'statement')).toEqual([
      'hold',
      'send',
      'settle',
      'hold',
      'send',
      'settle',
    ]);
    expect(recorder.calls.map(({ provider: to }) => to.name)).toEqual(['first', 'second']);
  });

  test('is sent nowhere by another method than its own', async () => {
    for (const verb of VERBS.filter((one) => one !== 'POST')) {
      const { at, recorder } = door();
      expect((await call(at, verb, api.path, REQUESTS[name])).status).toBe(405);
      expect([at.payments.events, recorder.calls]).toEqual([[], []]);
    }
  });
});

test('what is no path of the gateway reaches no provider, by any method', async () => {
  const { at, recorder } = door();
  const strange = [
    '/',
    '/v1',
    '/v1/completions',
    '/v1/audio/speech',
    '/v1/batches',
    '/v1/files',
    '/v1/images/generations',
    '/v1/moderations',
    '/v1/responses/resp_1',
    '/v1/responses/resp_1/input_items',
    '/v1/responses/input_tokens',
    ...APIS.flatMap(({ path }) => [`${path}/`, `${path}/x`, path.toUpperCase(), `/${path}`, path.replace('/v1', '')]),
  ].filter((path) => METHODS[path] === undefined);
  for (const path of strange)
    for (const verb of VERBS)
      for (const body of [undefined, REQUESTS.chat_completions]) expect((await call(at, verb, path, body)).status).toBe(404);
  expect([at.payments.events, recorder.calls]).toEqual([[], []]);
});
