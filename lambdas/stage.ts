/** What every function of a deployed stage is built from: its ledger, its alerts, its policy, its log. Built once per process. */
import { Logger } from '@aws-lambda-powertools/logger';
import { DynamoAlertLog } from './adapters/dynamodb/alert-log.ts';
import { DynamoAnswerStore } from './adapters/dynamodb/answer-store.ts';
import { createDynamoClient } from './adapters/dynamodb/client.ts';
import { DynamoHealthStore } from './adapters/dynamodb/health-store.ts';
import { DynamoKeyStore } from './adapters/dynamodb/key-store.ts';
import { DynamoLedgerStore } from './adapters/dynamodb/ledger-store.ts';
import { DynamoRateStore } from './adapters/dynamodb/rate-store.ts';
import { SnsAlertPublisher } from './adapters/sns/alert-publisher.ts';
import { SsmPolicySource } from './adapters/ssm/policy-source.ts';
import { sha256Hex, systemClock, systemRandom } from './adapters/system/system.ts';
import { AlertDesk } from './application/alert-desk.ts';
import { KeptAnswers } from './application/kept-answers.ts';
import type { Persistence } from './application/persistence.ts';
import type { KeyStore, LedgerStore, PolicySource } from './application/ports.ts';
import { RateLimiter } from './application/rate-limiter.ts';
import type { HealthStore } from './application/ports-health.ts';
import type { Environment } from './environment.ts';
import { fromParameters } from './policy/parameters.ts';

/** Writes structured lines with ids and codes, never prompts, keys or whole events. */
export interface StageLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface Stage {
  readonly store: LedgerStore;
  readonly keys: KeyStore;
  readonly rates: RateLimiter;
  readonly health: HealthStore;
  readonly answers: KeptAnswers;
  readonly alerts: AlertDesk;
  readonly policies: PolicySource;
  readonly persistence: Persistence;
  readonly log: StageLog;
}

/** A deployment leaves a set half written for seconds; what lasts longer is broken. */
const BROKEN_POLICY_ALERT_MS = 120_000;

/** The logger of a stage's function. */
export function createLogger(environment: Environment, serviceName: string): Logger {
  return new Logger({ serviceName, logLevel: environment.logLevel, persistentKeys: { stage: environment.stage } });
}

/** Connects a function to its stage. Nothing is called yet. */
export function createStage(environment: Environment, logger: Logger): Stage {
  const log = stageLog(logger);
  const persistence = { clock: systemClock, random: systemRandom };
  const table = { client: createDynamoClient(), tableName: environment.table };
  const store = new DynamoLedgerStore(table);
  const alerts = new AlertDesk({
    store,
    publisher: new SnsAlertPublisher({ topicArn: environment.alertTopicArn }),
    log: new DynamoAlertLog(table),
    persistence,
    reporter: log,
  });
  const policies = new SsmPolicySource({
    prefix: environment.parameterPrefix,
    decode: (values) => fromParameters(values, environment.stage),
    clock: systemClock,
    recover: async () => {
      // Only a broken set needs the versions: loaded then.
      const [{ PolicyParameters }, { lastWholePolicy }] = await Promise.all([
        import('./adapters/ssm/policy-parameters.ts'),
        import('./policy/former-policy.ts'),
      ]);
      return lastWholePolicy(new PolicyParameters(environment.parameterPrefix), environment.stage);
    },
    onProblem: (reason, standing) => {
      if (standing === undefined) {
        log.error('no policy could be loaded', { reason });
        return;
      }
      log.warn('the policy could not be refreshed; the last good one stays in force', { reason });
      if (standing.brokenForMs >= BROKEN_POLICY_ALERT_MS) void alerts.brokenPolicy(standing.policy, reason);
    },
  });
  const rates = new RateLimiter(new DynamoRateStore(table), persistence, log);
  const health = new DynamoHealthStore(table);
  const answers = new KeptAnswers(new DynamoAnswerStore(table), persistence, sha256Hex, log);
  return { store, keys: new DynamoKeyStore(table), rates, health, answers, alerts, policies, persistence, log };
}

function stageLog(logger: Logger): StageLog {
  return {
    info: (message, fields = {}) => logger.info(message, { ...fields }),
    warn: (message, fields = {}) => logger.warn(message, { ...fields }),
    error: (message, fields = {}) => logger.error(message, { ...fields }),
  };
}
