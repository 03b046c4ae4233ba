/**
 * Where other gateways were seen to fail, each as the guarantee that holds here: the real ledger, gateway processes in memory,
 * a provider that is a function. Guarantees that need sockets or a database are named at the end, with the suite that holds them.
 */
import type { ProviderReply } from '../../lambdas/application/ports-provider.ts';
import { LedgerUnavailableError } from '../../lambdas/application/payments.ts';
import { NotAppliedError } from '../../lambdas/application/ports.ts';
import { verifyLedger } from '../../lambdas/application/verify.ts';
import { parseUsd } from '../../lambdas/domain/money.ts';
import type { Budget, Policy } from '../../lambdas/domain/policy.ts';
import type { PotState } from '../../lambdas/domain/pots.ts';
import { GROUP, policy, price, provider, route } from '../support/gateway-fixture.ts';
import { THRESHOLDS } from '../support/ledger.ts';
import { type RealMoney, answered, billed, realMoney } from '../support/real-money.ts';

/** A dollar a token of output, and input for nothing: a call of n tokens is bounded by n dollars. */
const DOLLAR_A_TOKEN = price('p', 'm', '0.00', '1000000.00');

function budget(name: string, limitUsd: string, more: Partial<Budget> = {}): Budget {
  return { name, window: 'day', limitNanoUsd: parseUsd(limitUsd), thresholds: THRESHOLDS, ...more };
}

function stage(budgets: readonly Budget[], change: Partial<Policy> = {}): Policy {
  return policy({
    consumerGroups: [{ ...GROUP, models: ['economy', 'other'], budgets }],
    providers: [provider('p', 'http://127.0.0.1:1/v1')],
    routes: [route('economy', ['p/m'])],
    prices: [DOLLAR_A_TOKEN],
    ...change,
  });
}

function ask(dollars: number): object {
  return { model: 'economy', messages: [{ role: 'user', content: 'hi' }], max_tokens: dollars };
}

async function potsOf({ store }: RealMoney): Promise<readonly PotState[]> {
  const pots: PotState[] = [];
  for await (const page of store.allPots()) pots.push(...page);
  return pots;
}

async function settledUsd(world: RealMoney, name: string): Promise<bigint> {
  return (await potsOf(world)).find(({ key }) => key.includes(name))?.settledNanoUsd ?? 0n;
}

function codeOf(body: Readonly<Record<string, unknown>>): unknown {
  const { error } = body;
  return typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
}

test('burst: 100 calls at once never spend more than the limit', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 3));
  await world.fund('1000.00');
  const call = world.open();
  const answers = await Promise.all(Array.from({ length: 100 }, () => call(ask(3))));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
  expect(await settledUsd(world, 'budget/dev/day')).toBeLessThanOrEqual(parseUsd('10.00'));
  expect(world.sends).toHaveLength(3);
});

test('partial fit: a request that does not fit whole is refused, never shrunk', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 1));
  await world.fund('1000.00');
  const call = world.open();
  const refused = await call(ask(11));
  expect([refused.status, codeOf(refused.body)]).toEqual([402, 'request_too_expensive']);
  expect(world.sends).toHaveLength(0);
});

test('long prompts: the bound uses the dearest price that could apply', async () => {
  const [tier] = price('p', 'm', '1.00', '1.00').tiers;
  if (tier === undefined) throw new Error('a price has a tier');
  const dear = { ...tier, aboveInputTokens: 200_000, inputPicoUsd: tier.inputPicoUsd * 10n };
  const world = realMoney(stage([budget('day', '0.003')], { prices: [{ ...DOLLAR_A_TOKEN, tiers: [tier, dear] }] }), () =>
    billed(1, 1),
  );
  await world.fund('1000.00');
  // About 400 bytes of input: $0.0004 at the first tier, $0.004 at the second.
  const refused = await world.open()({ ...ask(1), messages: [{ role: 'user', content: 'x'.repeat(100) }] });
  expect([refused.status, codeOf(refused.body)]).toEqual([402, 'request_too_expensive']);
});

test('unpriceable: what has no price is refused', async () => {
  const world = realMoney(stage([], { prices: [] }), () => billed(1, 1));
  await world.fund('1000.00');
  const refused = await world.open()(ask(1));
  expect([refused.status, codeOf(refused.body)]).toEqual([400, 'price_unknown']);
  expect(world.sends).toHaveLength(0);
});

