/** Which items an operation of the ledger touches, under which partition keys, and for how many units: by the rules of test/support/capacity.ts. */
import { LANE_INDEXES, entryItemKey, laneItemKey, potItemKey, topUpItemKey } from '../../../lambdas/adapters/dynamodb/table.ts';
import type {
  GrantRequest,
  LateRequest,
  ReserveRequest,
  SettleRequest,
  TopUpRecord,
} from '../../../lambdas/application/ports.ts';
import type { Entry } from '../../../lambdas/domain/entries.ts';
import type { Hold, LaneId, LaneState, PotKey } from '../../../lambdas/domain/pots.ts';
import { type StoredItem, indexEntry, itemBytes, readUnits, writeUnits } from '../../support/capacity.ts';
import type { Items } from './items.ts';

export interface ItemTouch {
  readonly item: string;
  readonly partition: string;
  readonly units: number;
  /** Partitions of indexes that get a write too, one unit each. */
  readonly index: readonly string[];
}

export interface Touch {
  readonly transaction: boolean;
  readonly writes: readonly ItemTouch[];
  readonly reads: readonly ItemTouch[];
}

/** Pots, holds' user pots, entries and markers stay under 1 KB (docs/costs.md): one unit. */
const SMALL: StoredItem = {};
const NO_INDEX: readonly string[] = [];

/** Of a call with these arguments, as the items are now. @throws RangeError for an operation that nobody has told it of */
export function touchOf(operation: string, args: readonly unknown[], items: Items): Touch {
  const describe = WRITES[operation] ?? READS[operation];
  if (describe === undefined) throw new RangeError(`what does '${operation}' touch?`);
  return describe(args, items);
}

/* -------------------------------------------------------------- items */

function pot(key: PotKey, transaction: boolean): ItemTouch {
  const { pk } = potItemKey(key);
  return { item: pk, partition: pk, units: writeUnits({ before: SMALL, after: SMALL }, transaction), index: NO_INDEX };
}

function entry(hid: string, transaction = false): ItemTouch {
  const { pk, sk } = entryItemKey(hid);
  return { item: `${pk} ${sk}`, partition: pk, units: writeUnits({ before: SMALL, after: SMALL }, transaction), index: NO_INDEX };
}

function lane(id: LaneId, items: Items, transaction: boolean, owners?: Owners): ItemTouch {
  const { pk } = laneItemKey(id);
  const state = items.lanes.get(`${id.chainHash}#${id.n}`);
  const comes = state === undefined && owners !== undefined;
  const steps = state === undefined ? 1 : Math.max(1, Math.ceil(laneBytes(state) / 1_024));
  return { item: pk, partition: pk, units: steps * (transaction ? 2 : 1), index: comes ? indexes(owners) : NO_INDEX };
}

type Owners = Pick<LaneState, 'walletId' | 'groupId' | 'providerId'>;

function indexes({ walletId, groupId, providerId }: Owners): readonly string[] {
  return [`byWallet ${walletId}`, `byGroup ${groupId}`, `byProvider ${providerId}`];
}

const baseBytes = new Map<string, number>();
const HOLD_BYTES = itemBytes({ 'thhxyz0-0a00000000x': { N: '123456789012' } }) + 1;

/** A lane without its holds is as large as any other of its chain; each hold adds the same. */
export function laneBytes(state: LaneState): number {
  const known = baseBytes.get(state.id.chainHash);
  const base = known ?? itemBytes(storedLane(state));
  if (known === undefined) baseBytes.set(state.id.chainHash, base);
  return base + state.holds.size * HOLD_BYTES;
}

function storedLane(state: LaneState): StoredItem {
  const amount = { N: '123456789012345' };
  const time = { N: '1234567890123' };
  return {
    pk: { S: laneItemKey(state.id).pk },
    sk: { S: '-' },
    a: amount,
    c: amount,
    u: amount,
    g: amount,
    gt: time,
    t: time,
    n: { N: '1024' },
    h: { M: {} },
    chain: { L: state.chain.map((key) => ({ S: key })) },
    gw: { S: state.walletId },
    gg: { S: state.groupId },
    gp: { S: state.providerId },
  };
}

/* -------------------------------------------------------------- operations */

type Describe = (args: readonly unknown[], items: Items) => Touch;

function written(transaction: boolean, writes: readonly ItemTouch[]): Touch {
  return { transaction, writes, reads: [] };
}

function holdTouch(id: LaneId, direct: readonly PotKey[], items: Items): Touch {
  const transaction = direct.length > 0;
  return written(transaction, [lane(id, items, transaction), ...direct.map((key) => pot(key, true))]);
}

