import { entryPartition, holdExpiryEpochSeconds, makeHoldId } from '../../../lambdas/domain/entries.ts';

test('a hold id carries its expiry', () => {
  expect(makeHoldId(1_795_000_000, 'abcdefghi')).toBe('top2v4-abcdefghi');
  expect(holdExpiryEpochSeconds('top2v4-abcdefghi')).toBe(1_795_000_000);
  expect(holdExpiryEpochSeconds('z-ABCabc019xyz')).toBe(35);
  expect(holdExpiryEpochSeconds('000000010-abcdefghi')).toBe(36);
});

test.each([
  '',
  'abc',
  '-abcdefghi',
  'abc-12345678',
  'ABC-abcdefghi',
  '0123456789-abcdefghi',
  'a b-abcdefghi',
  'abc-abcdefgh_',
  'x!abc-abcdefghi',
  'abc-abcdefghi!',
])('%j is no hold id', (text) => {
  expect(() => holdExpiryEpochSeconds(text)).toThrow(new RangeError(`'${text}' is no hold id`));
});

test('an entry lies on the day of its expiry, in a shard that every writer computes alike', () => {
  const expiry = Date.parse('2026-11-23T23:59:59Z') / 1000;
  expect(entryPartition(makeHoldId(expiry, 'abcdefghi'))).toEqual({ date: '2026-11-23', shard: 11 });
  expect(entryPartition(makeHoldId(expiry + 1, 'abcdefghi')).date).toBe('2026-11-24');
  expect(entryPartition('z-aaaaaaaaa')).toEqual({ date: '1970-01-01', shard: expect.any(Number) });
});

test('entries of a day spread over sixteen shards', () => {
  const shards = new Map<number, number>();
  for (let i = 0; i < 1_600; i += 1) {
    const { shard } = entryPartition(makeHoldId(1_795_000_000, `zz${(i * 7_919).toString(36).padStart(10, '0')}`));
    shards.set(shard, (shards.get(shard) ?? 0) + 1);
  }
  expect([...shards.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, n) => n));
  expect(Math.min(...shards.values())).toBeGreaterThan(50);
});
