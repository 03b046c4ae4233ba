/** Options of the command line. */
import { expiry, theStage, wholeNumber } from '../../../bin/commands/options.ts';

const NOW = Date.UTC(2026, 10, 23, 12);

test.each([
  ['30d', NOW + 30 * 86_400_000],
  ['12h', NOW + 12 * 3_600_000],
  ['45m', NOW + 45 * 60_000],
  ['2027-01-31', Date.UTC(2027, 0, 31)],
  ['2027-01-31T10:00:00Z', Date.UTC(2027, 0, 31, 10)],
])('an expiry of %s is an instant', (text, at) => {
  expect(expiry(text, NOW)).toBe(at);
});

test.each(['', '30', 'd', '0d', '-1d', '30 d', 'tomorrow', '2026-11-23', '2026-13-01', '31.01.2027'])(
  "an expiry of '%s' is refused",
  (text) => {
    expect(() => expiry(text, NOW)).toThrow(expect.objectContaining({ exitCode: 2 }));
  },
);

test.each(['0', '65535'])('a whole number may be %s', (text) => {
  expect(wholeNumber('--dev-port', 0, 65_535)(text)).toBe(Number(text));
});

test.each(['-1', '65536', '1.5', '', '0x10', '1e3', '４'])("a whole number may not be '%s'", (text) => {
  expect(() => wholeNumber('--dev-port', 0, 65_535)(text)).toThrow('--dev-port');
});

test('a command that needs a stage says so', () => {
  expect(() => theStage({})).toThrow(expect.objectContaining({ exitCode: 2, advice: expect.stringContaining('--stage dev') }));
});
