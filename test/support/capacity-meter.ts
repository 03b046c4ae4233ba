/**
 * Watches a document client and tells what every call would cost on DynamoDB. It reads each item before and after a write from
 * the embedded database, by a client of its own, and applies the rules of capacity.ts. Writes go one at a time while it
 * watches, so that "before" and "after" belong to the call.
 */
import { type AttributeValue, DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { type ItemWrite, type StoredItem, indexWriteUnits, itemBytes, readUnits, writeUnits } from './capacity.ts';

/** One call and its units. */
export interface MeteredCall {
  /** The ledger's operation, as the adapter tells it to `onCall`. */
  readonly operation: string;
  readonly command: string;
  readonly writeUnits: number;
  /** Of indexes, beside `writeUnits`. */
  readonly indexUnits: number;
  readonly readUnits: number;
  /** A condition of it failed. */
  readonly failed: boolean;
  /** Largest item that it wrote or found, bytes. */
  readonly bytes: number;
}

type Key = Readonly<Record<string, AttributeValue>>;

/** A write as a request states it. */
interface Written {
  readonly table: string;
  readonly key: Key;
  readonly put?: StoredItem;
}

/** The units of calls, summed. */
export interface Units {
  readonly writes: number;
  readonly indexWrites: number;
  readonly reads: number;
}

/** Sums calls. */
export function sumUnits(calls: readonly MeteredCall[]): Units {
  const sum = (unit: (call: MeteredCall) => number) => calls.reduce((total, call) => total + unit(call), 0);
  return {
    writes: sum((call) => call.writeUnits),
    indexWrites: sum((call) => call.indexUnits),
    reads: sum((call) => call.readUnits),
  };
}

/** The meter of one client. Give its `onCall` to the adapters, so that calls carry the ledger's names. */
export class CapacityMeter {
  private calls: MeteredCall[] = [];
  private operation = 'unknown';
  private turn: Promise<unknown> = Promise.resolve();
  private readonly raw: DynamoDBClient;

  constructor(client: DynamoDBDocumentClient, endpoint: string) {
    const credentials = { accessKeyId: 'tollgate', secretAccessKey: 'tollgate' };
    this.raw = new DynamoDBClient({ endpoint, region: 'us-east-1', credentials });
    client.middlewareStack.add(
      (next, context) => (args) => {
        Object.assign(context, { ledgerOperation: this.operation });
        return next(args);
      },
      { step: 'initialize', priority: 'high', name: 'ledgerOperation' },
    );
    // After the document client has turned plain values into stored ones.
    client.middlewareStack.add(
      (next, context) => (args) =>
        this.inTurn(async () => {
          const command = String(context.commandName);
          const operation = String(Object.entries(context).find(([name]) => name === 'ledgerOperation')?.[1]);
          const input = asRecord(args.input);
          const writes = writesOf(input);
          const before = await this.readAll(writes);
          let failed = false;
          try {
            const answer = await next(args);
            if (writes.length === 0) this.calls.push(readCall(operation, command, input, asRecord(answer.output)));
            return answer;
          } catch (error) {
            failed = true;
            throw error;
          } finally {
            if (writes.length > 0) {
              const after = await this.readAll(writes);
              const items = writes.map(({ put }, at) => ({
                before: before[at],
                after: after[at],
                ...(failed && put !== undefined ? { wanted: put } : {}),
              }));
              this.calls.push(writeCall(operation, command, items, 'TransactItems' in input, failed));
            }
          }
        }),
      { step: 'build', name: 'capacityMeter' },
    );
  }

  readonly onCall = (operation: string): void => {
    this.operation = operation;
  };

  /** The calls since the last take. */
  take(): readonly MeteredCall[] {
    const { calls } = this;
    this.calls = [];
    return calls;
  }

  stop(): void {
    this.raw.destroy();
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.turn.then(run);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private readAll(writes: readonly Written[]): Promise<readonly (StoredItem | undefined)[]> {
    return Promise.all(
      writes.map(async ({ table, key }) => {
        const command = new GetItemCommand({ TableName: table, Key: { ...key }, ConsistentRead: true });
        return (await this.raw.send(command)).Item;
      }),
    );
  }
}

function writeCall(
  operation: string,
  command: string,
  items: readonly ItemWrite[],
  transaction: boolean,
  failed: boolean,
): MeteredCall {
  const sizes = items.flatMap(({ before, after, wanted }) => [before, after, wanted].map((item) => (item ? itemBytes(item) : 0)));
  return {
    operation,
    command,
    writeUnits: items.reduce((sum, item) => sum + writeUnits(item, transaction), 0),
    indexUnits: items.reduce((sum, item) => sum + indexWriteUnits(item), 0),
    readUnits: 0,
    failed,
    bytes: Math.max(...sizes),
  };
}

function readCall(
  operation: string,
  command: string,
  input: Readonly<Record<string, unknown>>,
  output: Readonly<Record<string, unknown>>,
): MeteredCall {
  const base = { operation, command, writeUnits: 0, indexUnits: 0, failed: false };
  if ('RequestItems' in input) {
    const [request] = Object.values(asRecord(input.RequestItems)).map(asRecord);
    const [found = []] = Object.values(asRecord(output.Responses)).map(answered);
    const keys = asItems(request?.Keys);
    const consistent = request?.ConsistentRead === true;
    const missing = keys.length - found.length;
    const units = found.reduce((sum, item) => sum + readUnits(itemBytes(item), consistent), missing * readUnits(0, consistent));
    return { ...base, readUnits: units, bytes: largest(found) };
  }
  const consistent = input.ConsistentRead === true;
  if ('Key' in input) {
    const found = output.Item === undefined ? [] : answered([output.Item]);
    return { ...base, readUnits: readUnits(largest(found), consistent), bytes: largest(found) };
  }
  // A filter hides items that were read and are paid for, so this meter cannot tell what such a call costs.
  if (input.FilterExpression !== undefined) throw new RangeError(`${operation}: a filtered read cannot be metered`);
  const found = answered(output.Items);
  const bytes = found.reduce((sum, item) => sum + itemBytes(item), 0);
  return { ...base, readUnits: readUnits(bytes, consistent), bytes: largest(found) };
}

function largest(items: readonly StoredItem[]): number {
  return items.reduce((most, item) => Math.max(most, itemBytes(item)), 0);
}

/** The items that a request writes; none for a read. */
function writesOf(input: Readonly<Record<string, unknown>>): readonly Written[] {
  if (Array.isArray(input.TransactItems)) {
    return input.TransactItems.map((item: unknown) => writtenBy(asRecord(Object.values(asRecord(item))[0])));
  }
  const writes = [input.Item, input.UpdateExpression, input.ConditionExpression].some((part) => part !== undefined);
  return writes ? [writtenBy(input)] : [];
}

/** What a put, an update or a delete writes. */
function writtenBy({ TableName, Item, Key }: Readonly<Record<string, unknown>>): Written {
  const [item] = asItems([Item ?? Key]);
  if (typeof TableName !== 'string' || item === undefined) throw new RangeError('a write names its table and its item');
  return { table: TableName, key: keyOf(item), ...(Item === undefined ? {} : { put: item }) };
}

function keyOf({ pk, sk }: StoredItem): Key {
  if (pk === undefined || sk === undefined) throw new RangeError('an item has pk and sk');
  return { pk, sk };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function asItems(value: unknown): readonly StoredItem[] {
  return Array.isArray(value) ? value : [];
}

/** Items of an answer: the document client has made plain values of them, and their size is that of what is stored. */
function answered(value: unknown): readonly StoredItem[] {
  return Array.isArray(value) ? value.map((item: unknown) => storedItem(asRecord(item))) : [];
}

function storedItem(plain: Readonly<Record<string, unknown>>): StoredItem {
  return Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, storedValue(value)]));
}

function storedValue(value: unknown): AttributeValue {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'bigint' || typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value === null) return { NULL: true };
  if (value instanceof Uint8Array) return { B: value };
  if (value instanceof Set) return { SS: [...value].map(String) };
  if (Array.isArray(value)) return { L: value.map(storedValue) };
  return { M: storedItem(asRecord(value)) };
}
