/** Makes a local stage's table when it is missing, and refuses one that is not the ledger's. */
import { CreateTableCommand, DescribeTableCommand, type TableDescription } from '@aws-sdk/client-dynamodb';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { setTimeout as sleep } from 'node:timers/promises';
import { tableDefinition } from '../adapters/dynamodb/table.ts';
import { LocalError } from './local-error.ts';

const ACTIVE_TIMEOUT_MS = 20_000;

/**
 * Sees that the table is there and active.
 * @throws LocalError when a table of this name has other keys or lacks an index
 */
export async function ensureTable(client: DynamoDBDocumentClient, name: string): Promise<void> {
  const deadline = Date.now() + ACTIVE_TIMEOUT_MS;
  for (;;) {
    const table = await describe(client, name);
    if (table?.TableStatus === 'ACTIVE') return requireShape(table, name);
    if (!table) await create(client, name);
    else await sleep(100);
    if (Date.now() > deadline)
      throw new LocalError(`the table ${name} is not active after ${ACTIVE_TIMEOUT_MS / 1000} s`, 'start again');
  }
}

async function describe(client: DynamoDBDocumentClient, name: string): Promise<TableDescription | undefined> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: name }))).Table;
  } catch (error) {
    if (named(error, 'ResourceNotFoundException')) return undefined;
    throw error;
  }
}

async function create(client: DynamoDBDocumentClient, name: string): Promise<void> {
  try {
    await client.send(new CreateTableCommand(tableDefinition(name)));
  } catch (error) {
    // Another process made it first.
    if (!named(error, 'ResourceInUseException')) throw error;
  }
}

function requireShape(table: TableDescription, name: string): void {
  const wanted = tableDefinition(name);
  const missing = [
    ...keysOf('the table', wanted).filter((key) => !keysOf('the table', table).includes(key)),
    ...(wanted.GlobalSecondaryIndexes ?? [])
      .flatMap((index) => keysOf(`index ${index.IndexName}`, index))
      .filter(
        (key) =>
          !(table.GlobalSecondaryIndexes ?? []).flatMap((index) => keysOf(`index ${index.IndexName}`, index)).includes(key),
      ),
  ];
  if (missing.length === 0) return;
  throw new LocalError(
    `the table ${name} is not a ledger of this version: it lacks ${missing.join(', ')}`,
    'nothing was changed: use another home or database, or move this table away',
  );
}

type Keyed = Pick<TableDescription, 'KeySchema'>;

function keysOf(of: string, keyed: Keyed): readonly string[] {
  return (keyed.KeySchema ?? []).map((key) => `${of}'s ${key.KeyType} key '${key.AttributeName}'`);
}

function named(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
