import {
  InvalidAmountError,
  formatUsd,
  maxOf,
  minOf,
  parseUsd,
  parseUsdPerMillion,
  picoToNanoCeil,
} from '../../../lambdas/domain/money.ts';

function problem(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof InvalidAmountError) return `${error.name} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

test('whole amounts, fractions and trailing zeroes are read exactly', () => {
  expect(parseUsd('20')).toBe(20_000_000_000n);
  expect(parseUsd('0')).toBe(0n);
  expect(parseUsd('-1.5')).toBe(-1_500_000_000n);
  expect(parseUsd('0.000000001000')).toBe(1n);
  expect(parseUsd('1.100000000000')).toBe(1_100_000_000n);
  expect(parseUsdPerMillion('0.25')).toBe(250_000n);
  expect(parseUsdPerMillion('2')).toBe(2_000_000n);
  expect(parseUsdPerMillion('0.000001')).toBe(1n);
});

test('what is no amount is told with the reason', () => {
  expect(problem(() => parseUsd('ten'))).toBe(
    `InvalidAmountError invalid_amount: 'ten' is not an amount: write a plain decimal in quotes, such as "12.50"`,
  );
  expect(problem(() => parseUsd('0.0000000001'))).toBe(
    "InvalidAmountError invalid_amount: '0.0000000001' is not an amount: finer than one nano-dollar",
  );
  expect(problem(() => parseUsdPerMillion('0.0000001'))).toBe(
    "InvalidAmountError invalid_amount: '0.0000001' is not an amount: finer than one pico-dollar a token",
  );
  expect(problem(() => parseUsd('x'.repeat(50)))).toContain(`'${'x'.repeat(40)}' is not`);
});

test('amounts are written with at least two places, and nothing has no sign', () => {
  expect([0n, 1n, -1n, 20_000_000_000n, -1_500_000_000n, 1_234_500_000n].map(formatUsd)).toEqual([
    '0.00',
    '0.000000001',
    '-0.000000001',
    '20.00',
    '-1.50',
    '1.2345',
  ]);
});

test('a price never rounds below what it is, and nothing costs nothing', () => {
  expect([-1_500n, -1n, 0n, 1n, 999n, 1_000n, 1_001n].map(picoToNanoCeil)).toEqual([0n, 0n, 0n, 1n, 1n, 1n, 2n]);
});

test('the least and the most of amounts', () => {
  expect([minOf(3n), minOf(3n, 1n, 2n), minOf(1n, 3n, 2n), minOf(-1n, 0n)]).toEqual([3n, 1n, 1n, -1n]);
  expect([maxOf(3n), maxOf(1n, 3n, 2n), maxOf(3n, 1n, 2n), maxOf(-1n, 0n)]).toEqual([3n, 3n, 3n, 0n]);
});
