/** Idempotency-Key and the response cache at the gateway's door: what is sent, what is charged, what callers are told. */
import { UnknownOutcomeError } from '../../lambdas/application/ports.ts';
import type { ProviderClient, ProviderReply } from '../../lambdas/application/ports-provider.ts';
import type { Route } from '../../lambdas/domain/policy.ts';
import type { Limits } from '../../lambdas/http/limits.ts';
import { GROUP, fixture, policy, price, provider, route } from '../support/gateway-fixture.ts';

const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }], max_tokens: 10 };
const STREAMED = { ...ASK, stream: true };
const KEY = { 'idempotency-key': 'key-1' };
const HOUR_MS = 3_600_000;

interface Options {
  readonly limits?: Partial<Limits>;
  readonly route?: Partial<Route>;
  readonly requestsPerMinute?: number;
}

/** `reply` of an answer: its status, or how it fails; `usage` false leaves the usage out, `ending` is a stream's. */
function setUp(options: Options = {}) {
  const provided = { sends: 0, status: 200, usage: true, lost: false, ending: 'data: [DONE]\n\n', gate: Promise.resolve() };
  const client: ProviderClient = {
    send: async ({ body }) => {
      provided.sends += 1;
      const { status, usage: told, lost, ending, sends } = { ...provided };
      await provided.gate;
      if (lost) return { kind: 'failed', reason: 'timeout', sent: true };
      const stream = new TextDecoder().decode(body).includes('"stream":true');
      const usage = told ? { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } : undefined;
      const pieces = (
        stream
          ? [
              `data: ${JSON.stringify({ choices: [{ delta: { content: `answer ${sends}` } }] })}\n\n`,
              `data: ${JSON.stringify({ choices: [], usage })}\n\n${ending}`,
            ]
          : [JSON.stringify({ choices: [{ message: { content: `answer ${sends}` } }], usage })]
      ).map((text) => new TextEncoder().encode(text));
      const type = stream ? 'text/event-stream' : 'application/json';
      const reply: ProviderReply = {
        kind: 'answer',
        status,
        headers: new Map([
          ['content-type', type],
          ['x-ratelimit-remaining-requests', '99'],
        ]),
        body: { next: async () => pieces.shift(), cancel: () => undefined },
      };
      return reply;
    },
  };
  const rateLimits =
    options.requestsPerMinute === undefined ? {} : { rateLimits: { requestsPerMinute: options.requestsPerMinute } };
  const at = fixture(
    policy({
      consumerGroups: [
        { ...GROUP, ...rateLimits },
        { ...GROUP, name: 'other' },
      ],
      providers: [provider('first', 'http://127.0.0.1:1/v1')],
      routes: [route('economy', ['first/small'], { ...options.route })],
      prices: [price('first', 'small'), price('first', 'large')],
    }),
    client,
    options.limits,
  );
  at.payments.settleDelayMs = 0;
  const begin = (body: unknown = ASK, headers: Readonly<Record<string, string>> = {}, key = at.key) =>
    at.gateway.handle(
      new Request('http://gateway.invalid/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    );
  const call = async (...args: Parameters<typeof begin>) => {
    const { response, done } = await begin(...args);
    const text = await response.text();
    await done;
    return { status: response.status, headers: response.headers, text, code: codeOf(text) };
  };
  return { at, begin, call, provided };
}

function codeOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { readonly error?: { readonly code?: string } }).error?.code;
  } catch {
    return undefined;
  }
}

