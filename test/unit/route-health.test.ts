import { goesByHealth } from '../../lambdas/application/route-health.ts';
import { policy, route } from '../support/gateway-fixture.ts';
import { HealthWorld } from '../support/health-world.ts';

const COOLING = route('r', ['a/m', 'b/m', 'c/m'], { cooldown: { afterFailures: 3, forMs: 30_000 } });
const FASTEST = route('r', ['a/m', 'b/m', 'c/m'], { strategy: 'lowest_latency' });
const BOTH = route('r', ['a/m', 'b/m', 'c/m'], { strategy: 'lowest_latency', cooldown: { afterFailures: 1, forMs: 30_000 } });
const FAILED = { failed: true } as const;

test('only a cooldown and lowest_latency go by health', () => {
  expect(goesByHealth(COOLING)).toBe(true);
  expect(goesByHealth(FASTEST)).toBe(true);
  expect(goesByHealth(route('r', ['a/m'], { strategy: 'weighted_round_robin' }))).toBe(false);
});

test('a cold process takes all as healthy and waits for no read', async () => {
  const world = new HealthWorld();
  await world.truth.cool('a/m', world.nowEpochMs + 9_000, world.nowEpochMs);
  const cold = world.process();
  expect(await cold.order(COOLING)).toBe('abc');
  await cold.health.idle();
  expect(await cold.order(COOLING)).toBe('bca');
});

test('a process that is warmed up knows what the others learned', async () => {
  const world = new HealthWorld();
  await world.truth.cool('a/m', world.nowEpochMs + 9_000, world.nowEpochMs);
  const warm = world.process();
  await warm.health.warmUp(policy({ routes: [COOLING, route('plain', ['x/m'])] }));
  expect(world.calls).toEqual(['readHealth']);
  expect(await warm.order(COOLING)).toBe('bca');
});

test('a stage whose routes go by nothing reads nothing when it starts', async () => {
  const world = new HealthWorld();
  await world.process().health.warmUp(policy({ routes: [route('plain', ['x/m'])] }));
  expect(world.calls).toEqual([]);
});

test('so many failures in a row put a target behind the others: at once here, and within seconds in another process', async () => {
  const world = new HealthWorld();
  const [one, other] = [world.process(), world.process()];
  await other.order(COOLING);
  for (let i = 0; i < 2; i += 1) await one.note(COOLING, 'a', FAILED);
  expect(await one.order(COOLING)).toBe('abc');
  await one.note(COOLING, 'a', FAILED);
  expect(await one.order(COOLING)).toBe('bca');
  await other.health.idle();
  world.nowEpochMs += 3_000;
  await other.order(COOLING);
  await other.health.idle();
  expect(await other.order(COOLING)).toBe('bca');
});

test('failures of several processes add up, and a success between them starts the count anew', async () => {
  const world = new HealthWorld();
  const processes = [world.process(), world.process(), world.process()] as const;
  for (const process of processes) await process.note(COOLING, 'a', FAILED);
  expect(await processes[2].order(COOLING)).toBe('bca');
  await processes[0].note(COOLING, 'b', FAILED);
  await processes[0].note(COOLING, 'b', FAILED);
  await processes[0].note(COOLING, 'b', {});
  await processes[0].note(COOLING, 'b', FAILED);
  expect((await world.truth.readHealth(['b/m'])).get('b/m')).toEqual({ failures: 1 });
});

test('successes of a target that nobody holds anything against write nothing', async () => {
  const world = new HealthWorld();
  const process = world.process();
  for (let i = 0; i < 20; i += 1) await process.note(COOLING, 'a', {});
  expect(world.calls).toEqual([]);
});

test('after the cooldown one request probes; its success brings the target back for all', async () => {
  const world = new HealthWorld();
  const [one, other] = [world.process(), world.process()];
  for (let i = 0; i < 3; i += 1) await one.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 30_000;
  await Promise.all([one.order(COOLING), other.order(COOLING)]);
  await other.health.idle();
  const calls = world.calls.length;
  // The first order above took it; until it has answered nobody else may.
  expect(await one.order(COOLING)).toBe('bca');
  expect(await other.order(COOLING)).toBe('bca');
  expect(world.calls.slice(calls)).not.toContain('addFailure');
  world.nowEpochMs += 100;
  await one.note(COOLING, 'a', {});
  expect(await one.order(COOLING)).toBe('abc');
  world.nowEpochMs += 3_000;
  await other.order(COOLING);
  await other.health.idle();
  expect(await other.order(COOLING)).toBe('abc');
});

