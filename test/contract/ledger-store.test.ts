/** Runs the contract of the ledger's store on memory, on the embedded database, and on Amazon's DynamoDB Local where it is there. */
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { type DatabaseProgram, findDynoxide } from '../../lambdas/local/database-process.ts';
import { type TestDatabase, dynamoDbLocalOrSayWhyNot, startTestDatabase } from '../support/database.ts';
import { ledgerStoreContract } from './ledger-store.contract.ts';

ledgerStoreContract('memory', {
  open: async () => {
    const store = new MemoryLedgerStore();
    return { store, another: () => store };
  },
});

function onDatabase(name: string, program: DatabaseProgram | undefined): void {
  describe(name, () => {
    let database: TestDatabase | undefined;
    beforeAll(async () => {
      database = await startTestDatabase({ program });
    }, 60_000);
    afterAll(async () => database?.stop());

    ledgerStoreContract('store', {
      open: async () => {
        if (!database) throw new Error('the database did not start');
        const options = { client: database.client, tableName: await database.newTable() };
        return { store: new DynamoLedgerStore(options), another: () => new DynamoLedgerStore(options) };
      },
    });
  });
}

onDatabase('dynoxide', findDynoxide());
const local = dynamoDbLocalOrSayWhyNot();
if (local) onDatabase('DynamoDB Local', local);
