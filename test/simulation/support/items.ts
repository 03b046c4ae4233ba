/** The items inside the in-memory store, as they are this moment. Only the checker looks; nothing here writes. */
import type { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import type { TopUpRecord } from '../../../lambdas/application/ports.ts';
import type { Entry } from '../../../lambdas/domain/entries.ts';
import type { LaneState, PotKey, PotState } from '../../../lambdas/domain/pots.ts';

export interface Items {
  readonly pots: ReadonlyMap<PotKey, PotState>;
  /** By `<chain>#<n>`. */
  readonly lanes: ReadonlyMap<string, LaneState>;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly topUps: ReadonlyMap<string, TopUpRecord>;
}

/** @throws TypeError when the store keeps its items under other names than this checker knows */
export function itemsOf(store: MemoryLedgerStore): Items {
  return {
    pots: kept(store, 'pots'),
    lanes: kept(store, 'lanes'),
    entries: kept(store, 'entries'),
    topUps: kept(store, 'topUps'),
  };
}

function kept<V>(store: MemoryLedgerStore, name: string): ReadonlyMap<string, V> {
  const found: unknown = Reflect.get(store, name);
  if (!(found instanceof Map)) throw new TypeError(`the in-memory store has no map '${name}' any more`);
  return found;
}
