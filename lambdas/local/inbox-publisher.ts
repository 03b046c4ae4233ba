/**
 * Where a local stage's alerts go: the log in the table keeps them (`tollgate alerts list`), and whoever watches the
 * terminal reads them at once.
 */
import type { AlertPublisher } from '../application/ports.ts';
import { alertText } from '../domain/alert-text.ts';
import type { Alert } from '../domain/alerts.ts';

export class InboxPublisher implements AlertPublisher {
  private readonly write: (text: string) => void;

  /** @param write takes the text of one alert, its line break included */
  constructor(write: (text: string) => void) {
    this.write = write;
  }

  async publish(alert: Alert): Promise<void> {
    this.write(`\n${alertText(alert)}\n`);
  }
}
