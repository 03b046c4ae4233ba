/** How amounts move in a pot, as pure functions over its state: the in-memory counterpart of the update expressions. */
import type { PotTerm } from '../../application/ports.ts';
import type { NanoUsd } from '../../domain/money.ts';
import type { PotKey, PotState } from '../../domain/pots.ts';

/** Changes of a pot's amounts; absent ones stay. */
export interface PotDelta {
  readonly available?: NanoUsd;
  readonly funded?: NanoUsd;
  readonly withdrawn?: NanoUsd;
  readonly committed?: NanoUsd;
  readonly settled?: NanoUsd;
}

/** A wallet's key begins with `wallet/`; every other pot is a limit. */
export function isWalletKey(key: PotKey): boolean {
  return key.startsWith('wallet/');
}

/** A pot that nothing has happened to. */
export function emptyPot(key: PotKey): PotState {
  return {
    key,
    kind: isWalletKey(key) ? 'wallet' : 'limit',
    availableNanoUsd: 0n,
    fundedNanoUsd: 0n,
    withdrawnNanoUsd: 0n,
    baseNanoUsd: 0n,
    committedNanoUsd: 0n,
    settledNanoUsd: 0n,
    alerts: {},
  };
}

/** Whether the pot lets `amount` go. A soft pot always does; a wallet that does not exist never. */
export function hasRoom(state: PotState | undefined, term: PotTerm, amount: NanoUsd): boolean {
  if (!term.enforced || amount === 0n) return true;
  if (term.kind === 'wallet') return state !== undefined && state.availableNanoUsd >= amount;
  const room = (term.hardLimitNanoUsd ?? 0n) - amount;
  return state === undefined ? room >= 0n : state.committedNanoUsd <= room;
}

/** What taking `amount` out of a pot into a lane does to it, with `flushed` spend settled beside. */
export function taken(key: PotKey, amount: NanoUsd, flushed: NanoUsd): PotDelta {
  return isWalletKey(key) ? { available: -amount, settled: flushed } : { committed: amount, settled: flushed };
}

/** What a refund of settled money does to a pot. */
export function refunded(key: PotKey, amount: NanoUsd): PotDelta {
  return isWalletKey(key) ? { available: amount, settled: -amount } : { committed: -amount, settled: -amount };
}

/** The pot after the change. */
export function applied(state: PotState, delta: PotDelta): PotState {
  return {
    ...state,
    availableNanoUsd: state.availableNanoUsd + (delta.available ?? 0n),
    fundedNanoUsd: state.fundedNanoUsd + (delta.funded ?? 0n),
    withdrawnNanoUsd: state.withdrawnNanoUsd + (delta.withdrawn ?? 0n),
    committedNanoUsd: state.committedNanoUsd + (delta.committed ?? 0n),
    settledNanoUsd: state.settledNanoUsd + (delta.settled ?? 0n),
  };
}
