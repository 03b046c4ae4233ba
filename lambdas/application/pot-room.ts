/** What the pots of a chain can still give to a grant. */
import type { NanoUsd } from '../domain/money.ts';
import { type Pot, type PotKey, type PotState, roomNanoUsd } from '../domain/pots.ts';

/** The pot in the way, and what it still has. */
export interface TightPot {
  readonly pot: Pot;
  readonly roomNanoUsd: NanoUsd;
}

/** The enforced pot with the least room; undefined when no pot of the chain is enforced. */
export function tightestPot(pots: readonly Pot[], states: ReadonlyMap<PotKey, PotState>): TightPot | undefined {
  return pots.reduce<TightPot | undefined>((tightest, pot) => {
    const room = roomNanoUsd(pot, states.get(pot.key));
    if (room === undefined) return tightest;
    return tightest === undefined || room < tightest.roomNanoUsd ? { pot, roomNanoUsd: room } : tightest;
  }, undefined);
}

interface Asker {
  readonly estimateNanoUsd: NanoUsd;
}

/** What they ask for together. */
export function sumOf(waiters: readonly Asker[]): NanoUsd {
  return waiters.reduce((sum, waiter) => sum + waiter.estimateNanoUsd, 0n);
}

/** The longest run of waiters from the head that the lane's idle money and the pots' room can pay together. */
export function fitting<T extends Asker>(batch: readonly T[], idle: NanoUsd, room: NanoUsd | undefined): readonly T[] {
  if (room === undefined) return batch;
  let sum = 0n;
  const end = batch.findIndex((waiter) => {
    sum += waiter.estimateNanoUsd;
    const short = sum - idle;
    return short > 0n && short > room;
  });
  return end === -1 ? batch : batch.slice(0, end);
}
