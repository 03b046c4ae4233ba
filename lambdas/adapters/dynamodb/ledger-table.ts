/**
 * One stage's table: each method is one call, sent once. A failed condition comes back as a value with the old item; every
 * other failure is thrown as the ledger understands it (errors.ts).
 */
import {
  BatchGetCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
  type ScanCommandInput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { NotAppliedError } from '../../application/ports.ts';
import type { PlainItem } from './attribute-values.ts';
import { type FailedCondition, failedCondition, failedConditions, translateError } from './errors.ts';
import { type ItemChange, expressionsOf } from './expressions.ts';
import type { ItemKey } from './table.ts';

/** Which table, and who watches. */
export interface LedgerTableOptions {
  readonly client: DynamoDBDocumentClient;
  readonly tableName: string;
  /** Called at every call to the database, with the operation of the ledger that makes it: tests count round trips. */
  readonly onCall?: (operation: string) => void;
}

/** One item of a transaction. */
export type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

/** Applied (`item`: as it is now, where asked for), or not (`item`: as it stands; absent when there is none). */
export type WriteOutcome = { readonly ok: true; readonly item?: PlainItem } | ({ readonly ok: false } & FailedCondition);

/** Applied, or the failed conditions by position. */
export type TransactOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly failed: readonly (FailedCondition | undefined)[] };

/** Most keys of one batch read. */
const MAX_BATCH = 100;

/** Calls to one table. */
export class LedgerTable {
  readonly tableName: string;
  private readonly client: DynamoDBDocumentClient;
  private readonly onCall: (operation: string) => void;

  constructor(options: LedgerTableOptions) {
    this.client = options.client;
    this.tableName = options.tableName;
    this.onCall = options.onCall ?? (() => {});
  }

  async get(operation: string, key: ItemKey, consistent: boolean): Promise<PlainItem | undefined> {
    const command = new GetCommand({ TableName: this.tableName, Key: key, ConsistentRead: consistent });
    return (await this.guarded(operation, () => this.client.send(command))).Item;
  }

  /** Missing items are absent. @throws NotAppliedError when the database left some keys out */
  async batchGet(operation: string, keys: readonly ItemKey[], consistent: boolean): Promise<readonly PlainItem[]> {
    const items: PlainItem[] = [];
    const distinct = [...new Map(keys.map((key) => [`${key.pk}\n${key.sk}`, key])).values()];
    for (let i = 0; i < distinct.length; i += MAX_BATCH) {
      const request = { Keys: distinct.slice(i, i + MAX_BATCH), ConsistentRead: consistent };
      const command = new BatchGetCommand({ RequestItems: { [this.tableName]: request } });
      const answer = await this.guarded(operation, () => this.client.send(command));
      const left = answer.UnprocessedKeys?.[this.tableName]?.Keys?.length ?? 0;
      // Read as "missing", an unread pot would look like one without spend.
      if (left > 0) throw new NotAppliedError(`${operation}: the database left ${left} of ${distinct.length} items unread`);
      items.push(...(answer.Responses?.[this.tableName] ?? []));
    }
    return items;
  }

  async *query(operation: string, input: Omit<QueryCommandInput, 'TableName'>): AsyncIterable<readonly PlainItem[]> {
    let from: PlainItem | undefined;
    do {
      const command = new QueryCommand({ ...input, TableName: this.tableName, ExclusiveStartKey: from });
      const page = await this.guarded(operation, () => this.client.send(command));
      yield page.Items ?? [];
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
  }

  async *scan(operation: string, input: Omit<ScanCommandInput, 'TableName'>): AsyncIterable<readonly PlainItem[]> {
    let from: PlainItem | undefined;
    do {
      const command = new ScanCommand({ ...input, TableName: this.tableName, ExclusiveStartKey: from });
      const page = await this.guarded(operation, () => this.client.send(command));
      yield page.Items ?? [];
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
  }

  /** @returns the item after the update */
  async update(operation: string, key: ItemKey, change: ItemChange): Promise<WriteOutcome> {
    const command = new UpdateCommand({
      ...this.updateOf(key, change),
      ReturnValues: 'ALL_NEW',
    });
    return this.conditional(operation, async () => (await this.client.send(command)).Attributes);
  }

  /** @param condition empty: whatever stands there */
  async put(operation: string, item: PlainItem, condition: string, values?: ItemChange['values']): Promise<WriteOutcome> {
    const command = new PutCommand(this.putOf(item, condition, values));
    return this.conditional(operation, async () => {
      await this.client.send(command);
      return undefined;
    });
  }

  async delete(operation: string, key: ItemKey, change: ItemChange): Promise<WriteOutcome> {
    const command = new DeleteCommand({
      TableName: this.tableName,
      Key: key,
      ...expressionsOf(change),
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    return this.conditional(operation, async () => {
      await this.client.send(command);
      return undefined;
    });
  }

  async transact(operation: string, items: readonly TransactItem[]): Promise<TransactOutcome> {
    this.onCall(operation);
    try {
      await this.client.send(new TransactWriteCommand({ TransactItems: [...items] }));
      return { ok: true };
    } catch (error) {
      const failed = failedConditions(error);
      if (failed) return { ok: false, failed };
      throw translateError(error, operation);
    }
  }

  /** An update as a part of a transaction. */
  updateItem(key: ItemKey, change: ItemChange): TransactItem {
    return { Update: { ...this.updateOf(key, change), UpdateExpression: expressionsOf(change).UpdateExpression } };
  }

  /** A put as a part of a transaction. */
  putItem(item: PlainItem, condition: string): TransactItem {
    return { Put: this.putOf(item, condition) };
  }

  private updateOf(key: ItemKey, change: ItemChange) {
    return {
      TableName: this.tableName,
      Key: key,
      ...expressionsOf(change),
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    };
  }

  private putOf(item: PlainItem, condition: string, values?: ItemChange['values']) {
    return {
      TableName: this.tableName,
      Item: item,
      ...expressionsOf({ condition, values }),
      ...(condition === '' ? {} : { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }),
    };
  }

  private async conditional(operation: string, send: () => Promise<PlainItem | undefined>): Promise<WriteOutcome> {
    this.onCall(operation);
    try {
      const item = await send();
      return item ? { ok: true, item } : { ok: true };
    } catch (error) {
      const failed = failedCondition(error);
      if (failed) return { ok: false, ...failed };
      throw translateError(error, operation);
    }
  }

  private async guarded<T>(operation: string, send: () => Promise<T>): Promise<T> {
    this.onCall(operation);
    try {
      return await send();
    } catch (error) {
      throw translateError(error, operation);
    }
  }
}
