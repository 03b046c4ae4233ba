/**
 * Calendar windows, half open, in the stage's timezone. The window is in a pot's key, so a new one is a new pot and
 * nothing has to be reset. An hour is named by its UTC start; a day starts at its first existing instant.
 */
import { Temporal } from 'temporal-polyfill';

export type WindowKind = 'hour' | 'day' | 'week' | 'month' | 'total';

export interface Window {
  readonly kind: WindowKind | 'life';
  /** `h2026-11-23T14`, `d2026-11-23`, `w2026-W48`, `m2026-11`, or `life` for what never ends. The zone is not in it. */
  readonly key: string;
  readonly startsAtEpochMs: number;
  /** Exclusive; Infinity for what never ends. */
  readonly endsAtEpochMs: number;
}

/** A wallet's window, and a `total` budget's. */
export const LIFE: Window = { kind: 'life', key: 'life', startsAtEpochMs: 0, endsAtEpochMs: Number.POSITIVE_INFINITY };

const HOUR_MS = 3_600_000;

function isoWeekKey(day: Temporal.PlainDate): string {
  return `w${day.yearOfWeek}-W${String(day.weekOfYear).padStart(2, '0')}`;
}

/**
 * The window of a kind that an instant lies in.
 * @param atEpochMs the instant, epoch ms
 * @param timezone IANA name
 */
export function windowAt(kind: WindowKind, atEpochMs: number, timezone: string): Window {
  if (kind === 'total') return LIFE;
  if (kind === 'hour') {
    const startsAtEpochMs = Math.floor(atEpochMs / HOUR_MS) * HOUR_MS;
    const key = `h${new Date(startsAtEpochMs).toISOString().slice(0, 13)}`;
    return { kind, key, startsAtEpochMs, endsAtEpochMs: startsAtEpochMs + HOUR_MS };
  }
  const today = Temporal.Instant.fromEpochMilliseconds(atEpochMs).toZonedDateTimeISO(timezone).toPlainDate();
  const [first, next, key] = calendarSpan(kind, today);
  return { kind, key, startsAtEpochMs: dayStartMs(first, timezone), endsAtEpochMs: dayStartMs(next, timezone) };
}

function calendarSpan(
  kind: 'day' | 'week' | 'month',
  today: Temporal.PlainDate,
): readonly [Temporal.PlainDate, Temporal.PlainDate, string] {
  switch (kind) {
    case 'day':
      return [today, today.add({ days: 1 }), `d${today.toString()}`];
    case 'week': {
      const monday = today.subtract({ days: today.dayOfWeek - 1 });
      return [monday, monday.add({ days: 7 }), isoWeekKey(monday)];
    }
    case 'month': {
      const first = today.with({ day: 1 });
      return [first, first.add({ months: 1 }), `m${first.toString().slice(0, 7)}`];
    }
    default:
      return kind satisfies never;
  }
}

function dayStartMs(day: Temporal.PlainDate, timezone: string): number {
  return day.toZonedDateTime(timezone).epochMilliseconds;
}

/** Keeps the current window of each kind, so that the paid path computes a calendar only when one ends. */
export class WindowCalendar {
  private readonly current = new Map<WindowKind, Window>();
  private readonly timezone: string;

  constructor(timezone: string) {
    this.timezone = timezone;
  }

  at(kind: WindowKind, atEpochMs: number): Window {
    const known = this.current.get(kind);
    if (known && known.startsAtEpochMs <= atEpochMs && atEpochMs < known.endsAtEpochMs) return known;
    const window = windowAt(kind, atEpochMs, this.timezone);
    this.current.set(kind, window);
    return window;
  }
}

/** The window that a key names, in a timezone; undefined when the text is no window's key. */
export function windowOfKey(key: string, timezone: string): Window | undefined {
  if (key === LIFE.key) return LIFE;
  try {
    switch (key[0]) {
      case 'h':
        return matching('hour', key, Date.parse(`${key.slice(1)}:00:00Z`), timezone);
      case 'd':
        return matching('day', key, dayStartMs(Temporal.PlainDate.from(key.slice(1)), timezone), timezone);
      case 'w':
        return matching('week', key, dayStartMs(mondayOf(key), timezone), timezone);
      case 'm':
        return matching('month', key, dayStartMs(Temporal.PlainDate.from(`${key.slice(1)}-01`), timezone), timezone);
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function matching(kind: WindowKind, key: string, atEpochMs: number, timezone: string): Window | undefined {
  if (!Number.isFinite(atEpochMs)) return undefined;
  const window = windowAt(kind, atEpochMs, timezone);
  return window.key === key ? window : undefined;
}

function mondayOf(key: string): Temporal.PlainDate {
  const [, year = '', week = ''] = /^w(\d{4})-W(\d{2})$/.exec(key) ?? [];
  // 4 January always lies in the first ISO week.
  const first = Temporal.PlainDate.from(`${year}-01-04`);
  return first.subtract({ days: first.dayOfWeek - 1 }).add({ days: (Number(week) - 1) * 7 });
}
