/** API keys on DynamoDB: one partition, one item per key's hash. The key itself is stored nowhere. */
import type { ApiKey, KeyStore } from '../../application/ports.ts';
import type { PlainItem } from './attribute-values.ts';
import { ItemReader } from './item-reader.ts';
import { LedgerTable, type LedgerTableOptions } from './ledger-table.ts';

const PARTITION = 'KEYS';

/** The key store of a stage, in the ledger's table. */
export class DynamoKeyStore implements KeyStore {
  private readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  /** Strongly consistent: a key works from the moment it was made. Callers cache the answer. */
  async find(sha256: string): Promise<ApiKey | undefined> {
    const item = await this.table.get('findKey', { pk: PARTITION, sk: sha256 }, true);
    return item && readKeyItem(item);
  }

  async create(key: ApiKey): Promise<boolean> {
    const done = await this.table.put('createKey', keyItem(key), 'attribute_not_exists(#pk)');
    return done.ok;
  }

  async revoke(id: string, nowEpochMs: number): Promise<boolean> {
    const found = (await this.list()).filter((key) => key.id === id);
    for (const { sha256 } of found) {
      await this.table.update(
        'revokeKey',
        { pk: PARTITION, sk: sha256 },
        {
          update: ['SET #revoked = if_not_exists(#revoked, :now)'],
          condition: 'attribute_exists(#pk)',
          values: { now: nowEpochMs },
        },
      );
    }
    return found.length > 0;
  }

  async list(): Promise<readonly ApiKey[]> {
    const keys: ApiKey[] = [];
    const pages = this.table.query('listKeys', {
      ConsistentRead: true,
      KeyConditionExpression: '#pk = :keys',
      ExpressionAttributeNames: { '#pk': 'pk' },
      ExpressionAttributeValues: { ':keys': PARTITION },
    });
    for await (const page of pages) keys.push(...page.map(readKeyItem));
    return keys;
  }
}

function keyItem(key: ApiKey): PlainItem {
  return {
    pk: PARTITION,
    sk: key.sha256,
    id: key.id,
    group: key.group,
    user: key.user,
    note: key.note,
    created: key.createdEpochMs,
    expires: key.expiresEpochMs,
    revoked: key.revokedEpochMs,
  };
}

function readKeyItem(item: PlainItem): ApiKey {
  const reader = new ItemReader(item);
  const user = reader.optionalText('user');
  const note = reader.optionalText('note');
  const expiresEpochMs = reader.optionalInteger('expires');
  const revokedEpochMs = reader.optionalInteger('revoked');
  return {
    id: reader.text('id'),
    sha256: reader.sk,
    group: reader.text('group'),
    createdEpochMs: reader.integer('created'),
    ...(user === undefined ? {} : { user }),
    ...(note === undefined ? {} : { note }),
    ...(expiresEpochMs === undefined ? {} : { expiresEpochMs }),
    ...(revokedEpochMs === undefined ? {} : { revokedEpochMs }),
  };
}
