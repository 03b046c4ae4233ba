/**
 * Tollgate as the benchmark runs it, a process of its own: the Node entry, the policy of a service stage, and either the slowed
 * in-memory store or the embedded database. Arguments: `memory|database`, the provider's base URL, a directory of its own.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import { MemoryHealthStore } from '../../lambdas/adapters/memory/health-store.ts';
import { MemoryKeyStore } from '../../lambdas/adapters/memory/key-store.ts';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import { HttpProvider } from '../../lambdas/adapters/providers/http-provider.ts';
import { sha256Fingerprint, sha256Hex, systemClock, systemRandom } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { KeptAnswers } from '../../lambdas/application/kept-answers.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import { RateLimiter } from '../../lambdas/application/rate-limiter.ts';
import { RouteHealth } from '../../lambdas/application/route-health.ts';
import { Wallets } from '../../lambdas/application/wallets.ts';
import { makeApiKey } from '../../lambdas/domain/api-keys.ts';
import { formatUsd, parseUsd } from '../../lambdas/domain/money.ts';
import { createGateway } from '../../lambdas/http/core.ts';
import { startNodeServer } from '../../lambdas/http/node-entry.ts';
import { type Books, localTableOf, openBooks } from '../../lambdas/local/books.ts';
import { startDatabase } from '../../lambdas/local/embedded-database.ts';
import { EnvironmentSecrets } from '../../lambdas/local/environment-secrets.ts';
import { fixedPolicy, readLocalPolicy } from '../../lambdas/local/policies.ts';
import { terminalReporter } from '../../lambdas/local/terminal-reporter.ts';
import { benchPolicy } from './policy.ts';
import { slowLedgerStore } from './slow-ledger-store.ts';

/** What the process tells when it is ready. */
export interface GatewayReady {
  readonly url: string;
  readonly key: string;
}

/** What it answers to `{ memory: true }`. */
export interface GatewayMemory {
  readonly rssBytes: number;
  /** What is still there after a full collection, where Node has `--expose-gc`. */
  readonly collectedRssBytes: number;
  readonly collectedHeapBytes: number;
}

const [storeKind = 'memory', providerUrl = '', directory = ''] = process.argv.slice(2);
const STAGE = 'prod';

// The line of every call is made and written, as `npm start` does; only nobody reads it.
const { openSync, writeSync } = await import('node:fs');
const nowhere = openSync('/dev/null', 'w');
const reporter = terminalReporter(STAGE, (line) => {
  writeSync(nowhere, line);
});

const closers: (() => Promise<unknown>)[] = [];

async function books(): Promise<Books> {
  const publisher = { publish: () => Promise.resolve() };
  if (storeKind === 'database') {
    const database = await startDatabase({ home: directory, tables: [localTableOf(STAGE)] });
    closers.push(() => database.stop());
    const client = createDynamoClient({ endpoint: database.endpoint, requestTimeoutMs: 10_000 });
    closers.push(() => Promise.resolve(client.destroy()));
    return openBooks({ client, tableName: localTableOf(STAGE), publisher, reporter });
  }
  const store = slowLedgerStore();
  const alertLog = new MemoryAlertLog();
  const persistence = { clock: systemClock, random: systemRandom };
  const desk = new AlertDesk({ store, publisher, log: alertLog, persistence, reporter });
  return {
    store,
    rates: new RateLimiter(new MemoryRateStore(), persistence, reporter),
    health: new MemoryHealthStore(),
    answers: new KeptAnswers(new MemoryAnswerStore(), persistence, sha256Hex, reporter),
    keys: new MemoryKeyStore(),
    alertLog,
    desk,
    persistence,
    reporter,
  };
}

await writeFile(path.join(directory, `${STAGE}.yaml`), benchPolicy(STAGE, providerUrl));
const { policy } = await readLocalPolicy(directory, STAGE, systemClock.now());
const { store, rates, health, answers, keys, desk, persistence } = await books();
await new Wallets({ store, alerts: desk, persistence, formatUsd }).fund(policy, 'team', parseUsd('1000000.00'), 'bench');
const key = makeApiKey(STAGE, (length) => systemRandom.id(length));
const sha256 = createHash('sha256').update(key).digest('hex');
await keys.create({ id: sha256.slice(0, 12), sha256, group: 'apps', createdEpochMs: systemClock.now() });

const payments = new LedgerPayments({ store, alerts: desk, persistence, fingerprint: sha256Fingerprint, reporter });
const providers = new HttpProvider(new EnvironmentSecrets({ BENCH_API_KEY: 'sk-bench' }), reporter, 'bench');
const gateway = createGateway({
  stage: STAGE,
  version: 'bench',
  policies: fixedPolicy(policy),
  keys,
  rates,
  answers,
  health: new RouteHealth({ store: health, ...persistence, log: reporter }),
  payments,
  providers,
  clock: systemClock,
  random: systemRandom,
  log: reporter,
});
const server = await startNodeServer(gateway, { port: 0 });

async function stop(): Promise<void> {
  await server.stop(5_000);
  await payments.idle();
  await providers.close();
  for (const close of closers.toReversed()) await close();
  process.exit(0);
}

process.once('SIGTERM', () => void stop());
process.once('disconnect', () => void stop());
process.on('message', () => {
  const { rss } = process.memoryUsage();
  globalThis.gc?.();
  const collected = process.memoryUsage();
  process.send?.({
    rssBytes: rss,
    collectedRssBytes: collected.rss,
    collectedHeapBytes: collected.heapUsed,
  } satisfies GatewayMemory);
});
process.send?.({ url: server.url, key } satisfies GatewayReady);