const WRITES: Readonly<Record<string, Describe>> = {
  reserve: ([request], items) => {
    const { lane: id, direct } = request as ReserveRequest;
    return holdTouch(
      id,
      direct.map((term) => term.key),
      items,
    );
  },
  settle: ([request], items) => {
    const { lane: id, hold } = request as SettleRequest;
    return holdTouch(id, hold.direct, items);
  },
  grant: ([request], items) => {
    const { lane: id, pots, chain } = request as GrantRequest;
    return written(true, [...pots.map((term) => pot(term.key, true)), lane(id, items, true, chain)]);
  },
  giveBack: ([state], items) => {
    const { id, chain } = state as LaneState;
    return written(true, [...chain.map((key) => pot(key, true)), lane(id, items, true)]);
  },
  flush: ([moves], items) => {
    const lanes = (moves as readonly { readonly lane: LaneState }[]).map((move) => move.lane);
    const [first] = lanes;
    return written(true, [...(first?.chain ?? []).map((key) => pot(key, true)), ...lanes.map(({ id }) => lane(id, items, true))]);
  },
  putEntry: ([put]) => written(false, [entry((put as Entry).hid)]),
  expire: ([id, hold, put], items) =>
    written(true, [
      lane(id as LaneId, items, true),
      entry((put as Entry).hid, true),
      ...(hold as Hold).direct.map((key) => pot(key, true)),
    ]),
  late: ([request], items) => {
    const { chain, direct, lane: id, hid } = request as LateRequest;
    return written(true, [...[...chain, ...direct].map((term) => pot(term.key, true)), lane(id, items, true), entry(hid, true)]);
  },
  lose: ([hid]) => written(false, [entry(hid as string)]),
  unwatch: ([id], items) => written(false, [lane(id as LaneId, items, false)]),
  closeLane: ([id], items) => {
    const state = items.lanes.get(`${(id as LaneId).chainHash}#${(id as LaneId).n}`);
    const touch = lane(id as LaneId, items, false);
    return written(false, [state === undefined ? touch : { ...touch, index: indexes(state) }]);
  },
  growLanes: ([id], items) => written(false, [lane(id as LaneId, items, false)]),
  markDry: ([key]) => written(false, [pot(key as PotKey, false)]),
  raiseMarker: ([term]) => written(false, [pot((term as { readonly key: PotKey }).key, false)]),
  sendMarker: ([key]) => written(false, [pot(key as PotKey, false)]),
  noteLimit: ([key]) => written(false, [pot(key as PotKey, false)]),
  topUp: ([record]) => {
    const { id, walletId } = record as TopUpRecord;
    const { pk } = topUpItemKey(id);
    return written(true, [pot(`wallet/${walletId}#life`, true), { item: pk, partition: pk, units: 2, index: NO_INDEX }]);
  },
};

function read(reads: readonly { readonly partition: string; readonly units: number }[]): Touch {
  return {
    transaction: false,
    writes: [],
    reads: reads.map(({ partition, units }) => ({ item: partition, partition, units, index: NO_INDEX })),
  };
}

function asksConsistent(options: unknown): boolean {
  return (options as { readonly consistent?: boolean } | undefined)?.consistent === true;
}

const OWNER = { wallet: 'walletId', group: 'groupId', provider: 'providerId' } as const;

const READS: Readonly<Record<string, Describe>> = {
  readPots: ([keys, options]) =>
    read(
      (keys as readonly PotKey[]).map((key) => ({
        partition: potItemKey(key).pk,
        units: readUnits(1_024, asksConsistent(options)),
      })),
    ),
  readLane: ([id, options]) =>
    read([{ partition: laneItemKey(id as LaneId).pk, units: readUnits(1_024, asksConsistent(options)) }]),
  readLanes: ([ids]) =>
    read((ids as readonly LaneId[]).map((id) => ({ partition: laneItemKey(id).pk, units: readUnits(1_024, false) }))),
  readEntry: ([hid]) => read([{ partition: entryItemKey(hid as string).pk, units: readUnits(1_024, true) }]),
  lanesOf: ([index, id], items) => {
    const field = OWNER[index as keyof typeof OWNER];
    const found = [...items.lanes.values()].filter((state) => state[field] === id);
    return read([{ partition: `by ${String(index)} ${String(id)}`, units: readUnits(entriesBytes(found), false) }]);
  },
  // A scan goes over all partitions of the index: what it costs lies on none.
  openLanes: (_args, items) => read([{ partition: 'scan', units: readUnits(entriesBytes([...items.lanes.values()]), false) }]),
};

function entriesBytes(lanes: readonly LaneState[]): number {
  const [attribute] = LANE_INDEXES.map((index) => index.attribute);
  return lanes.reduce((sum, state) => sum + itemBytes(indexEntry(storedLane(state), attribute ?? '')), 0);
}
