/**
 * The log of alerts on DynamoDB. A marker of its own for each id makes the log idempotent, whatever time a repeat carries; it
 * is written together with the alert, which lies in one partition sorted by time.
 */
import type { AlertLog } from '../../application/ports.ts';
import type { Alert } from '../../domain/alerts.ts';
import type { PlainItem } from './attribute-values.ts';
import { ItemReader } from './item-reader.ts';
import { LedgerTable, type LedgerTableOptions } from './ledger-table.ts';

const PARTITION = 'ALERTS';
const RETENTION_SECONDS = 400 * 86_400;

/** The alert log of a stage, in the ledger's table. */
export class DynamoAlertLog implements AlertLog {
  private readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  async record(alert: Alert): Promise<void> {
    const marker = { pk: `ALERT#${alert.alertId}`, sk: '-' };
    const ttl = Math.ceil(Date.parse(alert.raisedAt) / 1000) + RETENTION_SECONDS;
    if (!Number.isSafeInteger(ttl)) throw new RangeError(`the alert ${alert.alertId} has no time: '${alert.raisedAt}'`);
    const done = await this.table.transact('recordAlert', [
      this.table.putItem({ ...marker, deliveries: 1, ttl }, 'attribute_not_exists(#pk)'),
      this.table.putItem(
        { pk: PARTITION, sk: `${alert.raisedAt}#${alert.alertId}`, alert: JSON.stringify(alert), ttl },
        'attribute_not_exists(#pk)',
      ),
    ]);
    if (done.ok) return;
    await this.table.update('recordAlert', marker, { update: ['ADD #deliveries :one'], values: { one: 1 } });
  }

  async list(limit: number): Promise<readonly Alert[]> {
    const alerts: Alert[] = [];
    const pages = this.table.query('listAlerts', {
      ConsistentRead: true,
      ScanIndexForward: false,
      Limit: Math.max(1, limit),
      KeyConditionExpression: '#pk = :alerts',
      ExpressionAttributeNames: { '#pk': 'pk' },
      ExpressionAttributeValues: { ':alerts': PARTITION },
    });
    for await (const page of pages) {
      alerts.push(...page.map(readAlertItem));
      if (alerts.length >= limit) break;
    }
    return alerts.slice(0, limit);
  }

  /** How often an alert was delivered; 0 when it never was. */
  async deliveries(alertId: string): Promise<number> {
    const item = await this.table.get('readAlert', { pk: `ALERT#${alertId}`, sk: '-' }, true);
    return item ? new ItemReader(item).integer('deliveries') : 0;
  }
}

function readAlertItem(item: PlainItem): Alert {
  const reader = new ItemReader(item);
  const stored = parseJson(reader.text('alert'));
  return isAlert(stored) ? stored : reader.damaged(`'alert' is no alert`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAlert(value: unknown): value is Alert {
  if (typeof value !== 'object' || value === null) return false;
  const texts = ['alertId', 'stage', 'kind', 'severity', 'subject', 'title', 'action', 'raisedAt'];
  const fields = new Map(Object.entries(value));
  return texts.every((name) => typeof fields.get(name) === 'string');
}
