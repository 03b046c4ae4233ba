/**
 * Every condition of the ledger as a named clause, and how clauses and updates become an expression. A clause is true of the
 * item as it stands before the update. Attribute names are always `#name`, so that no word is ever a reserved one.
 */

/** The clauses that guard the money. The contract suite has a test that fails when any one of them is taken out. */
export const CLAUSES = {
  /** The lane has enough idle money for the call. An absent lane has none. */
  laneHasIdle: '#a >= :estimate',
  /** The lane has a place for one more hold: sixteen keep it within one write unit. */
  laneHasPlace: 'size(#h) < :maxHolds',
  /** The hold was not made by an earlier copy of the same send. */
  holdIsNew: 'attribute_not_exists(#h.#hid)',
  /** The hold is there, exactly as the caller knows it: whoever ends it is the only one. */
  holdStands: '#h.#hid = :hold',
  /** The lane has the spend that the caller saw and moves to the pots. */
  laneHasUnflushed: '#u >= :flush',
  /** Only a lane that nobody granted to yet. */
  laneIsNew: 'attribute_not_exists(#pk)',
  /** The idle money that goes back is still idle. */
  laneStillIdle: '#a >= :amount',
  /** Nothing is in the lane: neither idle money, holds nor unflushed spend. */
  laneIsEmpty: '#c = :zero',
  /** All spend of the lane was flushed. */
  laneIsFlushed: '#u = :zero',
  /** No user pot waits for its alert check. */
  laneWatchesNothing: 'attribute_not_exists(#dp)',
  /** Nobody used the lane since the caller looked. */
  laneIsUntouched: '#t = :lastUse',
  laneExists: 'attribute_exists(#pk)',
  /** The chain has as many lanes as the caller thinks. */
  laneCountIsSeen: '#n = :from',
  /** The chain never grew: it has one lane. */
  laneNeverGrew: 'attribute_not_exists(#n)',
  /** The wallet has the money. An absent wallet has none. */
  walletHasAvailable: '#available >= :amount',
  /** What is committed leaves room for the amount; `:room` is the hard limit less the amount. */
  limitHasRoom: '#committed <= :room',
  /** Nothing was ever committed in this window. */
  limitIsNew: 'attribute_not_exists(#committed)',
  potExists: 'attribute_exists(#pk)',
  /** The entry's item, which is also the tombstone of a hold without an entry, is written once. */
  entryIsNew: 'attribute_not_exists(#pk)',
  /** The entry has the status that the caller saw. */
  entryStatusIsSeen: '#st = :seen',
  /** And its charge: the difference to the true cost was computed from it. */
  entryChargeIsSeen: '#ch = :seenCharge',
  /** So much is settled that the threshold is crossed. */
  settledReachesThreshold: '#settled >= :threshold',
  /** Nobody raised this alert before. */
  markerIsNew: 'attribute_not_exists(#marker)',
  /** The id of the top-up was not used before. */
  topUpIsNew: 'attribute_not_exists(#pk)',
  /** A withdrawal takes only what is free. */
  walletHasFree: '#available >= :withdrawn',
} as const;

/** All clauses must hold. */
export function all(...clauses: readonly string[]): string {
  return clauses.map((clause) => (clause.includes(' OR ') ? `(${clause})` : clause)).join(' AND ');
}

/** One of the clauses must hold. */
export function any(...clauses: readonly string[]): string {
  return clauses.join(' OR ');
}

/** The parts of a DynamoDB call that are made from expressions. */
export interface ExpressionInput {
  readonly UpdateExpression?: string;
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, unknown>;
}

/** What is to be done to one item, and under which condition. */
export interface ItemChange {
  /** Clauses of an update, such as `SET #a = :a` and `ADD #b :b`. Empty for a put or a delete. */
  readonly update?: readonly string[];
  readonly condition?: string;
  /** Names that are not an attribute's own: `hid` for `#hid`. */
  readonly names?: Readonly<Record<string, string>>;
  /** Values by name without the colon. Those that no expression mentions are left out. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** Turns a change into expressions. `#x` stands for the attribute `x` unless the change names another. */
export function expressionsOf(change: ItemChange): ExpressionInput {
  const update = change.update?.join(' ');
  const text = `${update ?? ''} ${change.condition ?? ''}`;
  const names: Record<string, string> = {};
  for (const [, name = ''] of text.matchAll(/#(\w+)/g)) names[`#${name}`] = change.names?.[name] ?? name;
  const values: Record<string, unknown> = {};
  for (const [, name = ''] of text.matchAll(/:(\w+)/g)) {
    const value = change.values?.[name];
    if (value === undefined) throw new RangeError(`the expression '${text.trim()}' has no value for :${name}`);
    values[`:${name}`] = value;
  }
  return {
    ...(update ? { UpdateExpression: update } : {}),
    ...(change.condition ? { ConditionExpression: change.condition } : {}),
    ...(Object.keys(names).length > 0 ? { ExpressionAttributeNames: names } : {}),
    ...(Object.keys(values).length > 0 ? { ExpressionAttributeValues: values } : {}),
  };
}