test('first use: concurrent first calls of an unknown user share that user’s one budget', async () => {
  const world = realMoney(stage([budget('each', '2.00', { per: 'user' })]), () => billed(1, 1));
  await world.fund('1000.00');
  const processes = [world.open(), world.open()];
  const answers = await Promise.all(
    processes.flatMap((call) => Array.from({ length: 10 }, () => call(ask(1), { 'x-tollgate-user': 'newcomer' }))),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
});

test('ledger down: 503, and nothing is sent', async () => {
  const world = realMoney(stage([]), () => billed(1, 1));
  await world.fund('1000.00');
  world.store.reserve = () => Promise.reject(new NotAppliedError('throttled'));
  const refused = await world.open()(ask(1));
  expect([refused.status, codeOf(refused.body)]).toEqual([503, new LedgerUnavailableError('').code]);
  expect(world.sends).toHaveLength(0);
});

test('too cautious: a budget full of calls in flight and nothing spent is 429 with Retry-After, not 402', async () => {
  let open: (reply: ProviderReply) => void = () => undefined;
  const world = realMoney(
    stage([budget('day', '25.00')]),
    () =>
      new Promise((resolve) => {
        open = resolve;
      }),
  );
  await world.fund('1000.00');
  const call = world.open();
  const running = call(ask(20));
  while (world.sends.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const refused = await call(ask(20));
  expect([refused.status, codeOf(refused.body), refused.headers.get('retry-after')]).toEqual([429, 'funds_reserved', '2']);
  open(billed(1, 1));
  expect((await running).status).toBe(200);
  await world.idle();
});

test('leaks: a hold whose process is gone ends at its expiry, and the money is there again', async () => {
  const world = realMoney(
    stage([budget('day', '10.00')], { costTracking: { ...stage([]).costTracking, unknownOutcome: 'release' } }),
    () => {
      return new Promise<ProviderReply>(() => undefined);
    },
  );
  await world.fund('1000.00');
  void world.open()(ask(8));
  while (world.sends.length === 0) await new Promise((resolve) => setImmediate(resolve));
  world.clock.advance(30 * 60_000);
  for (let pass = 0; pass < 4; pass += 1) {
    await world.keeper.pass(world.inForce.policy);
    world.clock.advance(6 * 60_000);
  }
  const report = await verifyLedger(world.store, true);
  expect([report.findings, report.heldNanoUsd, report.spentNanoUsd]).toEqual([[], 0n, 0n]);
});

test('drift: after mixed traffic of several processes the books agree to the nano-dollar', async () => {
  let n = 0;
  const replies = [
    () => billed(1, 2),
    () => answered('{"error":{"message":"no"}}', 400),
    () => answered('not json'),
    () => billed(1, 9),
  ];
  const world = realMoney(stage([budget('day', '200.00')]), () => {
    n += 1;
    return (replies[n % replies.length] ?? (() => billed(1, 1)))();
  });
  await world.fund('1000.00');
  const processes = [world.open(), world.open(), world.open()];
  for (let round = 0; round < 5; round += 1) await Promise.all(processes.map((call) => call(ask(4))));
  await world.idle();
  for (let pass = 0; pass < 3; pass += 1) {
    world.clock.advance(6 * 60_000);
    await world.keeper.pass(world.inForce.policy);
  }
  const report = await verifyLedger(world.store, true);
  expect(report.findings).toEqual([]);
  expect(report.spentNanoUsd).toBe(report.entriesNanoUsd);
  expect(report.spentNanoUsd).toBeGreaterThan(0n);
});

test('restart: a process that has just started knows all that was spent before', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 6));
  await world.fund('1000.00');
  expect((await world.open()(ask(6))).status).toBe(200);
  await world.idle();
  const refused = await world.open()(ask(6));
  expect([refused.status, codeOf(refused.body)]).toEqual([402, 'request_too_expensive']);
});

test('replicas: three processes have one limit, not three', async () => {
  const world = realMoney(stage([budget('day', '500.00')]), () => billed(1, 75));
  await world.fund('1000.00');
  const processes = [world.open(), world.open(), world.open()];
  const answers = await Promise.all(processes.flatMap((call) => Array.from({ length: 7 }, () => call(ask(75)))));
  const through = answers.filter(({ status }) => status === 200).length;
  expect(through).toBeGreaterThan(0);
  expect(through).toBeLessThanOrEqual(6);
  expect(world.sends).toHaveLength(through);
});

test('free alias: a fallback is priced and paid before it is tried', async () => {
  const world = realMoney(
    stage([budget('day', '10.00')], {
      providers: [provider('p', 'http://127.0.0.1:1/v1'), provider('q', 'http://127.0.0.1:2/v1')],
      routes: [route('economy', ['p/m', 'q/dear'], { aliases: ['auto'] })],
      prices: [price('p', 'm', '0.00', '0.00'), price('q', 'dear', '0.00', '1000000.00')],
    }),
    ({ provider: { name } }) => (name === 'p' ? answered('{}', 503) : billed(1, 5)),
  );
  await world.fund('1000.00');
  const call = world.open();
  expect((await call({ ...ask(5), model: 'auto' })).status).toBe(200);
  await world.idle();
  expect(await settledUsd(world, 'budget/dev/day')).toBe(parseUsd('5.00'));
  expect((await call({ ...ask(6), model: 'auto' })).status).toBe(402);
  expect(world.sends.map(({ provider: { name } }) => name)).toEqual(['p', 'q', 'p']);
});

test('missing usage: an answer without usage is priced from its bytes, never at zero, and marked', async () => {
  const world = realMoney(stage([]), () => answered('{"choices":[{"message":{"role":"assistant","content":"eight by"}}]}'));
  await world.fund('1000.00');
  expect((await world.open()(ask(100))).status).toBe(200);
  await world.idle();
  for await (const [entry] of world.store.allEntries()) {
    expect(entry).toMatchObject({ chargeNanoUsd: parseUsd('8.00'), detail: { estimated: true } });
  }
  expect(await settledUsdAfterFlush(world)).toBe(parseUsd('8.00'));
});

