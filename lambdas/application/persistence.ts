/** How hard an operation is tried. The store sends each call once; what comes back decides what is safe to do again. */
import { type Clock, NotAppliedError, type Random, UnknownOutcomeError } from './ports.ts';

/** When an operation is not tried again any more. @default never */
export interface Patience {
  readonly untilEpochMs: number;
  /** The same for a store from which no answer comes: it is away, and no burst that passes. @default `untilEpochMs` */
  readonly silentUntilEpochMs: number;
}

export interface Persistence extends Partial<Patience> {
  readonly clock: Clock;
  readonly random: Random;
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
export async function persist<T>(
  operation: () => Promise<T>,
  persistence: Persistence,
  tries = persistence.tries ?? TRIES,
): Promise<T> {
  const { clock, random } = persistence;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await operation();
    } catch (error) {
      if (!isTransient(error) || attempt + 1 >= tries || isOver(persistence, error)) throw error;
      await clock.sleep(backoffMs(attempt, random));
    }
  }
}

/** Whether patience is at its end, by what the last try met. */
export function isOver({ clock, ...patience }: Pick<Persistence, 'clock' | keyof Patience>, error?: unknown): boolean {
  const { untilEpochMs = Number.POSITIVE_INFINITY, silentUntilEpochMs = untilEpochMs } = patience;
  return clock.now() >= (isSilent(error) ? silentUntilEpochMs : untilEpochMs);
}

function isSilent(error: unknown): boolean {
  return error instanceof UnknownOutcomeError || (error instanceof NotAppliedError && error.unreachable);
}

/** Whether the store may answer another time. */
export function isTransient(error: unknown): boolean {
  return error instanceof NotAppliedError || error instanceof UnknownOutcomeError;
}
