/** Rate limits at the gateway's door: what is counted, what callers are told, and what is not sent. */
import { NotAppliedError } from '../../lambdas/application/ports.ts';
import type { ProviderClient, ProviderReply } from '../../lambdas/application/ports-provider.ts';
import { GROUP, fixture, policy, price, provider, route } from '../support/gateway-fixture.ts';

const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }], max_tokens: 10 };
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

function setUp(rateLimits: { requestsPerMinute?: number; tokensPerMinute?: number }, status = 200, targets = ['first/small']) {
  let sends = 0;
  const client: ProviderClient = {
    send: async () => {
      sends += 1;
      const pieces = [new TextEncoder().encode(JSON.stringify({ choices: [{ message: { content: 'hi' } }], usage: USAGE }))];
      const reply: ProviderReply = {
        kind: 'answer',
        status,
        headers: new Map([['content-type', 'application/json']]),
        body: { next: async () => pieces.shift(), cancel: () => undefined },
      };
      return reply;
    },
  };
  const at = fixture(
    policy({
      consumerGroups: [{ ...GROUP, rateLimits }],
      providers: [provider('first', 'http://127.0.0.1:1/v1')],
      routes: [route('economy', targets)],
      prices: targets.map((target) => price('first', target.slice('first/'.length))),
    }),
    client,
  );
  // A fixed instant, 20 s into a minute.
  const start = Date.now();
  at.time.offsetMs = 1_800_000_020_000 - start;
  const call = async (body: unknown = ASK) => {
    const { response, done } = await at.gateway.handle(
      new Request('http://gateway.invalid/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
    await done;
    return response;
  };
  return { at, call, sends: () => sends };
}

test('the requests of a minute are counted, and the next one is a 429 that says when to come back', async () => {
  const { at, call, sends } = setUp({ requestsPerMinute: 2 });
  const first = await call();
  expect(first.status).toBe(200);
  expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
  expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
  expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/);
  expect((await call()).status).toBe(200);
  const refused = await call();
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ error: { code: 'rate_limit_exceeded', type: 'rate_limit_error' } });
  const retryAfter = Number(refused.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(0);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
  expect(sends()).toBe(2);
  // What was held beside the refusal is settled at nothing.
  expect(at.payments.settlements.at(-1)).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'rate_limit_exceeded' } });
  at.time.offsetMs += 60_000;
  expect((await call()).status).toBe(200);
});

test('tokens count by the bound and then by what was used', async () => {
  const { call } = setUp({ tokensPerMinute: 1_000 });
  const first = await call();
  const left = Number(first.headers.get('x-ratelimit-remaining-tokens'));
  expect(left).toBeLessThan(1_000 - 10);
  // Corrected to the 5 tokens of the answer, then taken anew: one answer more is counted, not one bound.
  const second = await call();
  expect(left - Number(second.headers.get('x-ratelimit-remaining-tokens'))).toBe(5);
});

test('a request that no minute has room for is refused for good, before anything is held', async () => {
  const { at, call, sends } = setUp({ tokensPerMinute: 50 });
  const response = await call();
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { code: 'invalid_request', message: expect.stringContaining('50 a minute') },
  });
  expect(at.payments.holds).toEqual([]);
  expect(sends()).toBe(0);
});

test("a provider's refusal counts as a request and uses no tokens", async () => {
  const { call } = setUp({ requestsPerMinute: 9, tokensPerMinute: 1_000 }, 422);
  const first = await call();
  const second = await call();
  expect(first.status).toBe(422);
  expect(second.headers.get('x-ratelimit-remaining-tokens')).toBe(first.headers.get('x-ratelimit-remaining-tokens'));
  expect(second.headers.get('x-ratelimit-remaining-requests')).toBe('7');
});

test('what the wallet refuses is not counted', async () => {
  const { at, call } = setUp({ requestsPerMinute: 1 });
  at.payments.onHold = (request) => ({
    ok: false,
    by: 'caller',
    refusal: {
      code: 'insufficient_funds',
      limitedBy: 'wallet/team',
      limitNanoUsd: 0n,
      spentNanoUsd: 0n,
      reservedNanoUsd: 0n,
      requestedNanoUsd: request.boundNanoUsd,
    },
  });
  expect((await call()).status).toBe(402);
  at.payments.onHold = () => undefined;
  expect((await call()).status).toBe(200);
});

test('counters that do not answer fail closed, and nothing is sent', async () => {
  const { at, call, sends } = setUp({ requestsPerMinute: 1 });
  at.rates.takeRate = () => Promise.reject(new NotAppliedError('throttled'));
  const response = await call();
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { code: 'ledger_unavailable' } });
  expect(sends()).toBe(0);
  expect(at.payments.settlements.at(-1)).toMatchObject({ actualNanoUsd: 0n });
});

test('counters that are damaged or forbidden fail closed too: what was held beside them goes back, and the defect is told', async () => {
  const { at, call, sends } = setUp({ requestsPerMinute: 1 });
  at.rates.takeRate = () => Promise.reject(new Error('the database refused the call'));
  // The counters fail while nobody waits for them yet: a rejection then would end the process, and Jest sees one.
  at.payments.holdDelayMs = 20;
  const response = await call();
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { code: 'ledger_unavailable' } });
  expect(sends()).toBe(0);
  expect(at.payments.settlements.at(-1)).toMatchObject({ actualNanoUsd: 0n });
  expect(at.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
});

test('a correction that is refused for good changes no answer, and its call is over when it is settled', async () => {
  const { at, call } = setUp({ tokensPerMinute: 1_000 });
  at.rates.adjustRate = () => Promise.reject(new Error('the database refused the call'));
  at.payments.settleDelayMs = 20;
  expect((await call()).status).toBe(200);
  expect(at.payments.settlements).toHaveLength(1);
});

/** Its name makes the request longer, and its bound larger. */
const LONG = `first/${'large'.repeat(20)}`;

test('a request counts by its largest bound: whichever target serves it in the end, no minute holds more than its limit', async () => {
  const left = async (targets: string[]) =>
    (await setUp({ tokensPerMinute: 1_000 }, 200, targets).call()).headers.get('x-ratelimit-remaining-tokens');
  const alone = await left([LONG]);
  expect(await left(['first/small'])).not.toBe(alone);
  expect(await left(['first/small', LONG])).toBe(alone);
  expect(await left([LONG, 'first/small'])).toBe(alone);
});

test('a target on which the request fits no minute is passed by, and the order of targets refuses nobody', async () => {
  const bound = 1_000 - Number((await setUp({ tokensPerMinute: 1_000 }).call()).headers.get('x-ratelimit-remaining-tokens'));
  for (const targets of [
    ['first/small', LONG],
    [LONG, 'first/small'],
  ]) {
    const { at, call, sends } = setUp({ tokensPerMinute: bound }, 200, targets);
    expect((await call()).status).toBe(200);
    expect([sends(), at.payments.holds.map(({ target }) => target.model)]).toEqual([1, ['small']]);
  }
  expect((await setUp({ tokensPerMinute: bound }, 200, [LONG]).call()).status).toBe(400);
});
