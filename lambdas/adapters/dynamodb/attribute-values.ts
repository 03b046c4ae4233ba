/**
 * Raw attribute values as plain ones. The document client leaves the old item of a failed condition raw (`{ N: '5' }`), in
 * `ConditionalCheckFailedException.Item` and in the `CancellationReasons` of a transaction, so it is decoded here.
 * @see aws-sdk-js-v3 lib-dynamodb 3.1162.0, seen 2026-11-23
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/** An item with plain values: text, bigint, boolean, null, lists and maps of them. */
export type PlainItem = Readonly<Record<string, unknown>>;

const INTEGER = /^-?\d+$/;

/** A stored number as a bigint. What is no integer stays text, so that reading it as an amount fails by name. */
export function numberOf(digits: string): bigint | string {
  return INTEGER.test(digits) ? BigInt(digits) : digits;
}

/** A raw item as a plain one. */
export function plainItem(item: Readonly<Record<string, AttributeValue>>): PlainItem {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return numberOf(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.NULL !== undefined) return null;
  if (value.SS !== undefined) return new Set(value.SS);
  if (value.L !== undefined) return value.L.map(plainValue);
  if (value.M !== undefined) return plainItem(value.M);
  return value;
}
