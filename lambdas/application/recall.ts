/** Takes idle escrow back from the lanes of a pot, so that money lying in one lane never refuses a call on another. */
import { type NanoUsd, minOf } from '../domain/money.ts';
import { type Chain, type LaneId, type LaneState, type Pot, heldNanoUsd } from '../domain/pots.ts';
import { type Persistence, backoffMs, isOver, isTransient, persist } from './persistence.ts';
import type { LedgerStore } from './ports.ts';

/** What the lanes of a pot hold. */
export interface LaneSums {
  readonly idleNanoUsd: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly unflushedNanoUsd: NanoUsd;
}

export interface RecallResult extends LaneSums {
  readonly freedNanoUsd: NanoUsd;
}

const ROUNDS = 6;

/** Open lanes whose chain holds the pot. The index may lag: a fresh lane can be missed, never stranded. */
export async function lanesOfPot(store: LedgerStore, pot: Pot, chain: Pick<Chain, 'walletId' | 'groupId' | 'providerId'>) {
  const ids = await lanesUnder(store, pot, chain);
  const lanes = await store.readLanes(ids);
  return lanes.filter((lane) => lane.chain.includes(pot.key));
}

function lanesUnder(store: LedgerStore, pot: Pot, chain: Pick<Chain, 'walletId' | 'groupId' | 'providerId'>) {
  if (pot.owner === 'wallet') return store.lanesOf('wallet', chain.walletId);
  if (pot.owner === 'provider') return store.lanesOf('provider', chain.providerId);
  return store.lanesOf('group', chain.groupId);
}

export function sumLanes(lanes: readonly LaneState[]): LaneSums {
  return lanes.reduce<LaneSums>(
    (sum, lane) => ({
      idleNanoUsd: sum.idleNanoUsd + lane.idleNanoUsd,
      heldNanoUsd: sum.heldNanoUsd + heldNanoUsd(lane),
      unflushedNanoUsd: sum.unflushedNanoUsd + lane.unflushedNanoUsd,
    }),
    { idleNanoUsd: 0n, heldNanoUsd: 0n, unflushedNanoUsd: 0n },
  );
}

/**
 * Returns idle money of the pot's lanes, the largest first, until `neededNanoUsd` is free or nothing is left to free.
 * @param own the lane that asks: what it has is counted already
 */
export async function recall(
  store: LedgerStore,
  persistence: Persistence,
  pot: Pot,
  chain: Chain,
  own: LaneId | undefined,
  neededNanoUsd: NanoUsd,
): Promise<RecallResult> {
  let freed = 0n;
  for (let round = 0; ; round += 1) {
    const lanes = await persist(() => lanesOfPot(store, pot, chain), persistence);
    const others = lanes
      .filter((lane) => lane.idleNanoUsd > 0n && !isSameLane(lane.id, own))
      .toSorted((a, b) => (a.idleNanoUsd > b.idleNanoUsd ? -1 : 1));
    let contended = false;
    for (const lane of others) {
      if (freed >= neededNanoUsd) break;
      const amount = minOf(lane.idleNanoUsd, neededNanoUsd - freed);
      const given = await tryGiveBack(store, persistence, lane, amount);
      if (given) freed += amount;
      else contended = true;
    }
    if (freed >= neededNanoUsd || !contended || round + 1 >= ROUNDS) {
      return { ...sumLanes(lanes), freedNanoUsd: freed };
    }
    await persistence.clock.sleep(backoffMs(round, persistence.random));
  }
}

/** A lane that changed, or a reply that was lost, is looked at again in the next round. */
async function tryGiveBack(store: LedgerStore, persistence: Persistence, lane: LaneState, amount: NanoUsd): Promise<boolean> {
  try {
    return await store.giveBack(lane, amount);
  } catch (error) {
    if (isTransient(error) && !isOver(persistence, error)) return false;
    throw error;
  }
}

function isSameLane(lane: LaneId, other: LaneId | undefined): boolean {
  return other !== undefined && lane.chainHash === other.chainHash && lane.n === other.n;
}
