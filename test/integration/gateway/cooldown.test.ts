/** Health of targets through the gateway: providers that fail, recover, ask to wait, or are slow. */
import { MemoryHealthStore } from '../../../lambdas/adapters/memory/health-store.ts';
import { route } from '../../support/gateway-fixture.ts';
import { HealthWorld } from '../../support/health-world.ts';
import { type Live, type LiveOptions, MESSAGES, live } from '../../support/live-gateway.ts';

const ASK = { model: 'economy', messages: MESSAGES };
const COOLDOWN = { afterFailures: 2, forMs: 30_000 };
const FALLBACK = { on: ['timeout', 'rate_limit', 'server_error', 'provider_budget'], attempts: 2 } as const;
const COOLING = { routes: [route('economy', ['first/small', 'second/small'], { cooldown: COOLDOWN, fallback: FALLBACK })] };
const ALONE = (attempts: number) => ({ routes: [route('economy', ['first/small'], { fallback: { ...FALLBACK, attempts } })] });

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

/** Provider and attempts of one call. */
async function call(at: Live, more: object = {}): Promise<string> {
  const response = await at.post({ ...ASK, ...more });
  await response.text();
  await at.health.idle();
  return `${response.status} ${response.headers.get('x-tollgate-provider')} ${response.headers.get('x-tollgate-attempts')}`;
}

test.each([{}, { stream: true }])(
  'a target that keeps failing is passed over, probed after its cooldown, and serves again (%j)',
  async (more) => {
    const at = await start({ first: { failEvery: 1 }, policy: COOLING });
    expect([await call(at, more), await call(at, more)]).toEqual(['200 second 2', '200 second 2']);
    expect([await call(at, more), await call(at, more)]).toEqual(['200 second 1', '200 second 1']);
    expect(at.providers[0].requests).toBe(2);
    at.time.offsetMs += COOLDOWN.forMs;
    // The probe fails and is cured by the fallback; the target cools again.
    expect([await call(at, more), await call(at, more)]).toEqual(['200 second 2', '200 second 1']);
    at.providers[0].set({ failEvery: 0 });
    expect(await call(at, more)).toBe('200 second 1');
    at.time.offsetMs += COOLDOWN.forMs;
    expect([await call(at, more), await call(at, more)]).toEqual(['200 first 1', '200 first 1']);
  },
);

test('a caller without money takes no probe from those who have some', async () => {
  const at = await start({ first: { failEvery: 1 }, policy: COOLING });
  expect([await call(at), await call(at)]).toEqual(['200 second 2', '200 second 2']);
  at.time.offsetMs += COOLDOWN.forMs;
  at.providers[0].set({ failEvery: 0 });
  const refusal = {
    code: 'budget_exceeded',
    limitedBy: 'budget/dev/day',
    limitNanoUsd: 1n,
    spentNanoUsd: 1n,
    reservedNanoUsd: 0n,
    requestedNanoUsd: 1n,
  } as const;
  at.payments.onHold = () => ({ ok: false, by: 'caller', refusal });
  expect(await call(at)).toBe('402 null 0');
  at.payments.onHold = () => undefined;
  expect(await call(at)).toBe('200 first 1');
});

test('what another gateway of the stage learned is known here, from the second call on', async () => {
  const healthStore = new MemoryHealthStore();
  const at = await start({ first: { failEvery: 1 }, policy: COOLING, healthStore });
  const other = await start({ first: { failEvery: 1 }, policy: COOLING, healthStore });
  expect([await call(at), await call(at)]).toEqual(['200 second 2', '200 second 2']);
  // The first call of a process that knows nothing goes its way and reads beside it.
  expect([await call(other), await call(other)]).toEqual(['200 second 2', '200 second 1']);
});

test("a refusal of the caller's own request, or a used-up budget, says nothing against a target", async () => {
  const at = await start({ first: { failEvery: 1, failStatus: 400 }, policy: COOLING });
  for (let i = 0; i < 4; i += 1) expect(await call(at)).toBe('400 first 1');
});

test('a target that hangs is a failure too', async () => {
  const at = await start({
    first: { hang: true },
    policy: COOLING,
    provider: { timeoutMs: { connect: 500, firstByte: 150, idle: 5_000, total: 20_000 } },
  });
  expect([await call(at), await call(at), await call(at)]).toEqual(['200 second 2', '200 second 2', '200 second 1']);
});

test('a target for which earlier attempts left no time is not blamed for it', async () => {
  const at = await start({
    first: { hang: true },
    second: { hang: true },
    policy: COOLING,
    provider: { timeoutMs: { connect: 500, firstByte: 300, idle: 5_000, total: 450 } },
  });
  for (let i = 0; i < 3; i += 1) {
    await at.post(ASK);
    await at.health.idle();
  }
  at.providers[1].set({ hang: false });
  expect(await call(at)).toBe('200 second 1');
});

test('a Retry-After keeps its target away for so long, from the first failure on', async () => {
  const at = await start({ first: { failEvery: 1, failStatus: 429, retryAfterSeconds: 20 }, policy: COOLING });
  expect([await call(at), await call(at)]).toEqual(['200 second 2', '200 second 1']);
  at.time.offsetMs += 20_000;
  at.providers[0].set({ failEvery: 0 });
  expect(await call(at)).toBe('200 first 1');
});

