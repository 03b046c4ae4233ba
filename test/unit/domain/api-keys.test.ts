import { crc32, makeApiKey, parseApiKey } from '../../../lambdas/domain/api-keys.ts';

const RANDOM = 'abcdefghijklmnopqrstuvwxyzABCDEF';

test('a key is its prefix, stage, random characters and a checksum in base 62', () => {
  const key = makeApiKey('dev', () => RANDOM);
  expect(key.slice(0, -6)).toBe(`tg_dev_${RANDOM}`);
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const value = Array.from(key.slice(-6)).reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0);
  expect(value).toBe(crc32(`tg_dev_${RANDOM}`));
  expect(parseApiKey(key)).toEqual({ kind: 'valid', stage: 'dev' });
});

test('the source is asked for 32 characters, and what does not fit is told', () => {
  const lengths: number[] = [];
  makeApiKey('dev', (length) => {
    lengths.push(length);
    return RANDOM;
  });
  expect(lengths).toEqual([32]);
  const problem = new RangeError('the stage or the random characters do not fit the format of a key');
  for (const stage of ['d', 'Dev', 'a'.repeat(17), '']) expect(() => makeApiKey(stage, () => RANDOM)).toThrow(problem);
  for (const random of ['', RANDOM.slice(1), `${RANDOM}x`, RANDOM.replace('a', '_')])
    expect(() => makeApiKey('dev', () => random)).toThrow(problem);
});

test('what surrounds a key is not ignored', () => {
  const key = makeApiKey('a-long-stage-16c', () => RANDOM);
  expect(parseApiKey(key)).toEqual({ kind: 'valid', stage: 'a-long-stage-16c' });
  expect(parseApiKey(`x${key}`)).toEqual({ kind: 'foreign' });
  expect(parseApiKey(` ${key}`)).toEqual({ kind: 'foreign' });
  for (const text of [`${key}x`, `tg_${key}`, key.slice(0, -1), 'tg_', 'tg_dev_', key.replace('tg_a', 'tg_b')])
    expect(parseApiKey(text)).toEqual({ kind: 'malformed' });
});

test('the checksum is the CRC-32 of IEEE', () => {
  // The check value of the algorithm's catalogue entry.
  expect(crc32('123456789')).toBe(0xcbf43926);
  expect(crc32('')).toBe(0);
});
