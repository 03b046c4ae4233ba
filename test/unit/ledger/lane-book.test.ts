/** What a process knows of lanes, and which one it tries. */
import { BUSY_LANES, LaneBook } from '../../../lambdas/application/lane-book.ts';
import type { LaneState } from '../../../lambdas/domain/pots.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');

function lane(n: number, holds: number, idleNanoUsd: bigint, more: Partial<LaneState> = {}): LaneState {
  return {
    id: { chainHash: 'chain', n },
    idleNanoUsd,
    escrowNanoUsd: idleNanoUsd + BigInt(holds),
    unflushedNanoUsd: 0n,
    holds: new Map(Array.from({ length: holds }, (_, at) => [`h${at}`, { estimateNanoUsd: 1n, direct: [] }])),
    watched: [],
    chain: ['wallet/one#life', 'budget/g/day#d'],
    walletId: 'one',
    groupId: 'g',
    providerId: 'p',
    lastUseEpochMs: NOW,
    laneCount: 1,
    ...more,
  };
}

function choose(book: LaneBook, avoid: readonly number[] = [], nowEpochMs = NOW) {
  // Two draws: from the front and from the back of what is to be drawn from.
  let draws = 0;
  const fraction = () => ((draws += 1) % 2 === 1 ? 0 : 0.999);
  return book.pick({ hash: 'chain', estimateNanoUsd: 10n, avoid: new Set(avoid), nowEpochMs }, fraction);
}

test('a chain that nobody has seen has one lane', () => {
  const book = new LaneBook();
  expect([book.countOf('chain'), choose(book), choose(book, [0])]).toEqual([1, 0, undefined]);
});

test('a lane with room and money comes before a short one, that before an unseen one, and a full one last', () => {
  const book = new LaneBook();
  book.learnCount('chain', 4);
  book.note(lane(0, 16, 100n), NOW);
  book.note(lane(1, 3, 9n), NOW);
  book.note(lane(2, 5, 10n), NOW);
  expect([choose(book), choose(book, [2]), choose(book, [1, 2]), choose(book, [1, 2, 3])]).toEqual([2, 1, 3, 0]);
});

test('of two drawn the emptier one is taken', () => {
  const book = new LaneBook();
  book.learnCount('chain', 2);
  book.note(lane(0, 9, 100n), NOW);
  book.note(lane(1, 2, 100n), NOW);
  expect(choose(book)).toBe(1);
  book.note(lane(1, 12, 100n), NOW);
  expect(choose(book)).toBe(0);
});

test('what was seen a while ago, or in a busy chain, must leave four holds to others', () => {
  const book = new LaneBook();
  book.learnCount('chain', 2);
  book.note(lane(0, 13, 100n), NOW);
  expect([choose(book, [], NOW + 1_000), choose(book, [], NOW + 1_001)]).toEqual([0, 1]);
  book.learnCount('chain', BUSY_LANES);
  expect(choose(book)).not.toBe(0);
});

test('for want of money another lane is tried only where it may have some', () => {
  const book = new LaneBook();
  const funded = (avoid: readonly number[]) =>
    book.pickFunded({ hash: 'chain', estimateNanoUsd: 10n, avoid: new Set(avoid), nowEpochMs: NOW }, () => 0);
  book.learnCount('chain', 2);
  book.note(lane(0, 1, 0n), NOW);
  expect(funded([0])).toBeUndefined();
  book.note(lane(1, 1, 10n), NOW);
  expect(funded([0])).toBe(1);
  book.learnCount('chain', BUSY_LANES);
  expect(funded([0, 1])).toBe(2);
});

test('lane 0 tells how many there are, and the number never falls', () => {
  const book = new LaneBook();
  book.note(lane(0, 1, 0n, { laneCount: 4 }), NOW);
  book.note(lane(1, 1, 0n, { laneCount: 99 }), NOW);
  book.learnCount('chain', 2);
  expect(book.countOf('chain')).toBe(4);
});

test('those who ask a pot are the lanes of all chains under it that were used lately', () => {
  const book = new LaneBook();
  const other = (chainHash: string, chain: readonly string[]) => lane(0, 1, 0n, { id: { chainHash, n: 0 }, chain, laneCount: 8 });
  book.note(lane(0, 1, 0n, { laneCount: 8 }), NOW);
  book.note(other('sister', ['wallet/one#life', 'budget/h/day#d']), NOW);
  book.note(other('stranger', ['wallet/two#life']), NOW);
  expect([book.askersOf('chain', NOW), book.askersOf('stranger', NOW), book.askersOf('nobody', NOW)]).toEqual([16, 8, 1]);
  book.note(lane(0, 1, 0n), NOW + 60_001);
  expect(book.askersOf('chain', NOW + 60_001)).toBe(8);
});
