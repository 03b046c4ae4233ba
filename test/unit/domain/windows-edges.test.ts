import { LIFE, WindowCalendar, windowAt, windowOfKey } from '../../../lambdas/domain/windows.ts';

const DAY = Date.parse('2026-11-23T00:00:00Z');

test('what never ends has one window, for a wallet and for a total budget alike', () => {
  expect(LIFE).toEqual({ kind: 'life', key: 'life', startsAtEpochMs: 0, endsAtEpochMs: Number.POSITIVE_INFINITY });
  expect(windowAt('total', DAY, 'UTC')).toBe(LIFE);
  expect(windowOfKey('life', 'UTC')).toBe(LIFE);
});

test('a calendar keeps the window of each kind from its first instant to its last', () => {
  const calendar = new WindowCalendar('UTC');
  const day = calendar.at('day', DAY + 1);
  expect(calendar.at('day', DAY)).toBe(day);
  expect(calendar.at('day', DAY + 86_400_000 - 1)).toBe(day);
  expect(calendar.at('month', DAY).key).toBe('m2026-11');
  expect(calendar.at('day', DAY)).toBe(day);
  expect(calendar.at('day', DAY + 86_400_000).key).toBe('d2026-11-24');
  expect(calendar.at('day', DAY - 1).key).toBe('d2026-11-22');
  expect(calendar.at('day', DAY)).not.toBe(day);
});

test.each([
  'xw2026-W48',
  'w2026-W48x',
  'w2026-W00',
  'w2026-48',
  'w',
  'h',
  'd',
  'm',
  'hnow',
  'h2026-11-23T24',
  'd2026-11-23x',
  'lif',
])('%j is no window’s key', (key) => {
  expect(windowOfKey(key, 'UTC')).toBeUndefined();
});

test('a zone that nobody knows is a defect of the policy, not of a key', () => {
  expect(() => windowAt('day', DAY, 'No/Where')).toThrow(RangeError);
});