test('when all targets cool down the one that is due first is tried, and every try is a hold and an entry of its own', async () => {
  const at = await start({ first: { failEvery: 1 }, second: { failEvery: 1 }, policy: COOLING });
  for (let i = 0; i < 4; i += 1) expect(await call(at)).toMatch(/^502 \w+ 2$/);
  await at.payments.settled(8);
  expect(at.payments.holds).toHaveLength(8);
  expect(at.payments.settlements.map(({ detail }) => detail.attempt)).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
});

test('when every target asked to wait and an attempt is left, it is waited for: each attempt a hold and an entry, and the answer says how many', async () => {
  const at = await start({ first: { failEvery: 1, failStatus: 429, retryAfterSeconds: 1 }, policy: ALONE(2) });
  const asked = at.post(ASK);
  await at.payments.settled(1);
  // No money is held while it waits.
  expect(at.payments.events.filter((event) => event !== 'statement')).toEqual(['hold', 'settle']);
  at.providers[0].set({ failEvery: 0 });
  const response = await asked;
  expect(response.status).toBe(200);
  expect(response.headers.get('x-tollgate-attempts')).toBe('2');
  await at.payments.settled(2);
  expect(at.payments.settlements).toMatchObject([
    { hid: 'h-1', actualNanoUsd: 0n, detail: { attempt: 1, outcome: 'refused_by_provider' } },
    { hid: 'h-2', detail: { attempt: 2, outcome: 'ok' } },
  ]);
  expect(at.providers[0].requests).toBe(2);
});

test('it is waited for once: a second refusal ends the call with what was asked', async () => {
  const at = await start({ first: { failEvery: 1, failStatus: 503, retryAfterSeconds: 1 }, policy: ALONE(3) });
  const response = await at.post(ASK);
  expect([response.status, response.headers.get('retry-after'), response.headers.get('x-tollgate-attempts')]).toEqual([
    502,
    '1',
    '2',
  ]);
});

test('of several targets the one that is free first gets the second try', async () => {
  const at = await start({
    first: { failEvery: 1, failStatus: 429, retryAfterSeconds: 9 },
    second: { failEvery: 1, failStatus: 429, retryAfterSeconds: 1 },
    policy: { routes: [route('economy', ['first/small', 'second/small'], { fallback: { ...FALLBACK, attempts: 3 } })] },
  });
  expect(await call(at)).toBe('502 second 3');
  expect([at.providers[0].requests, at.providers[1].requests]).toEqual([1, 2]);
});

test.each([
  ['no attempt is left', { retryAfterSeconds: 1 }, 1, {}],
  ['the wait is longer than ten seconds', { retryAfterSeconds: 11 }, 2, {}],
  [
    'the call would be over by then',
    { retryAfterSeconds: 3 },
    2,
    { timeoutMs: { connect: 500, firstByte: 2_000, idle: 2_000, total: 2_500 } },
  ],
  ['nobody said how long', {}, 2, {}],
])('nothing is waited for when %s', async (_why, first, attempts, provider) => {
  const at = await start({ first: { failEvery: 1, failStatus: 429, ...first }, policy: ALONE(attempts), provider });
  const response = await at.post(ASK);
  expect([response.status, response.headers.get('x-tollgate-attempts')]).toEqual([502, '1']);
  // One report: it did not wait until the time was over either.
  expect((await response.json()).error.metadata.attempts).toEqual([{ provider: 'first', model: 'small', status: 429 }]);
});

test('nothing is waited for when one of the targets failed otherwise', async () => {
  const at = await start({
    first: { failEvery: 1, failStatus: 500 },
    second: { failEvery: 1, failStatus: 429, retryAfterSeconds: 1 },
    policy: { routes: [route('economy', ['first/small', 'second/small'], { fallback: { ...FALLBACK, attempts: 3 } })] },
  });
  expect(await call(at)).toBe('502 second 2');
});

test('a route without a cooldown that does not go by speed asks and tells the health store nothing', async () => {
  const world = new HealthWorld();
  const at = await start({ first: { failEvery: 2, failStatus: 429, retryAfterSeconds: 5 }, healthStore: world.store() });
  for (const more of [{}, { stream: true }, {}, {}]) await call(at, more);
  expect(at.providers[1].requests).toBe(2);
  expect(world.calls).toEqual([]);
});

test('the fastest target gets the calls once both are known', async () => {
  const policy = {
    routes: [route('economy', ['first/small', 'second/small'], { strategy: 'lowest_latency' as const, fallback: FALLBACK })],
  };
  const healthStore = new MemoryHealthStore();
  const at = await start({ first: { latencyMs: 1_000 }, policy, healthStore, fraction: 0.9 });
  expect([await call(at), await call(at)]).toEqual(['200 first 1', '200 second 1']);
  expect([await call(at, { stream: true }), await call(at)]).toEqual(['200 second 1', '200 second 1']);
  // A process that draws a low number looks how the slow one is doing.
  const explorer = await start({ policy, healthStore, fraction: 0.01 });
  await explorer.health.warmUp(explorer.inForce.policy);
  expect([await call(explorer), await call(explorer)]).toEqual(['200 first 1', '200 first 1']);
});
