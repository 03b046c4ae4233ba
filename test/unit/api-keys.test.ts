import { randomBytes } from 'node:crypto';
import { crc32 as nodeCrc32 } from 'node:zlib';
import { crc32, makeApiKey, parseApiKey } from '../../lambdas/domain/api-keys.ts';

const random = (length: number): string => randomBytes(length).toString('hex').slice(0, length);

test('a key says its stage and carries the CRC-32 of the rest', () => {
  const key = makeApiKey('pre-prod', random);
  expect(key).toMatch(/^tg_pre-prod_[0-9a-f]{32}[0-9A-Za-z]{6}$/);
  expect(parseApiKey(key)).toEqual({ kind: 'valid', stage: 'pre-prod' });
  expect(crc32('tollgate')).toBe(nodeCrc32('tollgate'));
});

test('every single changed character is noticed', () => {
  const key = makeApiKey('dev', random);
  for (let at = 'tg_dev_'.length; at < key.length; at += 1) {
    const changed = key[at] === 'x' ? 'y' : 'x';
    expect(parseApiKey(key.slice(0, at) + changed + key.slice(at + 1)).kind).toBe('malformed');
  }
});

test('what is no key of ours is told from a damaged one', () => {
  expect(parseApiKey('sk-abc').kind).toBe('foreign');
  expect(parseApiKey('tg_').kind).toBe('malformed');
  expect(() => makeApiKey('Not A Stage', random)).toThrow(RangeError);
});