test('a probe that fails opens the cooldown again, and one that never came back is followed by another', async () => {
  const world = new HealthWorld();
  const process = world.process();
  for (let i = 0; i < 3; i += 1) await process.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 30_000;
  expect(await process.order(COOLING)).toBe('abc');
  world.nowEpochMs += 10;
  await process.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 29_999;
  expect(await process.order(COOLING)).toBe('bca');
  world.nowEpochMs += 1;
  expect(await process.order(COOLING)).toBe('abc');
  world.nowEpochMs += 29_999;
  expect(await process.order(COOLING)).toBe('bca');
  world.nowEpochMs += 1;
  expect(await process.order(COOLING)).toBe('abc');
});

test('a probe that was never sent is given back, and one that was sent is not', async () => {
  const world = new HealthWorld();
  const [one, other] = [world.process(), world.process()];
  for (let i = 0; i < 3; i += 1) await one.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 30_000;
  expect([await one.order(COOLING), await one.order(COOLING)]).toEqual(['abc', 'bca']);
  const { probe } = one;
  if (probe === undefined) throw new Error('nobody probes');
  // Somebody else's probe of the same moment is not this process's to give back.
  other.health.endProbe(probe);
  await other.health.idle();
  expect(await one.order(COOLING)).toBe('bca');
  one.health.endProbe(probe);
  await one.health.idle();
  expect(await one.order(COOLING)).toBe('abc');
  await one.note(COOLING, 'a', FAILED);
  const calls = world.calls.length;
  one.health.endProbe(probe);
  expect(world.calls).toHaveLength(calls);
});

test('a process that learns at the probe that the target has recovered uses it', async () => {
  const world = new HealthWorld();
  const [one, other] = [world.process(), world.process()];
  for (let i = 0; i < 3; i += 1) await one.note(COOLING, 'a', FAILED);
  await other.order(COOLING);
  await other.health.idle();
  world.nowEpochMs += 30_000;
  await one.order(COOLING);
  world.nowEpochMs += 1_000;
  await one.note(COOLING, 'a', {});
  expect(await other.order(COOLING)).toBe('abc');
});

test('when all cool down the one that is due first is tried first', async () => {
  const world = new HealthWorld();
  const process = world.process();
  await process.note(COOLING, 'a', { failed: true, retryAfterSeconds: 30 });
  await process.note(COOLING, 'b', { failed: true, retryAfterSeconds: 10 });
  await process.note(COOLING, 'c', { failed: true, retryAfterSeconds: 20 });
  expect(await process.order(COOLING)).toBe('bca');
});

test("a provider's Retry-After cools its target for so long, and for five minutes at most", async () => {
  const world = new HealthWorld();
  const process = world.process();
  await process.note(COOLING, 'a', { failed: true, retryAfterSeconds: 7 });
  expect(await process.order(COOLING)).toBe('bca');
  world.nowEpochMs += 7_000;
  expect(await process.order(COOLING)).toBe('abc');
  await process.note(COOLING, 'b', { failed: true, retryAfterSeconds: 999_999 });
  expect((await world.truth.readHealth(['b/m'])).get('b/m')?.coolUntilEpochMs).toBe(world.nowEpochMs + 300_000);
});

test('a success that was sent before the cooldown began leaves it as it is', async () => {
  const world = new HealthWorld();
  const process = world.process();
  for (let i = 0; i < 3; i += 1) await process.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 5;
  await process.note(COOLING, 'a', { sentAgoMs: 1_000 });
  expect(await process.order(COOLING)).toBe('bca');
});

test('a store that is away is told, and this process goes by what it knows', async () => {
  const world = new HealthWorld();
  world.isAway = true;
  const process = world.process();
  for (let i = 0; i < 3; i += 1) await process.note(COOLING, 'a', FAILED);
  expect(await process.order(COOLING)).toBe('bca');
  world.nowEpochMs += 30_000;
  // Who probes cannot be settled, so nobody does.
  expect(await process.order(COOLING)).toBe('bca');
  await process.health.idle();
  expect(world.log.lines.every(({ level, fields }) => level === 'warn' && fields.error === 'UnknownOutcomeError')).toBe(true);
  expect(world.log.lines.length).toBeGreaterThan(2);
});

test.each(['readHealth', 'addFailure'])(
  'a late answer to %s takes nothing back that this process has learned since',
  async (operation) => {
    const world = new HealthWorld();
    const process = world.process();
    let release = (): void => {};
    world.late = { operation, until: new Promise((resolve) => (release = resolve)) };
    if (operation === 'readHealth') await process.order(COOLING);
    else process.tell(COOLING, 'a', FAILED);
    world.late = undefined;
    process.tell(COOLING, 'a', FAILED);
    process.tell(COOLING, 'a', FAILED);
    if (operation === 'readHealth') process.tell(COOLING, 'a', FAILED);
    // Everything else is answered by then.
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await process.health.idle();
    expect(await process.order(COOLING)).toBe('bca');
  },
);

test('one process reads once in three seconds, however many calls come', async () => {
  const world = new HealthWorld();
  const process = world.process();
  for (let i = 0; i < 60; i += 1) {
    await process.order(COOLING);
    world.nowEpochMs += 100;
  }
  expect(world.calls).toEqual(['readHealth', 'readHealth']);
});