describe('Idempotency-Key', () => {
  test.each([
    ['an answer', ASK],
    ['a stream', STREAMED],
  ])('%s is made and charged once, and repeats get the same bytes at no cost', async (_what, body) => {
    const { at, call, provided } = setUp();
    const first = await call(body, KEY);
    expect(first.headers.get('x-tollgate-replayed')).toBeNull();
    const repeat = await call(body, KEY);
    expect(repeat).toMatchObject({ status: 200, text: first.text });
    expect(repeat.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(repeat.headers.get('x-tollgate-replayed')).toBe('true');
    expect(repeat.headers.get('x-tollgate-cost-usd')).toBe('0.00');
    expect(repeat.headers.get('x-tollgate-original-cost-usd')).toBe('0.000007');
    expect(repeat.headers.get('x-tollgate-route')).toBe('economy');
    expect(repeat.headers.get('x-tollgate-provider')).toBe('first');
    expect(repeat.headers.get('x-tollgate-attempts')).toBe('0');
    // A provider's figures would be out of date.
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('99');
    expect(repeat.headers.get('x-ratelimit-remaining-requests')).toBeNull();
    expect(provided.sends).toBe(1);
    expect(at.payments.holds).toHaveLength(1);
    expect(at.payments.settlements).toHaveLength(1);
    expect(at.payments.recorded).toMatchObject([{ purpose: 'replayed', route: 'economy', provider: 'first', group: 'dev' }]);
  });

  test('a repeat is not counted by the rate limits', async () => {
    const { call } = setUp({ requestsPerMinute: 1 });
    expect((await call(ASK, KEY)).status).toBe(200);
    expect((await call(ASK, KEY)).status).toBe(200);
    expect((await call(ASK)).code).toBe('rate_limit_exceeded');
  });

  test('the same key with another body is a 400 and sends nothing, and another key is another call', async () => {
    const { call, provided } = setUp();
    await call(ASK, KEY);
    const conflict = await call(STREAMED, KEY);
    expect(conflict).toMatchObject({ status: 400, code: 'idempotency_conflict' });
    expect(provided.sends).toBe(1);
    expect((await call(ASK, { 'idempotency-key': 'key-2' })).text).toContain('answer 2');
  });

  test('groups have keys of their own', async () => {
    const { at, call } = setUp();
    await call(ASK, KEY);
    expect((await call(ASK, KEY, at.keys.issue({ group: 'other' }))).text).toContain('answer 2');
  });

  test('after 24 hours the key is free again, and not before', async () => {
    const { at, call } = setUp();
    await call(ASK, KEY);
    at.time.offsetMs = 24 * HOUR_MS - 60_000;
    expect((await call(ASK, KEY)).text).toContain('answer 1');
    at.time.offsetMs = 24 * HOUR_MS + 60_000;
    expect((await call(ASK, KEY)).text).toContain('answer 2');
  });

  test('a repeat of a call in flight waits for its answer', async () => {
    const { begin, call, provided } = setUp();
    let open = (): void => undefined;
    provided.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = begin(ASK, KEY);
    const repeat = call(ASK, KEY);
    open();
    const { response, done } = await first;
    await done;
    expect((await repeat).text).toBe(await response.text());
    expect(provided.sends).toBe(1);
  });

  test('a call in flight for too long is a 429 that says when to come back, never a 409', async () => {
    const { begin, call, provided } = setUp({ limits: { replayWaitMs: 0 } });
    let open = (): void => undefined;
    provided.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = begin(ASK, KEY);
    // The first has the claim once it has been sent.
    while (provided.sends === 0) await new Promise((resolve) => setImmediate(resolve));
    const repeat = await call(ASK, KEY);
    expect(repeat).toMatchObject({ status: 429, code: 'idempotency_in_flight' });
    expect(repeat.headers.get('retry-after')).toBe('5');
    open();
    await (await first).done;
  });

  test('what a provider refuses costs nothing, so the same key may be sent again, even with another body', async () => {
    const { call, provided } = setUp();
    provided.status = 400;
    expect((await call(ASK, KEY)).status).toBe(400);
    provided.status = 200;
    expect((await call(STREAMED, KEY)).text).toContain('answer 2');
  });

  test('an outcome that nobody knows was charged: the repeat is told so once, and is not sent', async () => {
    const { at, call, provided } = setUp();
    provided.lost = true;
    expect((await call(ASK, KEY)).status).toBe(504);
    const repeat = await call(ASK, KEY);
    expect(repeat).toMatchObject({ status: 400, code: 'idempotency_answer_lost' });
    expect(repeat.headers.get('x-should-retry')).toBe('false');
    expect(provided.sends).toBe(1);
    expect(at.payments.holds).toHaveLength(1);
  });

  test.each([
    ['an answer', ASK],
    ['a stream', STREAMED],
  ])('%s above the limit goes out whole, is not kept, and is not made again', async (_what, body) => {
    const { call, provided } = setUp({ limits: { keptAnswerBytes: 20 } });
    expect((await call(body, KEY)).text).toContain('answer 1');
    expect(await call(body, KEY)).toMatchObject({ status: 400, code: 'idempotency_answer_lost' });
    expect(provided.sends).toBe(1);
  });

  test('a store that takes no answer breaks neither the answer nor the books, and nothing is sent again', async () => {
    const { at, call, provided } = setUp({ limits: { replayWaitMs: 0 } });
    at.answers.endClaim = () => Promise.reject(new Error('too large for an item'));
    expect((await call(ASK, KEY)).status).toBe(200);
    expect(at.payments.settlements).toHaveLength(1);
    expect(at.log.lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'an answer was not kept' }));
    expect((await call(ASK, KEY)).code).toBe('idempotency_in_flight');
    at.time.offsetMs = HOUR_MS;
    expect((await call(ASK, KEY)).code).toBe('idempotency_answer_lost');
    expect(provided.sends).toBe(1);
  });

  test('a claim that is not answered is a 503, and nothing is held or sent', async () => {
    const { at, call, provided } = setUp();
    at.answers.claimAnswer = () => Promise.reject(new UnknownOutcomeError('away'));
    expect(await call(ASK, KEY)).toMatchObject({ status: 503, code: 'ledger_unavailable' });
    expect(provided.sends + at.payments.holds.length).toBe(0);
  });

  test('a call without a key asks the store of answers nothing', async () => {
    const { at, call } = setUp();
    const never = () => Promise.reject(new Error('asked'));
    Object.assign(at.answers, { claimAnswer: never, findAnswer: never, endClaim: never, keepAnswer: never, releaseClaim: never });
    const { status, headers } = await call(ASK);
    expect(status).toBe(200);
    expect(headers.get('x-tollgate-cache')).toBeNull();
  });
});

