/** Pots, lanes and top-ups as stored, and back, with validation. Entries are in entry-items.ts. */
import type { TopUpRecord } from '../../application/ports.ts';
import type { AlertMarker, Hold, LaneId, LaneState, PotKey, PotState } from '../../domain/pots.ts';
import type { PlainItem } from './attribute-values.ts';
import { USER_POT_PREFIX, readHold } from './holds.ts';
import { ItemReader } from './item-reader.ts';
import { LANE_PREFIX, POT_PREFIX, TOP_UP_PREFIX, topUpItemKey } from './table.ts';

const MARKER_PREFIX = 'al_';
const MARKER = /^(PENDING|SENT)#(\d{1,16})$/;

/** The attribute that keeps an alert marker. */
export function markerAttribute(marker: string): string {
  return `${MARKER_PREFIX}${marker}`;
}

/** The value of an alert marker. */
export function markerValue(marker: AlertMarker): string {
  return `${marker.status}#${marker.atEpochMs}`;
}

/** A wallet's key begins with `wallet/`; every other pot is a limit. */
export function isWalletKey(key: PotKey): boolean {
  return key.startsWith('wallet/');
}

/** A limit that nothing has happened to: what a refusal shows when the pot has no item yet. */
export function untouchedLimit(key: PotKey): PotState {
  return {
    key,
    kind: 'limit',
    availableNanoUsd: 0n,
    fundedNanoUsd: 0n,
    withdrawnNanoUsd: 0n,
    baseNanoUsd: 0n,
    committedNanoUsd: 0n,
    settledNanoUsd: 0n,
    alerts: {},
  };
}

/** @throws DamagedItemError when the item is no pot */
export function readPotItem(item: PlainItem): PotState {
  const reader = new ItemReader(item);
  const key = afterPrefix(reader, POT_PREFIX);
  const wallet = isWalletKey(key);
  const seenLimitNanoUsd = reader.optionalAmount('ll');
  return {
    key,
    kind: wallet ? 'wallet' : 'limit',
    availableNanoUsd: wallet ? reader.amount('available') : 0n,
    fundedNanoUsd: wallet ? reader.amount('funded') : 0n,
    // Only a withdrawal writes it.
    withdrawnNanoUsd: reader.optionalAmount('withdrawn') ?? 0n,
    // Only a top-up writes it; until the first one everything counts.
    baseNanoUsd: reader.optionalAmount('base') ?? 0n,
    committedNanoUsd: wallet ? 0n : reader.amount('committed'),
    settledNanoUsd: reader.amount('settled'),
    alerts: readMarkers(reader),
    ...readDry(reader),
    ...(seenLimitNanoUsd === undefined ? {} : { seenLimitNanoUsd }),
  };
}

function readDry(reader: ItemReader): Pick<PotState, 'dry'> {
  const untilEpochMs = reader.optionalInteger('dry');
  const settledNanoUsd = reader.optionalAmount('ds');
  // A mark of an earlier version does not say what was settled: it is none.
  if (untilEpochMs === undefined || settledNanoUsd === undefined) return {};
  const [idleNanoUsd, heldNanoUsd, unflushedNanoUsd] = [reader.amount('di'), reader.amount('dh'), reader.amount('du')];
  return { dry: { untilEpochMs, idleNanoUsd, heldNanoUsd, unflushedNanoUsd, settledNanoUsd } };
}

function readMarkers(reader: ItemReader): Record<string, AlertMarker> {
  const markers: Record<string, AlertMarker> = {};
  for (const attribute of reader.attributes()) {
    if (!attribute.startsWith(MARKER_PREFIX)) continue;
    const match = MARKER.exec(reader.text(attribute));
    if (!match) reader.damaged(`'${attribute}' is no alert marker`);
    const status = match[1] === 'SENT' ? 'SENT' : 'PENDING';
    markers[attribute.slice(MARKER_PREFIX.length)] = { status, atEpochMs: Number(match[2]) };
  }
  return markers;
}

/** @throws DamagedItemError when the item is no lane */
export function readLaneItem(item: PlainItem): LaneState {
  const reader = new ItemReader(item);
  const groupId = reader.text('gg');
  const holds = new Map<string, Hold>();
  for (const [hid, value] of Object.entries(reader.map('h'))) holds.set(hid, readHold(reader, hid, value, groupId));
  const lastGrantNanoUsd = reader.optionalAmount('g');
  const lastGrantEpochMs = reader.optionalInteger('gt');
  return {
    id: readLaneKey(reader),
    idleNanoUsd: reader.amount('a'),
    escrowNanoUsd: reader.amount('c'),
    unflushedNanoUsd: reader.amount('u'),
    holds,
    watched: reader.textSet('dp').map((name) => `${USER_POT_PREFIX}${name}`),
    chain: reader.texts('chain'),
    walletId: reader.text('gw'),
    groupId,
    providerId: reader.text('gp'),
    lastUseEpochMs: reader.integer('t'),
    ...(lastGrantNanoUsd === undefined ? {} : { lastGrantNanoUsd }),
    ...(lastGrantEpochMs === undefined ? {} : { lastGrantEpochMs }),
    // Absent until the chain's first growth: one lane.
    laneCount: reader.optionalInteger('n') ?? 1,
  };
}

/** The lane that an item or an index row names. @throws DamagedItemError when it names none */
export function readLaneId(item: PlainItem): LaneId {
  return readLaneKey(new ItemReader(item));
}

function readLaneKey(reader: ItemReader): LaneId {
  return parseLaneName(reader, afterPrefix(reader, LANE_PREFIX));
}

/** Reads `<chain hash>#<n>`. */
export function parseLaneName(reader: ItemReader, name: string): LaneId {
  const at = name.lastIndexOf('#');
  const number = name.slice(at + 1);
  if (at < 1 || !/^\d{1,9}$/.test(number)) return reader.damaged(`'${name}' names no lane`);
  return { chainHash: name.slice(0, at), n: Number(number) };
}

/** How a top-up is stored. */
export function topUpItem(record: TopUpRecord): PlainItem {
  return { ...topUpItemKey(record.id), wallet: record.walletId, amount: record.amountNanoUsd, at: record.atEpochMs };
}

/** @throws DamagedItemError when the item is no top-up */
export function readTopUpItem(item: PlainItem): TopUpRecord {
  const reader = new ItemReader(item);
  return {
    id: afterPrefix(reader, TOP_UP_PREFIX),
    walletId: reader.text('wallet'),
    amountNanoUsd: reader.amount('amount'),
    atEpochMs: reader.integer('at'),
  };
}

function afterPrefix(reader: ItemReader, prefix: string): string {
  if (!reader.pk.startsWith(prefix)) reader.damaged(`its key does not begin with ${prefix}`);
  return reader.pk.slice(prefix.length);
}
