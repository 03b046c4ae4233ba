/** How hard an operation is tried. The store sends each call once; what comes back decides what is safe to do again. */
import { type Clock, NotAppliedError, type Random, UnknownOutcomeError } from './ports.ts';

export interface Persistence {
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing is tried again after this instant. @default never */
  readonly untilEpochMs?: number;
  /** How often an operation is tried. @default 8 */
  readonly tries?: number;
}

const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 1_000;
const TRIES = 8;

/** Full jitter: a random share of 25 ms · 2^attempt, at most 1 s. */
export function backoffMs(attempt: number, random: Random): number {
  return Math.ceil(random.fraction() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt));
}

/**
 * Repeats an operation that is safe to repeat, whatever became of the last try.
 * @throws the last error after 8 tries or when the time is over, and any other error at once
 */
export async function persist<T>(operation: () => Promise<T>, persistence: Persistence): Promise<T> {
  const { clock, random, untilEpochMs = Number.POSITIVE_INFINITY, tries = TRIES } = persistence;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await operation();
    } catch (error) {
      if (!isTransient(error) || attempt + 1 >= tries || clock.now() >= untilEpochMs) throw error;
      await clock.sleep(backoffMs(attempt, random));
    }
  }
}

/** Whether the store may answer another time. */
export function isTransient(error: unknown): boolean {
  return error instanceof NotAppliedError || error instanceof UnknownOutcomeError;
}
