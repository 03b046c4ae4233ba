/** Chance from a seed: the same numbers on every machine, and one stream for each part that draws from it. */
import type { Random } from '../../../lambdas/application/ports.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwx';

/** A stream of random numbers (mulberry32). */
export class Dice implements Random {
  private state: number;
  private readonly serial: { next: number };

  constructor(seed: number, serial: { next: number } = { next: 0 }) {
    this.state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    this.serial = serial;
  }

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    const state = this.state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Never the same twice in one simulation, as ids of 12 random characters are in life. */
  id(length: number): string {
    this.serial.next += 1;
    const tail = this.serial.next.toString(36);
    return tail.length >= length
      ? tail
      : `${'0'.repeat(length - tail.length - 1)}${LETTERS.charAt(this.whole(0, LETTERS.length - 1))}${tail}`;
  }

  /** An independent stream: what draws from it does not shift what others draw. */
  fork(): Dice {
    return new Dice(Math.floor(this.fraction() * 2 ** 32), this.serial);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** A whole number in [low, high]. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1));
  }

  /** @throws RangeError when there is nothing to pick from */
  pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.fraction() * from.length)];
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }
}