describe('latency', () => {
  test('unknown targets are tried one after the other, then the fastest is first', async () => {
    const world = new HealthWorld();
    const process = world.process();
    expect(await process.order(FASTEST)).toBe('abc');
    // While a is being explored the next request explores b.
    expect(await process.order(FASTEST)).toBe('bca');
    expect(await process.order(FASTEST)).toBe('cab');
    await process.note(FASTEST, 'a', { latencyMs: 300 });
    await process.note(FASTEST, 'b', { latencyMs: 100 });
    await process.note(FASTEST, 'c', { latencyMs: 200 });
    expect(await process.order(FASTEST)).toBe('bca');
  });

  test('a target that nobody heard of for long gets another chance', async () => {
    const world = new HealthWorld();
    const process = world.process();
    await process.note(FASTEST, 'a', { latencyMs: 9_000 });
    await process.note(FASTEST, 'c', { latencyMs: 200 });
    for (let minute = 0; minute < 5; minute += 1) {
      await process.note(FASTEST, 'b', { latencyMs: 100 });
      await process.note(FASTEST, 'c', { latencyMs: 200 });
      expect(await process.order(FASTEST)).toBe('bca');
      world.nowEpochMs += 60_000;
    }
    await process.health.idle();
    expect(await process.order(FASTEST)).toBe('abc');
  });

  test('a drawn share of requests explores', async () => {
    const world = new HealthWorld();
    const process = world.process();
    for (const [provider, latencyMs] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const)
      await process.note(FASTEST, provider, { latencyMs });
    world.fractions.push(0.04, 0.9);
    expect(await process.order(FASTEST)).toBe('cab');
    expect(await process.order(FASTEST)).toBe('abc');
  });

  test('a process writes a figure at most every ten seconds, and others read it', async () => {
    const world = new HealthWorld();
    const [one, other] = [world.process(), world.process()];
    for (let second = 0; second < 30; second += 1) {
      await one.note(FASTEST, 'a', { latencyMs: 500 });
      world.nowEpochMs += 1_000;
    }
    expect(world.calls.filter((call) => call === 'keepLatency')).toHaveLength(3);
    for (const provider of ['b', 'c']) await one.note(FASTEST, provider, { latencyMs: 900 });
    await other.order(FASTEST);
    await other.health.idle();
    expect(await other.order(FASTEST)).toBe('abc');
  });

  test('two processes that write at once keep one figure, and both go on', async () => {
    const world = new HealthWorld();
    const [one, other] = [world.process(), world.process()];
    await Promise.all([one.note(FASTEST, 'a', { latencyMs: 100 }), other.note(FASTEST, 'a', { latencyMs: 700 })]);
    const first = (await world.truth.readHealth(['a/m'])).get('a/m');
    expect([100, 700]).toContain(first?.latencyMs);
    for (let round = 0; round < 3; round += 1) {
      world.nowEpochMs += 10_000;
      await Promise.all([one.note(FASTEST, 'a', { latencyMs: 100 }), other.note(FASTEST, 'a', { latencyMs: 700 })]);
    }
    const last = (await world.truth.readHealth(['a/m'])).get('a/m');
    expect(last?.latencyEpochMs).toBe(world.nowEpochMs);
    expect(last?.latencyMs).toBeGreaterThanOrEqual(100);
    expect(last?.latencyMs).toBeLessThanOrEqual(700);
  });

  test('after a cooldown a target is tried as if it were new, by one request', async () => {
    const world = new HealthWorld();
    const process = world.process();
    for (const [provider, latencyMs] of [
      ['a', 1],
      ['b', 2],
      ['c', 900],
    ] as const)
      await process.note(BOTH, provider, { latencyMs });
    await process.note(BOTH, 'c', FAILED);
    expect(await process.order(BOTH)).toBe('abc');
    world.nowEpochMs += 30_000;
    expect(await process.order(BOTH)).toBe('cab');
    expect(await process.order(BOTH)).toBe('abc');
  });
});

test('a probe that was taken after its request had gone elsewhere is given back: a slow store keeps no target away', async () => {
  const world = new HealthWorld();
  const one = world.process();
  for (let i = 0; i < 3; i += 1) await one.note(COOLING, 'a', FAILED);
  world.nowEpochMs += 30_000;
  let answer = (): void => {};
  world.late = { operation: 'takeProbe', until: new Promise((resolve) => (answer = resolve)) };
  const ordered = one.order(COOLING);
  world.wake();
  expect(await ordered).toBe('bca');
  world.late = undefined;
  answer();
  await one.health.idle();
  expect((await world.truth.readHealth(['a/m'])).get('a/m')?.probeUntilEpochMs).toBeUndefined();
  expect(await one.order(COOLING)).toBe('abc');
});
