/** What stands on one stage's table: the ledger, its keys and its alerts. Made from a table's name, and from no other stage's. */
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { DynamoAlertLog } from '../adapters/dynamodb/alert-log.ts';
import { DynamoAnswerStore } from '../adapters/dynamodb/answer-store.ts';
import { DynamoHealthStore } from '../adapters/dynamodb/health-store.ts';
import { DynamoKeyStore } from '../adapters/dynamodb/key-store.ts';
import { DynamoLedgerStore } from '../adapters/dynamodb/ledger-store.ts';
import { DynamoRateStore } from '../adapters/dynamodb/rate-store.ts';
import { sha256Hex, systemClock, systemRandom } from '../adapters/system/system.ts';
import { AlertDesk, type Reporter } from '../application/alert-desk.ts';
import { KeptAnswers } from '../application/kept-answers.ts';
import type { Persistence } from '../application/persistence.ts';
import type { AlertLog, AlertPublisher, KeyStore, LedgerStore } from '../application/ports.ts';
import { RateLimiter } from '../application/rate-limiter.ts';
import type { HealthStore } from '../application/ports-health.ts';

export interface BooksOptions {
  readonly client: DynamoDBDocumentClient;
  readonly tableName: string;
  readonly publisher: AlertPublisher;
  readonly reporter: Reporter;
}

export interface Books {
  readonly store: LedgerStore;
  readonly keys: KeyStore;
  readonly rates: RateLimiter;
  readonly answers: KeptAnswers;
  readonly health: HealthStore;
  readonly alertLog: AlertLog;
  readonly desk: AlertDesk;
  readonly persistence: Persistence;
  readonly reporter: Reporter;
}

/** Name of a local stage's table. */
export function localTableOf(stage: string): string {
  return `tollgate-${stage}`;
}

/** Opens a stage's books on the machine's own clock and randomness. */
export function openBooks({ client, tableName, publisher, reporter }: BooksOptions): Books {
  const store = new DynamoLedgerStore({ client, tableName });
  const alertLog = new DynamoAlertLog({ client, tableName });
  const persistence: Persistence = { clock: systemClock, random: systemRandom };
  return {
    store,
    keys: new DynamoKeyStore({ client, tableName }),
    rates: new RateLimiter(new DynamoRateStore({ client, tableName }), persistence, reporter),
    answers: new KeptAnswers(new DynamoAnswerStore({ client, tableName }), persistence, sha256Hex, reporter),
    health: new DynamoHealthStore({ client, tableName }),
    alertLog,
    desk: new AlertDesk({ store, publisher, log: alertLog, persistence, reporter }),
    persistence,
    reporter,
  };
}
