import fc from 'fast-check';
import { InvalidAmountError, formatUsd, parseUsd, parseUsdPerMillion, picoToNanoCeil } from '../../../lambdas/domain/money.ts';

test('amounts are read exactly, to the nano-dollar', () => {
  expect(parseUsd('20.00')).toBe(20_000_000_000n);
  expect(parseUsd('0.000000001')).toBe(1n);
  expect(parseUsd('-1.5')).toBe(-1_500_000_000n);
  expect(parseUsd('9007199.254740993')).toBe(9_007_199_254_740_993n);
  expect(parseUsdPerMillion('0.25')).toBe(250_000n);
  expect(parseUsdPerMillion('0.000001')).toBe(1n);
});

test.each(['', '1e3', '.5', '5.', '1,000', '0x10', ' 1', '1.0000000001', 'NaN', '1234567890123'])(
  '%p is refused, not guessed',
  (text) => {
    expect(() => parseUsd(text)).toThrow(InvalidAmountError);
  },
);

test('what is written is read back as the same amount', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (amount) => {
      const text = formatUsd(amount);
      expect(text).toMatch(/^-?\d+\.\d{2,9}$/);
      expect(parseUsd(text)).toBe(amount);
    }),
  );
  expect(formatUsd(2_500n)).toBe('0.0000025');
  expect(formatUsd(20_000_000_000n)).toBe('20.00');
});

test('rounding never favours the spender', () => {
  expect(picoToNanoCeil(1n)).toBe(1n);
  expect(picoToNanoCeil(1_000n)).toBe(1n);
  expect(picoToNanoCeil(1_001n)).toBe(2n);
  expect(picoToNanoCeil(0n)).toBe(0n);
});
