/**
 * Both stages on this machine: the embedded database, simulated providers where a credential is missing, one gateway and
 * one keeper a stage. What was started is stopped again when a later step fails.
 */
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { createDynamoClient } from '../adapters/dynamodb/client.ts';
import { systemClock, systemRandom } from '../adapters/system/system.ts';
import type { Policy } from '../domain/policy.ts';
import { formatProblem } from '../policy/index.ts';
import type { BannerStage } from './banner.ts';
import { localTableOf } from './books.ts';
import { type Database, startDatabase } from './embedded-database.ts';
import { EnvironmentSecrets } from './environment-secrets.ts';
import { openHome } from './home.ts';
import { type PlainKeys, keysOfGroups } from './key-ring.ts';
import { LocalStage } from './local-stage.ts';
import { readLocalPolicy } from './policies.ts';
import { SimulatedProvider } from './simulated-provider.ts';
import { AWS_VARIABLE, type ProviderPlay, playProviders } from './simulation.ts';
import { LOCAL_STAGES, type LocalStageName } from './stage-names.ts';
import { packageVersion } from './version.ts';

export interface StartOptions {
  readonly home: string;
  /** Directory of dev.yaml and prod.yaml. */
  readonly policy: string;
  /** 0 picks a free port. */
  readonly ports: Readonly<Record<LocalStageName, number>>;
  readonly demoFunds: boolean;
  readonly holdSeconds?: number;
  /** Such as `process.env`. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Takes text for a person, line breaks included. */
  readonly write: (text: string) => void;
}

export interface RunningStages {
  readonly home: string;
  readonly database: Pick<Database, 'kind' | 'endpoint'>;
  readonly stages: readonly BannerStage[];
  readonly keys: PlainKeys;
  readonly plays: readonly ProviderPlay[];
  /**
   * Takes no more calls, lets those in flight finish and settle, then ends the database.
   * @param hurry when it resolves, nothing in flight is waited for any longer
   */
  stop(hurry: Promise<void>): Promise<void>;
}

/** Calls in flight may take so long at the end. */
const GRACE_MS = 30_000;
/** Quick, and slow enough to see a stream stream. */
const SIMULATED_PACE = { latencyMs: 50, chunkDelayMs: 10 };
/** A local database is slow under load, and a slow answer is better than an unknown outcome; one that hangs must be noticed. */
const DATABASE_TIMEOUT_MS = 4_000;

/**
 * Starts everything.
 * @throws PolicyError before anything is started; LocalError and the database's errors after everything was stopped again
 */
export async function startStages(options: StartOptions): Promise<RunningStages> {
  const policies = await readPolicies(options);
  const home = await openHome(options.home);
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close().catch(() => undefined);
  };
  try {
    const say = (line: string): void => options.write(`${line}\n`);
    const { database, client } = await openDatabase(home, say, closers);
    const secrets = new EnvironmentSecrets(options.variables);
    const version = packageVersion();
    const stages: LocalStage[] = [];
    const plays: ProviderPlay[] = [];
    for (const policy of policies) {
      const played = await playProviders(policy, secrets, options.variables[AWS_VARIABLE] === '1', () => simulate(closers));
      plays.push(...played.plays);
      const { holdSeconds, write } = options;
      const stage = new LocalStage({ policy: played.policy, client, secrets, version, holdSeconds, write });
      if (options.demoFunds) await stage.giveDemoFunds();
      stages.push(stage);
    }
    const ring = stages.map(({ policy, books }) => ({ policy, keys: books.keys }));
    const keys = await keysOfGroups(ring, { home, clock: systemClock, random: systemRandom, say });
    const opened: BannerStage[] = [];
    for (const [index, name] of LOCAL_STAGES.entries()) {
      const stage = stages[index];
      if (stage === undefined) continue;
      // First the stage, then what it stands on: closers run backwards.
      closers.push(() => stage.close(0));
      const server = await stage.open(options.ports[name], `--${name}-port`);
      opened.push({ stage: name, baseUrl: server.url, models: modelsOf(stage.policy) });
    }
    const stop = async (hurry: Promise<void>): Promise<void> => {
      await Promise.race([Promise.all(stages.map((stage) => stage.close(GRACE_MS))), hurry]);
      await closeAll();
    };
    return { home, database, stages: opened, keys, plays, stop };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function readPolicies({ policy, write }: StartOptions): Promise<readonly Policy[]> {
  const policies: Policy[] = [];
  for (const stage of LOCAL_STAGES) {
    const loaded = await readLocalPolicy(policy, stage, systemClock.now());
    for (const warning of loaded.warnings) write(`warning: ${formatProblem(warning)}\n`);
    policies.push(loaded.policy);
  }
  return policies;
}

async function openDatabase(
  home: string,
  warn: (line: string) => void,
  closers: (() => Promise<void>)[],
): Promise<{ readonly database: Database; readonly client: DynamoDBDocumentClient }> {
  const database = await startDatabase({ home, tables: LOCAL_STAGES.map(localTableOf), warn });
  closers.push(() => database.stop());
  const client = createDynamoClient({ endpoint: database.endpoint, requestTimeoutMs: DATABASE_TIMEOUT_MS });
  closers.push(async () => client.destroy());
  return { database, client };
}

/** A server of its own for each provider of each stage: a fault given to one shows how a route goes on to the next. */
async function simulate(closers: (() => Promise<void>)[]): Promise<string> {
  const provider = new SimulatedProvider(SIMULATED_PACE);
  await provider.start();
  closers.push(() => provider.stop());
  return provider.baseUrl;
}

/** A model for each group that it may ask for. */
function modelsOf(policy: Policy): Readonly<Record<string, string>> {
  return Object.fromEntries(
    policy.consumerGroups.flatMap(({ name, models }) => (models[0] === undefined ? [] : [[name, models[0]]])),
  );
}