async function settledUsdAfterFlush(world: RealMoney): Promise<bigint> {
  await world.keeper.pass(world.inForce.policy);
  return settledUsd(world, 'wallet/team');
}

test('windows: a new day is a new pot, and a raised limit holds from the next request on', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 10));
  await world.fund('1000.00');
  const call = world.open();
  expect((await call(ask(10))).status).toBe(200);
  await world.idle();
  expect((await call(ask(10))).status).toBe(402);
  world.inForce.policy = stage([budget('day', '20.00')]);
  expect((await call(ask(10))).status).toBe(200);
  await world.idle();
  expect((await call(ask(10))).status).toBe(402);
  world.clock.advance(24 * 60 * 60_000);
  expect((await call(ask(10))).status).toBe(200);
  await world.idle();
});

test('windows: a budget that is added counts from then on and blocks nobody for what was spent before', async () => {
  const world = realMoney(stage([]), () => billed(1, 10));
  await world.fund('1000.00');
  const call = world.open();
  for (let n = 0; n < 3; n += 1) expect((await call(ask(10))).status).toBe(200);
  world.inForce.policy = stage([budget('week', '15.00', { window: 'week' })]);
  expect((await call(ask(10))).status).toBe(200);
  await world.idle();
});

test('locks and scans: a warm call writes once before it is sent, and never scans, queries or reads', async () => {
  const world = realMoney(stage([budget('day', '1000.00'), budget('month', '5000.00', { window: 'month' })]), () => {
    world.operations.push('SENT');
    return billed(1, 1);
  });
  await world.fund('5000.00');
  const call = world.open();
  for (let n = 0; n < 4; n += 1) {
    await call(ask(1));
    await world.idle();
  }
  world.operations.length = 0;
  await call(ask(1));
  expect(world.operations.slice(0, world.operations.indexOf('SENT'))).toEqual(['reserve']);
  expect(world.operations.some((name) => name.startsWith('all') || name === 'openLanes')).toBe(false);
});

test('rows: an entry says what it must in less than a kilobyte, and holds no prompt', async () => {
  const world = realMoney(stage([]), () => billed(1, 1));
  await world.fund('1000.00');
  await world.open()({ ...ask(1), messages: [{ role: 'user', content: 'my secret prompt' }] });
  await world.idle();
  let entries = 0;
  for await (const page of world.store.allEntries()) {
    for (const entry of page) {
      entries += 1;
      const text = JSON.stringify(entry, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
      expect(text.length).toBeLessThan(1_024);
      expect(text).not.toContain('secret');
    }
  }
  expect(entries).toBe(1);
});

test('alerts: once for each budget, window and percent, and armed again by a raise', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 1));
  await world.fund('1000.00');
  const call = world.open();
  const spend = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      await call(ask(1));
      await world.idle();
    }
  };
  await spend(10);
  for (let n = 0; n < 5; n += 1) expect((await call(ask(1))).status).toBe(402);
  const told = () => world.alerts.map(({ percent }) => percent);
  expect(told()).toEqual([50, 90, 100]);
  world.inForce.policy = stage([budget('day', '20.00')]);
  await spend(10);
  expect(told()).toEqual([50, 90, 100, 90, 100]);
  world.clock.advance(24 * 60 * 60_000);
  await spend(10);
  expect(told()).toEqual([50, 90, 100, 90, 100, 50]);
});

test('self-service: no path of the gateway moves money, makes keys or changes a limit', async () => {
  const world = realMoney(stage([budget('day', '10.00')]), () => billed(1, 1));
  await world.fund('1000.00');
  const call = world.open();
  const before = await potsOf(world);
  for (const path of ['/v1/wallet', '/v1/keys', '/key/generate', '/budget/new', '/user/update', '/admin', '/v1/wallet/fund']) {
    const { status } = await call({ max_budget: 1_000, usd: '1000.00', models: ['all'] }, {}, path);
    expect([path, [404, 405].includes(status)]).toEqual([path, true]);
  }
  expect(await potsOf(world)).toEqual(before);
});

test('retry storms: a used-up budget is a 402 that says not to come back', async () => {
  const world = realMoney(stage([budget('day', '1.00')]), () => billed(1, 1));
  await world.fund('1000.00');
  const call = world.open();
  await call(ask(1));
  await world.idle();
  const refused = await call(ask(1));
  expect([refused.status, codeOf(refused.body)]).toEqual([402, 'budget_exceeded']);
  expect([refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual(['false', null]);
});

/*
 * Held elsewhere: bypass (test/integration/gateway/one-door.test.ts), disconnect (test/integration/gateway/streaming.test.ts), cache
 * tokens (test/unit/domain, from fixtures), restart by kill -9 (test/e2e/crash.test.ts), replicas as processes
 * (test/e2e/processes.test.ts), retry storms with the SDKs (test/e2e/admission.test.ts, test/integration/sdks), running cost (docs/costs.md).
 */
