/** One stage on this machine: its books, its gateway on a loopback port, its keeper. Built once, with nothing of the other stage's. */
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { HttpProvider } from '../adapters/providers/http-provider.ts';
import { sha256Fingerprint } from '../adapters/system/system.ts';
import { Keeper } from '../application/keeper.ts';
import { LedgerPayments } from '../application/ledger-payments.ts';
import type { SecretSource } from '../application/ports.ts';
import { RouteHealth } from '../application/route-health.ts';
import { TopUpMismatchError, Wallets } from '../application/wallets.ts';
import { formatUsd } from '../domain/money.ts';
import type { Policy } from '../domain/policy.ts';
import { createGateway } from '../http/core.ts';
import { type NodeServer, startNodeServer } from '../http/node-entry.ts';
import { type Books, localTableOf, openBooks } from './books.ts';
import { InboxPublisher } from './inbox-publisher.ts';
import { type KeeperLoop, startKeeperLoop } from './keeper-loop.ts';
import { LocalError, hasCode } from './local-error.ts';
import { fixedPolicy } from './policies.ts';
import { terminalReporter } from './terminal-reporter.ts';

export interface LocalStageOptions {
  /** Its providers' addresses are those that are really called. */
  readonly policy: Policy;
  readonly client: DynamoDBDocumentClient;
  readonly secrets: SecretSource;
  readonly version: string;
  /** Overrides how long a hold stands, seconds. */
  readonly holdSeconds?: number;
  readonly write: (text: string) => void;
}

const KEEPER_EVERY_MS = 60_000;
/** What may still be waited for once the calls are over, and when there is no time. */
const WIND_UP_MS = 5_000;
const HURRIED_MS = 200;

export class LocalStage {
  readonly policy: Policy;
  readonly books: Books;
  private readonly payments: LedgerPayments;
  private readonly providers: HttpProvider;
  private readonly health: RouteHealth;
  private readonly options: LocalStageOptions;
  private server: NodeServer | undefined;
  private loop: KeeperLoop | undefined;

  constructor(options: LocalStageOptions) {
    const { policy, client, secrets, version, holdSeconds, write } = options;
    this.options = options;
    this.policy = policy;
    const reporter = terminalReporter(policy.stage, write);
    this.books = openBooks({ client, tableName: localTableOf(policy.stage), publisher: new InboxPublisher(write), reporter });
    const { store, desk, persistence } = this.books;
    this.payments = new LedgerPayments({
      store,
      alerts: desk,
      persistence,
      fingerprint: sha256Fingerprint,
      reporter,
      holdSeconds,
    });
    this.providers = new HttpProvider(secrets, reporter, version);
    this.health = new RouteHealth({ store: this.books.health, ...persistence, log: reporter });
  }

  /** Puts each wallet's monthly plan into it as demo money, once in the life of the home. */
  async giveDemoFunds(): Promise<void> {
    const { store, desk, persistence } = this.books;
    const wallets = new Wallets({ store, alerts: desk, persistence, formatUsd });
    for (const { teamId, planNanoUsdPerMonth } of this.policy.wallets) {
      if (planNanoUsdPerMonth <= 0n) continue;
      try {
        await wallets.fund(this.policy, teamId, planNanoUsdPerMonth, `demo-${teamId}`);
      } catch (error) {
        // The plan has changed since; the demo money was given and stays what it was.
        if (!(error instanceof TopUpMismatchError)) throw error;
      }
    }
  }

  /**
   * Opens the gateway and starts the keeper.
   * @param port 0 picks a free one
   * @param option the option that named the port, for the error
   * @throws LocalError when the port cannot be had
   */
  async open(port: number, option: string): Promise<NodeServer> {
    const { policy, books, payments, providers, health, options } = this;
    const policies = fixedPolicy(policy);
    const { clock, random } = books.persistence;
    const { version, holdSeconds } = options;
    const log = books.reporter;
    const gateway = createGateway({
      stage: policy.stage,
      version,
      policies,
      keys: books.keys,
      payments,
      rates: books.rates,
      answers: books.answers,
      providers,
      health,
      clock,
      random,
      log,
    });
    try {
      this.server = await startNodeServer(gateway, { port });
    } catch (error) {
      throw portError(error, port, option, policy.stage) ?? error;
    }
    this.loop = startKeeperLoop({
      keeper: new Keeper({ store: books.store, alerts: books.desk, persistence: books.persistence, reporter: log }),
      policies,
      clock,
      reporter: log,
      everyMs: holdSeconds === undefined ? KEEPER_EVERY_MS : Math.max(1_000, holdSeconds * 500),
    });
    return this.server;
  }

  /** No further calls; those in flight are finished and settled, for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const passOver = this.loop?.stop();
    await this.server?.stop(graceMs);
    const windUpMs = graceMs > 0 ? WIND_UP_MS : HURRIED_MS;
    await withinMs(Promise.all([this.payments.idle(), this.health.idle(), passOver]), windUpMs);
    await withinMs(this.providers.close(), windUpMs);
  }
}

function portError(error: unknown, port: number, option: string, stage: string): LocalError | undefined {
  if (hasCode(error, 'EADDRINUSE')) {
    const advice = `Stop what listens there, or choose another port: ${option} PORT (0 picks a free one).`;
    return new LocalError(`port ${port} (${option}, stage ${stage}) is in use`, advice, { cause: error });
  }
  if (hasCode(error, 'EACCES')) {
    return new LocalError(`port ${port} (${option}, stage ${stage}) may not be used`, `Choose one above 1023: ${option} PORT.`, {
      cause: error,
    });
  }
  return undefined;
}

/** Waits for work, but not for ever. */
async function withinMs(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
