import { createHash } from 'node:crypto';
import { sha256Fingerprint, systemClock, systemRandom } from '../../lambdas/adapters/system/system.ts';

test('ids have the length asked for, only letters and digits, and all 62 of them about as often', () => {
  expect(systemRandom.id(1)).toMatch(/^[0-9A-Za-z]$/);
  const text = systemRandom.id(62_000);
  expect(text).toMatch(/^[0-9A-Za-z]{62000}$/);
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  expect(counts.size).toBe(62);
  // 1,000 expected of each; seven standard deviations leave no room for a modulo bias (25 % on eight characters) or for chance.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(220);
});

test('fractions lie in [0, 1)', () => {
  const fractions = Array.from({ length: 1000 }, () => systemRandom.fraction());
  expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...fractions)).toBeLessThan(1);
  expect(new Set(fractions).size).toBeGreaterThan(990);
});

test('a fingerprint is the first 96 bits of SHA-256 in 16 URL-safe characters', () => {
  const bits = createHash('sha256').update('wallet/ä#life').digest().subarray(0, 12);
  expect(sha256Fingerprint('wallet/ä#life')).toBe(bits.toString('base64url'));
  expect(sha256Fingerprint('a')).toHaveLength(16);
});

test('the clock tells epoch milliseconds and sleeps', async () => {
  const before = systemClock.now();
  await systemClock.sleep(20);
  expect(systemClock.now() - before).toBeGreaterThanOrEqual(15);
  expect(before).toBeGreaterThan(Date.UTC(2024, 0));
});
