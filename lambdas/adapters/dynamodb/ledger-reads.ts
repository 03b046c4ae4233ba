/** What the ledger's store reads: single items, lanes by an index, and everything for reconciliation. */
import type { TopUpRecord } from '../../application/ports.ts';
import type { Entry } from '../../domain/entries.ts';
import type { LaneId, LaneState, PotKey, PotState } from '../../domain/pots.ts';
import type { PlainItem } from './attribute-values.ts';
import { readEntryItem } from './entry-items.ts';
import { readLaneId, readLaneItem, readPotItem, readTopUpItem } from './items.ts';
import { LedgerTable, type LedgerTableOptions } from './ledger-table.ts';
import {
  ENTRY_PREFIX,
  LANE_INDEXES,
  LANE_PREFIX,
  POT_PREFIX,
  TOP_UP_PREFIX,
  entryItemKey,
  laneItemKey,
  potItemKey,
} from './table.ts';

const INDEX_OF = { wallet: LANE_INDEXES[0], group: LANE_INDEXES[1], provider: LANE_INDEXES[2] } as const;

/** The reading half of the store on DynamoDB. */
export class LedgerReads {
  protected readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  async readPots(
    keys: readonly PotKey[],
    options: { readonly consistent?: boolean } = {},
  ): Promise<ReadonlyMap<PotKey, PotState>> {
    const items = await this.table.batchGet('readPots', keys.map(potItemKey), options.consistent ?? false);
    return new Map(items.map(readPotItem).map((state) => [state.key, state]));
  }

  async readLane(lane: LaneId, options: { readonly consistent?: boolean } = {}): Promise<LaneState | undefined> {
    const item = await this.table.get('readLane', laneItemKey(lane), options.consistent ?? false);
    return item && readLaneItem(item);
  }

  async readLanes(lanes: readonly LaneId[]): Promise<readonly LaneState[]> {
    const items = await this.table.batchGet('readLanes', lanes.map(laneItemKey), false);
    return items.map(readLaneItem);
  }

  async readEntry(hid: string): Promise<Entry | undefined> {
    const item = await this.table.get('readEntry', entryItemKey(hid), true);
    return item && readEntryItem(item);
  }

  async lanesOf(index: 'wallet' | 'group' | 'provider', id: string): Promise<readonly LaneId[]> {
    const { name, attribute } = INDEX_OF[index];
    const found: LaneId[] = [];
    const pages = this.table.query('lanesOf', {
      IndexName: name,
      KeyConditionExpression: '#owner = :id',
      ExpressionAttributeNames: { '#owner': attribute },
      ExpressionAttributeValues: { ':id': id },
    });
    for await (const page of pages) found.push(...page.map(readLaneId));
    return found;
  }

  /** Reads the wallet index: only lanes have its key, so it lists nothing else. */
  async *openLanes(): AsyncIterable<readonly LaneId[]> {
    const pages = this.table.scan('openLanes', { IndexName: LANE_INDEXES[0].name });
    for await (const page of pages) yield page.map(readLaneId);
  }

  allPots(): AsyncIterable<readonly PotState[]> {
    return this.all('allPots', POT_PREFIX, readPotItem);
  }

  allLanes(): AsyncIterable<readonly LaneState[]> {
    return this.all('allLanes', LANE_PREFIX, readLaneItem);
  }

  allEntries(): AsyncIterable<readonly Entry[]> {
    return this.all('allEntries', ENTRY_PREFIX, readEntryItem);
  }

  allTopUps(): AsyncIterable<readonly TopUpRecord[]> {
    return this.all('allTopUps', TOP_UP_PREFIX, readTopUpItem);
  }

  private async *all<T>(operation: string, prefix: string, read: (item: PlainItem) => T): AsyncIterable<readonly T[]> {
    const pages = this.table.scan(operation, {
      ConsistentRead: true,
      FilterExpression: 'begins_with(#pk, :prefix)',
      ExpressionAttributeNames: { '#pk': 'pk' },
      ExpressionAttributeValues: { ':prefix': prefix },
    });
    for await (const page of pages) yield page.map(read);
  }
}
