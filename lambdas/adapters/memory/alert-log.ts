/** The log of alerts in memory, for tests and simulations. */
import type { AlertLog } from '../../application/ports.ts';
import type { Alert } from '../../domain/alerts.ts';

/** Keeps the first alert of an id and counts its deliveries. */
export class MemoryAlertLog implements AlertLog {
  private readonly kept = new Map<string, { readonly alert: Alert; deliveries: number }>();

  async record(alert: Alert): Promise<void> {
    const known = this.kept.get(alert.alertId);
    if (known) known.deliveries += 1;
    else this.kept.set(alert.alertId, { alert, deliveries: 1 });
  }

  async list(limit: number): Promise<readonly Alert[]> {
    return [...this.kept.values()]
      .map(({ alert }) => alert)
      .toSorted((a, b) => compare(sortKey(b), sortKey(a)))
      .slice(0, limit);
  }

  /** How often an alert was delivered; 0 when it never was. */
  deliveries(alertId: string): number {
    return this.kept.get(alertId)?.deliveries ?? 0;
  }
}

function sortKey(alert: Alert): string {
  return `${alert.raisedAt}#${alert.alertId}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
