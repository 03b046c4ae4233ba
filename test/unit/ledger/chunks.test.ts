/** How much a lane draws at a time. */
import { type ChunkTerms, chunkNanoUsd, withinShare } from '../../../lambdas/application/chunks.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const ESTIMATE = 10n;

function chunk(lastNanoUsd: bigint | undefined, sinceMs: number, more: Partial<ChunkTerms> = {}): bigint {
  const lane = lastNanoUsd === undefined ? {} : { lastGrantNanoUsd: lastNanoUsd, lastGrantEpochMs: NOW - sinceMs };
  const terms = {
    needNanoUsd: 1n,
    estimateNanoUsd: ESTIMATE,
    roomNanoUsd: undefined,
    lane,
    lanes: 1,
    askers: 1,
    contended: false,
  };
  return chunkNanoUsd({ ...terms, ...more }, NOW);
}

test('a first grant is what is needed', () => {
  expect([chunk(undefined, 0), chunk(undefined, 0, { lane: undefined, lanes: 512, askers: 512 })]).toEqual([1n, 1n]);
});

test('a small chain doubles within a minute, halves after five, and never draws more than 50 estimates', () => {
  expect([chunk(40n, 59_999), chunk(40n, 60_000), chunk(40n, 300_001)]).toEqual([80n, 40n, 20n]);
  expect([chunk(400n, 1_000), chunk(4_000n, 100_000)]).toEqual([500n, 500n]);
  expect(chunk(400n, 1_000, { contended: true, lanes: 7, askers: 700 })).toBe(500n);
});

test('a lane of a busy chain draws what it uses until all lanes have had their turn, at most eightfold', () => {
  const busy = { lanes: 512, askers: 512 };
  // 512 lanes at 8 grants a second: 64 s. It used 1,000 in 16 s.
  expect(chunk(1_000n, 15_999, busy)).toBe(4_000n);
  expect(chunk(1_000n, 1, busy)).toBe(8_000n);
  expect(chunk(1_000n, 15_999, { ...busy, askers: 1_024 })).toBe(8_000n);
  expect(chunk(1_000n, 100_000, busy)).toBe(1_000n);
  expect(chunk(1_000n, 300_001, busy)).toBe(500n);
});

test('whoever meets another transaction although the turns are kept draws twice as much', () => {
  expect(chunk(1_000n, 100_000, { lanes: 512, askers: 512, contended: true })).toBe(2_000n);
});

test('no chunk is more than a share of the room, and every chunk is at least what is needed', () => {
  expect(chunk(400n, 1_000, { roomNanoUsd: 800n })).toBe(200n);
  expect(chunk(1_000n, 1, { lanes: 512, askers: 512, roomNanoUsd: 51_200n })).toBe(100n);
  expect(chunk(1_000n, 1, { lanes: 512, askers: 512, roomNanoUsd: 51_200n, needNanoUsd: 150n })).toBe(150n);
  expect([withinShare(1_000n, 800n, 2), withinShare(1_000n, 800n, 8), withinShare(1_000n, undefined, 8)]).toEqual([
    100n,
    100n,
    1_000n,
  ]);
});
