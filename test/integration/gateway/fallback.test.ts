import { parseUsd } from '../../../lambdas/domain/money.ts';
import { LedgerUnavailableError } from '../../../lambdas/application/payments.ts';
import type { MoneyRefusal } from '../../../lambdas/domain/refusals.ts';
import { price, provider, route } from '../../support/gateway-fixture.ts';
import { type Live, type LiveOptions, MESSAGES, live } from '../../support/live-gateway.ts';
import { RawProvider } from '../../support/raw-provider.ts';

const ASK = { model: 'economy', messages: MESSAGES };
const QUICK = { timeoutMs: { connect: 500, firstByte: 200, idle: 200, total: 5_000 } };

let open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
  open = [];
});

async function start(options: LiveOptions = {}): Promise<Live> {
  const at = await live(options);
  open.push(at);
  return at;
}

const PROVIDER_REFUSAL: MoneyRefusal = {
  code: 'provider_budget_exceeded',
  limitedBy: 'provider/first/month',
  limitNanoUsd: parseUsd('10.00'),
  spentNanoUsd: parseUsd('10.00'),
  reservedNanoUsd: 0n,
  requestedNanoUsd: parseUsd('0.02'),
};

test.each([500, 503, 429, 401, 403, 409])(
  'a target that answers %i costs nothing and the next one serves',
  async (failStatus) => {
    const at = await start({ first: { failEvery: 1, failStatus } });
    at.payments.settleDelayMs = 30;
    const response = await at.post(ASK);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tollgate-provider')).toBe('second');
    expect(response.headers.get('x-tollgate-attempts')).toBe('2');
    await at.payments.settled(2);
    expect(at.payments.settlements[0]).toMatchObject({
      actualNanoUsd: 0n,
      detail: { provider: 'first', outcome: 'refused_by_provider', attempt: 1 },
    });
    expect(at.payments.settlements[1]).toMatchObject({ detail: { provider: 'second', outcome: 'ok', attempt: 2 } });
    // The failed one is settled before the next is held.
    expect(at.payments.events.filter((event) => event !== 'statement')).toEqual(['hold', 'settle', 'hold', 'settle']);
  },
);

test('a target that hangs is an unknown outcome: charged at its bound, and the next one serves', async () => {
  const at = await start({ first: { hang: true }, provider: QUICK });
  const response = await at.post(ASK);
  expect(response.headers.get('x-tollgate-provider')).toBe('second');
  await at.payments.settled(2);
  const [lost] = at.payments.settlements;
  expect(lost).toMatchObject({ actualNanoUsd: lost?.boundNanoUsd, detail: { outcome: 'timeout', estimated: true } });
  expect(response.headers.get('x-tollgate-cost-usd')).not.toBe('0.00');
});

test('where the policy releases unknown outcomes, they cost nothing and are marked', async () => {
  const costTracking = {
    enabled: true,
    walletEnforcement: true,
    unpricedModel: 'reject',
    unknownOutcome: 'release',
    budgetAlerts: [],
  } as const;
  const at = await start({ first: { hang: true }, provider: QUICK, policy: { costTracking } });
  await at.post(ASK);
  await at.payments.settled(2);
  expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'unaccounted' } });
});

test('a target that refuses connections costs nothing, and the next one serves', async () => {
  const closed = new RawProvider();
  const url = await closed.start();
  await closed.stop();
  const at = await start();
  const [, second] = at.providers;
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', url), provider('second', second.baseUrl)] };
  const response = await at.post(ASK);
  expect(response.headers.get('x-tollgate-provider')).toBe('second');
  await at.payments.settled(2);
  expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'connect_failed' } });
});

test('a provider that dies before the end of a whole answer is an unknown outcome, and the next one serves', async () => {
  const at = await start({ first: { dieAfterBytes: 20 } });
  const response = await at.post(ASK);
  expect(response.status).toBe(200);
  await at.payments.settled(2);
  expect(at.payments.settlements[0]).toMatchObject({
    actualNanoUsd: at.payments.settlements[0]?.boundNanoUsd,
    detail: { outcome: 'reset' },
  });
});

test('a provider that dies behind the head of a stream, before its first byte, is replaced unseen', async () => {
  const raw = new RawProvider(({ res }) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    setTimeout(() => res.destroy(), 20);
  });
  open.push(raw);
  const url = await raw.start();
  const at = await start();
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', url), provider('second', at.providers[1].baseUrl)] };
  const response = await at.post({ ...ASK, stream: true });
  expect(response.headers.get('x-tollgate-provider')).toBe('second');
  expect(await response.text()).toContain('[DONE]');
});

test('a failure that the fallback does not name ends the call', async () => {
  const at = await start({
    first: { failEvery: 1 },
    policy: { routes: [route('economy', ['first/small', 'second/small'], { fallback: { on: ['timeout'], attempts: 3 } })] },
  });
  const response = await at.post(ASK);
  expect(response.status).toBe(502);
  expect(at.providers[1].requests).toBe(0);
});

test('no more targets are tried than the fallback allows', async () => {
  const at = await start({
    first: { failEvery: 1 },
    policy: { routes: [route('economy', ['first/small', 'second/small'], { fallback: { on: ['server_error'], attempts: 1 } })] },
  });
  expect((await at.post(ASK)).status).toBe(502);
  expect(at.providers[1].requests).toBe(0);
});

