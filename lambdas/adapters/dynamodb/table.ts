/** The one table of a stage: its keys, its three indexes over lanes, and how each item is named. */
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { entryPartition } from '../../domain/entries.ts';
import type { LaneId, PotKey } from '../../domain/pots.ts';

/** The key of an item. */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** The attribute that DynamoDB's expiry reads, epoch seconds. */
export const TTL_ATTRIBUTE = 'ttl';

/** Indexes over open lanes, keys only: a lane is found by its wallet, its group or its provider. */
export const LANE_INDEXES = [
  { name: 'byWallet', attribute: 'gw' },
  { name: 'byGroup', attribute: 'gg' },
  { name: 'byProvider', attribute: 'gp' },
] as const;

/** How a stage's table is made. The stack states the same; a test compares them. */
export function tableDefinition(name: string): CreateTableCommandInput {
  return {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
      ...LANE_INDEXES.map(({ attribute }) => ({ AttributeName: attribute, AttributeType: 'S' as const })),
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: LANE_INDEXES.map(({ name: index, attribute }) => ({
      IndexName: index,
      KeySchema: [{ AttributeName: attribute, KeyType: 'HASH' as const }],
      Projection: { ProjectionType: 'KEYS_ONLY' as const },
    })),
  };
}

/** Sort key of items that stand alone in their partition. */
const ALONE = '-';

export const POT_PREFIX = 'POT#';
export const LANE_PREFIX = 'LANE#';
export const ENTRY_PREFIX = 'ENT#';
export const TOP_UP_PREFIX = 'TOPUP#';

export function potItemKey(key: PotKey): ItemKey {
  return { pk: `${POT_PREFIX}${key}`, sk: ALONE };
}

export function laneItemKey(lane: LaneId): ItemKey {
  return { pk: `${LANE_PREFIX}${lane.chainHash}#${lane.n}`, sk: ALONE };
}

export function entryItemKey(hid: string): ItemKey {
  const { date, shard } = entryPartition(hid);
  return { pk: `${ENTRY_PREFIX}${date}#${shard}`, sk: hid };
}

export function topUpItemKey(id: string): ItemKey {
  return { pk: `${TOP_UP_PREFIX}${id}`, sk: ALONE };
}

/** The pot that a wallet's money lies in. */
export function walletPotKey(walletId: string): PotKey {
  return `wallet/${walletId}#life`;
}
