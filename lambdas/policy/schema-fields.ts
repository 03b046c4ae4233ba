/** The kinds of value that a policy file holds: names, amounts, durations, thresholds, windows. */
import * as z from 'zod';

/** Names that stand in the ledger's index keys: three characters or more, nothing that a pot's key uses itself. */
const LONG_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$/;
const SHORT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ROUTE_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const ALIAS = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;
const TARGET_MODEL = /^[\x21-\x7e]{1,200}$/;
const AMOUNT = /^\d{1,9}(\.\d{1,9})?$/;
const PRICE = /^\d{1,9}(\.\d{1,6})?$/;
const DURATION = /^(\d{1,7})(ms|s|m|h)$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const EMAIL = /^[^\s@<>,;]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}$/;

/** A wallet's, a consumer group's or a provider's name. */
export function longName(what: string) {
  return z
    .string()
    .regex(LONG_NAME, `a ${what} has 3 to 64 characters: letters, digits, '.', '_' and '-', and starts with a letter or digit`);
}

export const budgetName = z
  .string()
  .regex(
    SHORT_NAME,
    "a budget's name has 1 to 64 characters: letters, digits, '.', '_' and '-', and starts with a letter or digit",
  );

export const routeName = z
  .string()
  .regex(
    ROUTE_NAME,
    "a route's name has 1 to 64 characters: letters, digits, '.', '_', ':' and '-', and starts with a letter or digit",
  );

export const aliasName = z
  .string()
  .regex(ALIAS, 'an alias has 1 to 128 characters: letters, digits and any of . _ : / @ + -, and starts with a letter or digit');

export const targetModel = z.string().regex(TARGET_MODEL, "a target's model has 1 to 200 visible ASCII characters");

export const secretName = z
  .string()
  .regex(
    SHORT_NAME,
    "a secret's name has 1 to 64 characters: letters, digits, '.', '_' and '-'; the stage's prefix is put before it",
  );

/** US dollars as a decimal text; never a float. */
export const amountUsd = z
  .string()
  .regex(AMOUNT, 'an amount is a plain decimal of at most 9 places, such as "12.50": no sign, no currency, no exponent');

/** US dollars per million tokens as a decimal text. */
export const priceUsdPerMillion = z
  .string()
  .regex(PRICE, 'a price is US dollars per million tokens, a plain decimal of at most 6 places, such as "0.25"');

export const duration = z.string().regex(DURATION, 'a duration is a whole number and ms, s, m or h, such as 30s or 10m');

export const day = z.string().regex(DATE, 'a day is written 2026-10-01');

export const email = z.string().regex(EMAIL, 'an email address, such as team@example.com');

/** Who answers: an address or a team's name. */
export const ownerName = z
  .string()
  .regex(/^[^\s\p{Cc}][^\p{Cc}]{2,127}$/u, 'an owner is an address or a name of 3 to 128 characters');

export const webAddress = z.string().regex(/^https:\/\/[^\s\p{Cc}]{1,500}$/u, 'an address that starts with https://');

export const windowKind = z.enum(['hour', 'day', 'week', 'month', 'total']);

const SECOND_MS = 1000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS };

/** Milliseconds of a duration such as `30s`. The schema has checked its form. */
export function durationMs(text: string): number {
  const match = DURATION.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  if (match === null || unitMs === undefined) throw new RangeError(`'${text}' is not a duration`);
  return Number(match[1]) * unitMs;
}

/** Midnight UTC of a day such as `2026-10-01`; undefined when there is no such day. */
export function dayEpochMs(text: string): number | undefined {
  const epochMs = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(epochMs) || !new Date(epochMs).toISOString().startsWith(text) ? undefined : epochMs;
}