test('when every target failed, each is told by status or reason, without its words', async () => {
  const at = await start({
    first: { failEvery: 1, failStatus: 401 },
    second: { failEvery: 1, failStatus: 429, retryAfterSeconds: 3_600 },
  });
  const response = await at.post(ASK);
  expect(response.status).toBe(502);
  expect(response.headers.get('retry-after')).toBe('60');
  expect(response.headers.get('x-tollgate-cost-usd')).toBe('0.00');
  expect(await response.json()).toMatchObject({
    error: {
      code: 'providers_unavailable',
      metadata: {
        attempts: [
          { provider: 'first', model: 'small', status: 401 },
          { provider: 'second', model: 'small', status: 429 },
        ],
      },
    },
  });
});

test('when every target timed out it is a 504', async () => {
  const at = await start({ first: { hang: true }, second: { hang: true }, provider: QUICK });
  expect((await at.post(ASK)).status).toBe(504);
});

test('the total deadline spans all attempts', async () => {
  const at = await start({
    first: { hang: true },
    second: { hang: true },
    provider: { timeoutMs: { connect: 500, firstByte: 60_000, idle: 60_000, total: 300 } },
  });
  const response = await at.post(ASK);
  expect(response.status).toBe(504);
  expect(at.providers[0].requests).toBe(1);
  expect(at.providers[1].requests).toBe(0);
});

test("a client error of the provider is the caller's answer as it is, at no cost", async () => {
  const raw = new RawProvider(({ res }) =>
    res.writeHead(422, { 'content-type': 'application/json' }).end('{"error":  {"message":"bad"}}'),
  );
  open.push(raw);
  const url = await raw.start();
  const at = await start();
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', url), provider('second', at.providers[1].baseUrl)] };
  const response = await at.post(ASK);
  expect(response.status).toBe(422);
  expect(await response.text()).toBe('{"error":  {"message":"bad"}}');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'refused_by_provider' } });
  expect(at.providers[1].requests).toBe(0);
});

test('a redirect is a failure: the credential never goes to another address', async () => {
  const elsewhere = new RawProvider();
  const target = await elsewhere.start();
  const raw = new RawProvider(({ res }) => res.writeHead(307, { location: `${target}/chat/completions` }).end());
  open.push(raw, elsewhere);
  const at = await start({ policy: { routes: [route('economy', ['first/small'])] } });
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', await raw.start())] };
  expect((await at.post(ASK)).status).toBe(502);
  expect(elsewhere.calls).toHaveLength(0);
});

test('a used-up provider budget sends the call to the next target, and is no attempt', async () => {
  const at = await start();
  at.payments.onHold = (request) =>
    request.target.provider === 'first' ? { ok: false, by: 'provider', refusal: PROVIDER_REFUSAL } : undefined;
  const response = await at.post(ASK);
  expect(response.status).toBe(200);
  expect(response.headers.get('x-tollgate-attempts')).toBe('1');
  expect(at.providers[0].requests).toBe(0);
});

test('where the fallback does not name provider budgets, a used-up one is the answer', async () => {
  const at = await start({
    policy: { routes: [route('economy', ['first/small', 'second/small'], { fallback: { on: ['timeout'], attempts: 3 } })] },
  });
  at.payments.onHold = (request) =>
    request.target.provider === 'first' ? { ok: false, by: 'provider', refusal: PROVIDER_REFUSAL } : undefined;
  expect((await at.post(ASK)).status).toBe(402);
  expect(at.payments.events).toEqual(['hold']);
});

test('when all provider budgets are used up it is a 402, and a 429 when only holds stand in the way', async () => {
  const at = await start();
  at.payments.onHold = () => ({ ok: false, by: 'provider', refusal: PROVIDER_REFUSAL });
  const used = await at.post(ASK);
  expect(used.status).toBe(402);
  expect(await used.json()).toMatchObject({ error: { code: 'provider_budget_exceeded' } });
  at.payments.onHold = (request) => ({
    ok: false,
    by: 'provider',
    refusal: request.target.provider === 'second' ? { ...PROVIDER_REFUSAL, code: 'funds_reserved' } : PROVIDER_REFUSAL,
  });
  expect((await at.post(ASK)).status).toBe(429);
});

test('a ledger that does not answer is a 503 and nothing is sent', async () => {
  const at = await start();
  at.payments.onHold = () => {
    throw new LedgerUnavailableError('no answer');
  };
  const response = await at.post(ASK);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect(await response.json()).toMatchObject({ error: { code: 'ledger_unavailable' } });
  expect(at.providers[0].requests).toBe(0);
});

test('a target without a price is passed over, and a route without any is refused', async () => {
  const at = await start({ policy: { prices: [price('second', 'small')] } });
  expect((await at.post(ASK)).headers.get('x-tollgate-provider')).toBe('second');
  at.inForce.policy = { ...at.inForce.policy, prices: [] };
  const response = await at.post(ASK);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code: 'price_unknown' } });
});

test('the credential goes to the provider alone, and a missing one is a failed target told in the log', async () => {
  const secret = { kind: 'secret', name: 'openai' } as const;
  const at = await start({ secrets: { openai: 'sk-provider-secret\n' }, provider: { credential: secret } });
  await at.post(ASK, { 'anthropic-version': '2023-06-01', cookie: 'a=b', 'x-tollgate-user': 'ann' });
  const headers = at.providers[0].seen[0]?.headers;
  expect(headers?.authorization).toBe('Bearer sk-provider-secret');
  expect(headers?.['anthropic-version']).toBeUndefined();
  expect(headers?.cookie).toBeUndefined();
  expect(headers?.['x-tollgate-user']).toBeUndefined();
  const missing = await start({ provider: { credential: secret } });
  const response = await missing.post(ASK);
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('credential_missing');
  expect(missing.payments.settlements.map((settlement) => settlement.actualNanoUsd)).toEqual([0n, 0n]);
});