describe('the response cache', () => {
  const CACHED: Options = { route: { cache: { ttlMs: HOUR_MS } } };

  test.each([
    ['an answer', ASK],
    ['a stream', STREAMED],
  ])('%s is given again to the same bytes of the same group at zero cost, marked in header and entry', async (_what, body) => {
    const { at, call, provided } = setUp(CACHED);
    const first = await call(body);
    expect(first.headers.get('x-tollgate-cache')).toBe('miss');
    const hit = await call(body, { 'x-tollgate-user': 'ann' });
    expect(hit.text).toBe(first.text);
    expect(hit.headers.get('x-tollgate-cache')).toBe('hit');
    expect(hit.headers.get('x-tollgate-cost-usd')).toBe('0.00');
    expect(hit.headers.get('x-tollgate-original-cost-usd')).toBe('0.000007');
    expect(hit.headers.get('x-tollgate-replayed')).toBeNull();
    expect(provided.sends).toBe(1);
    expect(at.payments.holds).toHaveLength(1);
    expect(at.payments.recorded).toMatchObject([{ purpose: 'cached', user: 'ann', route: 'economy' }]);
  });

  test.each([
    ['another body', async ({ call }: ReturnType<typeof setUp>) => call({ ...ASK, max_tokens: 11 })],
    ['another group', async ({ at, call }: ReturnType<typeof setUp>) => call(ASK, {}, at.keys.issue({ group: 'other' }))],
    ['another forwarded header', async ({ call }: ReturnType<typeof setUp>) => call(ASK, { 'anthropic-beta': 'x' })],
    [
      'a later time',
      async ({ at, call }: ReturnType<typeof setUp>) => {
        at.time.offsetMs = HOUR_MS + 1_000;
        return call(ASK);
      },
    ],
    [
      'a shorter ttl',
      async ({ at, call }: ReturnType<typeof setUp>) => {
        at.inForce.policy = { ...at.inForce.policy, routes: [route('economy', ['first/small'], { cache: { ttlMs: 1_000 } })] };
        at.time.offsetMs = 2_000;
        return call(ASK);
      },
    ],
    [
      'another model behind the route',
      async ({ at, call }: ReturnType<typeof setUp>) => {
        at.inForce.policy = { ...at.inForce.policy, routes: [route('economy', ['first/large'], { cache: { ttlMs: HOUR_MS } })] };
        return call(ASK);
      },
    ],
    [
      'another output cap of the group',
      async ({ at, call }: ReturnType<typeof setUp>) => {
        at.inForce.policy = { ...at.inForce.policy, consumerGroups: [{ ...GROUP, maxOutputTokens: 5 }] };
        return call(ASK);
      },
    ],
  ])('%s is a miss', async (_what, second) => {
    const world = setUp(CACHED);
    await world.call(ASK);
    const { headers, text } = await second(world);
    expect(headers.get('x-tollgate-cache')).toBe('miss');
    expect(text).toContain('answer 2');
  });

  test('errors and answers of unknown cost are never cached', async () => {
    const { call, provided } = setUp(CACHED);
    for (const change of [{ status: 400 }, { usage: false }, { lost: true }]) {
      for (const body of [ASK, STREAMED]) {
        Object.assign(provided, { status: 200, usage: true, lost: false }, change);
        await call(body);
        expect((await call(body)).headers.get('x-tollgate-cache')).not.toBe('hit');
      }
    }
    expect(provided.sends).toBe(12);
  });

  test.each([
    ['breaks off without a word', ''],
    ['ends with an error', 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\ndata: [DONE]\n\n'],
  ])('a stream that %s after its usage is never cached', async (_what, ending) => {
    const { call, provided } = setUp(CACHED);
    provided.ending = ending;
    await call(STREAMED);
    provided.ending = 'data: [DONE]\n\n';
    expect((await call(STREAMED)).headers.get('x-tollgate-cache')).toBe('miss');
    expect((await call(STREAMED)).headers.get('x-tollgate-cache')).toBe('hit');
    expect(provided.sends).toBe(2);
  });

  test('a cache that does not answer is a miss, and one that takes nothing breaks nothing', async () => {
    const { at, call } = setUp(CACHED);
    at.answers.findAnswer = () => Promise.reject(new UnknownOutcomeError('away'));
    at.answers.keepAnswer = () => Promise.reject(new Error('too large for an item'));
    const { status, headers } = await call(ASK);
    expect([status, headers.get('x-tollgate-cache')]).toEqual([200, 'miss']);
    expect(at.payments.settlements).toHaveLength(1);
  });

  test('a cached answer may stand under a key too: the repeat says what it is', async () => {
    const { call, provided } = setUp(CACHED);
    await call(ASK);
    const hit = await call(ASK, KEY);
    const repeat = await call(ASK, KEY);
    expect([hit.headers.get('x-tollgate-cache'), hit.headers.get('x-tollgate-replayed')]).toEqual(['hit', null]);
    expect([repeat.headers.get('x-tollgate-cache'), repeat.headers.get('x-tollgate-replayed')]).toEqual([null, 'true']);
    expect(provided.sends).toBe(1);
  });
});
