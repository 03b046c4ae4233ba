import fc from 'fast-check';
import { LIFE, WindowCalendar, type WindowKind, windowAt, windowOfKey } from '../../../lambdas/domain/windows.ts';

const at = (text: string): number => Date.parse(text);
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Africa/Cairo',
  'America/Havana',
  'Australia/Lord_Howe',
  'Pacific/Apia',
];
const KINDS: readonly WindowKind[] = ['hour', 'day', 'week', 'month', 'total'];

test('a day begins at midnight of the stage’s timezone', () => {
  expect(windowAt('day', at('2026-11-23T22:59:59.999Z'), 'Europe/Berlin').key).toBe('d2026-11-23');
  expect(windowAt('day', at('2026-11-23T23:00:00Z'), 'Europe/Berlin')).toMatchObject({
    key: 'd2026-11-24',
    startsAtEpochMs: at('2026-11-23T23:00:00Z'),
    endsAtEpochMs: at('2026-11-24T23:00:00Z'),
  });
});

test('a day that begins in a gap of daylight saving starts at its first existing instant, and a doubled hour is in one day', () => {
  // Cairo, 24 April 2026: midnight does not exist, the clock goes from 00:00 to 01:00.
  expect(windowAt('day', at('2026-04-24T10:00:00Z'), 'Africa/Cairo').startsAtEpochMs).toBe(at('2026-04-23T22:00:00Z'));
  // Berlin, 25 October 2026: 25 hours.
  const long = windowAt('day', at('2026-10-25T10:00:00Z'), 'Europe/Berlin');
  expect(long.endsAtEpochMs - long.startsAtEpochMs).toBe(25 * 3_600_000);
  // Havana, 1 November 2026: 01:00 falls back to 00:00, so midnight comes twice; the day starts at the first.
  expect(windowAt('day', at('2026-11-01T12:00:00Z'), 'America/Havana').startsAtEpochMs).toBe(at('2026-11-01T04:00:00Z'));
});

test('weeks are ISO weeks and belong to their ISO year', () => {
  expect(windowAt('week', at('2027-01-02T12:00:00Z'), 'UTC')).toMatchObject({
    key: 'w2026-W53',
    startsAtEpochMs: at('2026-12-28T00:00:00Z'),
    endsAtEpochMs: at('2027-01-04T00:00:00Z'),
  });
});

test('months and hours', () => {
  expect(windowAt('month', at('2026-12-31T23:30:00Z'), 'Europe/Berlin').key).toBe('m2027-01');
  expect(windowAt('hour', at('2026-11-23T14:59:59Z'), 'Asia/Kolkata').key).toBe('h2026-11-23T14');
  expect(windowAt('total', 0, 'UTC')).toBe(LIFE);
});

test('windows are half open, join without a gap, and their key leads back to them, in every zone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.constantFrom(...ZONES),
      fc.integer({ min: at('2020-01-01'), max: at('2035-01-01') }),
      (kind, zone, instant) => {
        const window = windowAt(kind, instant, zone);
        expect(window.startsAtEpochMs <= instant && instant < window.endsAtEpochMs).toBe(true);
        expect(windowOfKey(window.key, zone)).toEqual(window);
        if (window.endsAtEpochMs === Number.POSITIVE_INFINITY) return;
        expect(windowAt(kind, window.endsAtEpochMs, zone).startsAtEpochMs).toBe(window.endsAtEpochMs);
        expect(windowAt(kind, window.endsAtEpochMs, zone).key).not.toBe(window.key);
        expect(windowAt(kind, window.startsAtEpochMs - 1, zone).endsAtEpochMs).toBe(window.startsAtEpochMs);
      },
    ),
  );
});

test('the calendar gives what it computed until the window ends', () => {
  const calendar = new WindowCalendar('UTC');
  const day = calendar.at('day', at('2026-11-23T10:00:00Z'));
  expect(calendar.at('day', at('2026-11-23T23:59:59.999Z'))).toBe(day);
  expect(calendar.at('day', at('2026-11-24T00:00:00Z')).key).toBe('d2026-11-24');
});

test.each(['', 'x', 'd2026-13-01', 'w2026-W54', 'm2026', 'h2026-11-23'])('%p is no window’s key', (key) => {
  expect(windowOfKey(key, 'UTC')).toBeUndefined();
});
