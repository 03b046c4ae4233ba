/** The contract of a ledger's store: what every implementation must do, whatever it keeps its items in. */
import { describeEntries } from './ledger/entries.ts';
import { describeHolds } from './ledger/holds.ts';
import { describeLanes } from './ledger/lanes.ts';
import { describePots } from './ledger/pots.ts';
import { describeRaces } from './ledger/races.ts';
import type { StoreUnderTest } from './ledger/world.ts';

/** Registers the suite for one store. */
export function ledgerStoreContract(name: string, under: StoreUnderTest): void {
  describe(name, () => {
    describeHolds(under);
    describeLanes(under);
    describeEntries(under);
    describePots(under);
    describeRaces(under);
  });
}
