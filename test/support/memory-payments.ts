/** Payments on the real ledger in memory or on a given store, with the machine's clock. */
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { sha256Fingerprint, systemClock, systemRandom } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import type { LedgerStore } from '../../lambdas/application/ports.ts';
import type { Entry } from '../../lambdas/domain/entries.ts';

export function memoryPayments(store: LedgerStore = new MemoryLedgerStore()) {
  const persistence = { clock: systemClock, random: systemRandom };
  const reporter = { info: () => {}, warn: () => {}, error: () => {} };
  const publisher = { publish: () => Promise.resolve() };
  const alerts = new AlertDesk({ store, publisher, log: new MemoryAlertLog(), persistence, reporter });
  return {
    store,
    payments: new LedgerPayments({ store, alerts, persistence, fingerprint: sha256Fingerprint, reporter }),
    fund: (walletId: string, amountNanoUsd: bigint) =>
      store.topUp({ id: `fund-${walletId}`, walletId, amountNanoUsd, atEpochMs: Date.now() }),
    async entries(): Promise<readonly Entry[]> {
      const all: Entry[] = [];
      for await (const page of store.allEntries()) all.push(...page);
      return all;
    },
  };
}
