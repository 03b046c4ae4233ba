/**
 * What DynamoDB charges for a call, by its documented rules, from the sizes of the items: emulators misreport transactions, so
 * nothing here asks one. Where a document says "approximately", the larger reading is taken.
 *
 * Sources, Amazon DynamoDB Developer Guide, read 2026-11-23:
 * - sizes: "DynamoDB item sizes and formats" (CapacityUnitCalculations.html)
 * - units, failed conditions, reads of nothing: "DynamoDB read and write operations" (read-write-operations.html)
 * - transactions: "Amazon DynamoDB Transactions: How it works", section "Capacity management for transactions" (transaction-apis.html)
 * - indexes: "Using Global Secondary Indexes in DynamoDB", section "Provisioned throughput considerations" (GSI.html)
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { LANE_INDEXES } from '../../lambdas/adapters/dynamodb/table.ts';

/** An item as DynamoDB stores it. */
export type StoredItem = Readonly<Record<string, AttributeValue>>;

const WRITE_STEP_BYTES = 1024;
const READ_STEP_BYTES = 4096;

/** Bytes of an item: attribute names and values. */
export function itemBytes(item: StoredItem): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(item)) bytes += textBytes(name) + valueBytes(value);
  return bytes;
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return textBytes(value.S);
  if (value.N !== undefined) return numberBytes(value.N);
  if (value.B !== undefined) return value.B.length;
  if (value.BOOL !== undefined || value.NULL !== undefined) return 1;
  // A list or a map has 3 bytes of its own and 1 for each element.
  // Nothing is said of sets: they are counted as lists.
  if (value.SS !== undefined) return value.SS.reduce((sum, element) => sum + 1 + textBytes(element), 3);
  if (value.L !== undefined) return value.L.reduce((sum, element) => sum + 1 + valueBytes(element), 3);
  if (value.M !== undefined) return 3 + Object.keys(value.M).length + itemBytes(value.M);
  throw new RangeError(`the ledger stores no value such as ${JSON.stringify(value)}`);
}

/** One byte for every two significant digits, one more, and one for a minus sign. Zeroes at both ends are not stored. */
export function numberBytes(digits: string): number {
  if (!/^-?\d+$/.test(digits)) throw new RangeError(`the ledger stores whole numbers only, not '${digits}'`);
  const significant = digits.replace('-', '').replace(/^0+/, '').replace(/0+$/, '').length;
  return Math.ceil(significant / 2) + 1 + (digits.startsWith('-') ? 1 : 0);
}

function textBytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** One item that a call writes: as it was and as it is; the same when a condition failed. */
export interface ItemWrite {
  readonly before: StoredItem | undefined;
  readonly after: StoredItem | undefined;
  /** Of a put whose condition failed: the item that was not written, whose size counts too. */
  readonly wanted?: StoredItem;
}

/** Write units of one item of a call: whole KB of the largest of what was, is and should have been, at least 1; a transaction doubles them. */
export function writeUnits({ before, after, wanted }: ItemWrite, transaction: boolean): number {
  const bytes = Math.max(...[before, after, wanted].map((item) => (item === undefined ? 0 : itemBytes(item))));
  return Math.max(1, Math.ceil(bytes / WRITE_STEP_BYTES)) * (transaction ? 2 : 1);
}

/**
 * Write units of the table's indexes for one item: a put when it gets the index's key, a delete when it loses it, both when
 * the key changes, nothing when only attributes change that the index does not hold (keys only). Indexes follow the table
 * asynchronously, outside a transaction, so nothing is doubled.
 */
export function indexWriteUnits({ before, after }: ItemWrite): number {
  let units = 0;
  for (const { attribute } of LANE_INDEXES) {
    const [was, is] = [before?.[attribute]?.S, after?.[attribute]?.S];
    if (was === is) continue;
    units +=
      (was === undefined ? 0 : indexEntryUnits(before, attribute)) + (is === undefined ? 0 : indexEntryUnits(after, attribute));
  }
  return units;
}

function indexEntryUnits(item: StoredItem | undefined, attribute: string): number {
  return Math.max(1, Math.ceil(itemBytes(indexEntry(item ?? {}, attribute)) / WRITE_STEP_BYTES));
}

/** What a keys-only index holds of an item. */
export function indexEntry(item: StoredItem, attribute: string): StoredItem {
  return Object.fromEntries(Object.entries(item).filter(([name]) => name === attribute || name === 'pk' || name === 'sk'));
}

/**
 * Read units of a read: 4 KB a unit, half of it where the read is eventual, at least one step even for what is not there.
 * A batch counts each of its items by itself; a query or scan all of its items together.
 */
export function readUnits(bytes: number, consistent: boolean): number {
  return Math.max(1, Math.ceil(bytes / READ_STEP_BYTES)) * (consistent ? 1 : 0.5);
}

/** On-demand prices in us-east-1, in USD per million units, as of 2026-11-23 (Amazon DynamoDB pricing, on-demand capacity). */
export const USD_PER_MILLION = { write: 0.625, read: 0.125 } as const;
