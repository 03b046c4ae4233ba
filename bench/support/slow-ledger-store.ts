/**
 * The in-memory ledger as a table across a network would feel: every call waits first. Entries go nowhere, since a real
 * store keeps them outside the process and 100,000 of them in its heap would be all that a benchmark measures.
 */
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import type { LedgerStore } from '../../lambdas/application/ports.ts';

/** Milliseconds before every call of the store: what DynamoDB takes within a region, about. */
export const INJECTED_LATENCY_MS = 3.5;

/** Node's timers know whole milliseconds: 3 and 4 in turn. */
let turn = false;
function injectedLatency(): Promise<void> {
  turn = !turn;
  const ms = turn ? Math.floor(INJECTED_LATENCY_MS) : Math.ceil(INJECTED_LATENCY_MS);
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Everything of the in-memory store, later. */
export function slowLedgerStore(): LedgerStore {
  const store = new MemoryLedgerStore();
  const wait: ProxyHandler<MemoryLedgerStore> = {
    get(target, name) {
      if (name === 'putEntry') return () => injectedLatency().then(() => ({ ok: true }));
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const call = member.bind(target) as (...args: readonly unknown[]) => unknown;
      if (PAGED.has(String(name))) return call;
      return (...args: readonly unknown[]) => injectedLatency().then(() => call(...args));
    },
  };
  return new Proxy(store, wait);
}

/** These give pages and no promise; nothing of a call reads them. */
const PAGED: ReadonlySet<string> = new Set(['openLanes', 'allPots', 'allLanes', 'allEntries', 'allTopUps']);
