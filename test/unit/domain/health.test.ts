import {
  HEALTHY,
  LATENCY_STALE_MS,
  coolUntilEpochMs,
  latencyOf,
  recovers,
  standingOf,
  targetName,
  withSample,
} from '../../../lambdas/domain/health.ts';
import { EXPLORED_SHARE, RoundRobin, type Speed, orderCandidates } from '../../../lambdas/domain/routing.ts';
import { route } from '../../support/gateway-fixture.ts';

const COOLDOWN = { afterFailures: 3, forMs: 30_000 };

test('a target cools until its time is over, is due while nobody tried it, and cools again while somebody does', () => {
  const cooling = { failures: 3, openedEpochMs: 1_000, coolUntilEpochMs: 31_000 };
  expect(standingOf(HEALTHY, 0)).toBe('healthy');
  expect(standingOf({ failures: 99 }, 0)).toBe('healthy');
  expect(standingOf(cooling, 30_999)).toBe('cooling');
  expect(standingOf(cooling, 31_000)).toBe('due');
  expect(standingOf({ ...cooling, probeUntilEpochMs: 61_000 }, 60_999)).toBe('cooling');
  expect(standingOf({ ...cooling, probeUntilEpochMs: 61_000 }, 61_000)).toBe('due');
});

test('only as many failures in a row as the policy says open a cooldown', () => {
  const failure = { nowEpochMs: 10_000, sentAtEpochMs: 9_000 };
  expect(coolUntilEpochMs({ failures: 2 }, COOLDOWN, failure)).toBeUndefined();
  expect(coolUntilEpochMs({ failures: 3 }, COOLDOWN, failure)).toBe(40_000);
  expect(coolUntilEpochMs({ failures: 1 }, { afterFailures: 1, forMs: 5 }, failure)).toBe(10_005);
});

test('a failed probe opens it again, whatever the count; a failure that was sent before it began does not prolong it', () => {
  const opened = { failures: 1, openedEpochMs: 10_000, coolUntilEpochMs: 40_000 };
  expect(coolUntilEpochMs(opened, COOLDOWN, { nowEpochMs: 42_000, sentAtEpochMs: 41_000 })).toBe(72_000);
  expect(coolUntilEpochMs({ ...opened, failures: 9 }, COOLDOWN, { nowEpochMs: 39_000, sentAtEpochMs: 10_000 })).toBeUndefined();
});

test('a Retry-After cools at the first failure, and the longer of two waits stands', () => {
  const failure = { nowEpochMs: 10_000, sentAtEpochMs: 9_000, askedMs: 50_000 };
  expect(coolUntilEpochMs({ failures: 1 }, COOLDOWN, failure)).toBe(60_000);
  expect(coolUntilEpochMs({ failures: 3 }, COOLDOWN, { ...failure, askedMs: 1_000 })).toBe(40_000);
  const cooling = { failures: 1, openedEpochMs: 9_500, coolUntilEpochMs: 70_000 };
  expect(coolUntilEpochMs(cooling, COOLDOWN, failure)).toBeUndefined();
});

test('a success that was sent before a cooldown began does not end it', () => {
  expect(recovers({ failures: 2 }, 0)).toBe(true);
  expect(recovers({ failures: 3, openedEpochMs: 10 }, 10)).toBe(false);
  expect(recovers({ failures: 3, openedEpochMs: 10 }, 11)).toBe(true);
});

test('a rolling latency follows its samples, faster the older it is, and is forgotten in the end', () => {
  expect(withSample(HEALTHY, 120.4, 1_000_000)).toBe(120);
  const known = { failures: 0, latencyMs: 900, latencyEpochMs: 1_000_000 };
  // Eight parts known, one part new; after a minute four, after four minutes none.
  expect(withSample(known, 0, 1_000_000)).toBe(800);
  expect(withSample(known, 0, 1_060_000)).toBe(720);
  expect(withSample(known, 7, 1_240_000)).toBe(7);
  expect(withSample(known, -5, 1_000_000)).toBe(800);
  expect(latencyOf(known, 1_000_000 + LATENCY_STALE_MS - 1)).toBe(900);
  expect(latencyOf(known, 1_000_000 + LATENCY_STALE_MS)).toBeUndefined();
  expect(latencyOf(HEALTHY, 0)).toBeUndefined();
});

test('health is kept by provider and model', () => {
  expect(targetName({ provider: 'openai', model: 'org/gpt' })).toBe('openai/org/gpt');
});

describe('lowest_latency', () => {
  const fastest = route('r', [], { strategy: 'lowest_latency' });
  const candidates = ['a', 'b', 'c'].map((provider) => ({ target: { provider, model: 'm', weight: 1 }, boundNanoUsd: 0n }));
  const order = (latencies: Readonly<Record<string, number>>, fractions: readonly number[]): string => {
    const drawn = [...fractions];
    const speed: Speed = { latencyMs: ({ provider }) => latencies[provider], fraction: () => drawn.shift() ?? 0.999 };
    return orderCandidates(fastest, candidates, new RoundRobin(() => 0), speed)
      .map((one) => one.target.provider)
      .join('');
  };

  test('the fastest is first, an unknown one before it, ties as written', () => {
    expect(order({ a: 3, b: 1, c: 2 }, [])).toBe('bca');
    expect(order({ a: 3, c: 2 }, [])).toBe('bca');
    expect(order({ a: 1, b: 1, c: 1 }, [])).toBe('abc');
    expect(order({}, [])).toBe('abc');
    expect(order({ a: 0, b: Number.POSITIVE_INFINITY, c: Number.POSITIVE_INFINITY }, [])).toBe('abc');
  });

  test('a share of requests explores another target, each as likely, and keeps the rest in order', () => {
    const latencies = { a: 1, b: 2, c: 3 };
    expect(order(latencies, [EXPLORED_SHARE, 0])).toBe('abc');
    expect(order(latencies, [0, 0])).toBe('bac');
    expect(order(latencies, [0, 0.499])).toBe('bac');
    expect(order(latencies, [0, 0.5])).toBe('cab');
    expect(order(latencies, [0, 0.999])).toBe('cab');
  });

  test('without figures or randomness it is the order as written', () => {
    expect(orderCandidates(fastest, candidates, new RoundRobin(() => 0))).toEqual(candidates);
  });
});
