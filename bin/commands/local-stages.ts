/**
 * The local stages as the operator's commands reach them: through the database of `npm start` while it runs on that home,
 * else through one that lives as long as the command.
 */
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { systemClock } from '../../lambdas/adapters/system/system.ts';
import { localTableOf, openBooks } from '../../lambdas/local/books.ts';
import { startDatabase } from '../../lambdas/local/embedded-database.ts';
import { openHome } from '../../lambdas/local/home.ts';
import { InboxPublisher } from '../../lambdas/local/inbox-publisher.ts';
import { readLocalPolicy } from '../../lambdas/local/policies.ts';
import { LOCAL_STAGES } from '../../lambdas/local/stage-names.ts';
import { terminalReporter } from '../../lambdas/local/terminal-reporter.ts';
import type { StageOptions } from './options.ts';
import type { StageAccess } from './stage-access.ts';
import type { Terminal } from './terminal.ts';

const DATABASE_TIMEOUT_MS = 10_000;

export async function withLocalStages(
  stages: readonly string[],
  options: StageOptions,
  terminal: Terminal,
  work: (access: StageAccess) => Promise<void>,
): Promise<void> {
  // The policies first: a mistake in them is told before anything is started.
  const loaded = [];
  for (const stage of stages) loaded.push(await readLocalPolicy(options.policy, stage, systemClock.now()));
  const home = await openHome(options.home);
  const database = await startDatabase({ home, tables: LOCAL_STAGES.map(localTableOf) });
  const unlisten = onSignals(() => database.stop());
  const client = createDynamoClient({ endpoint: database.endpoint, requestTimeoutMs: DATABASE_TIMEOUT_MS });
  const write = (text: string): void => terminal.say(text.trimEnd());
  try {
    for (const { policy } of loaded) {
      const reporter = terminalReporter(policy.stage, write);
      const books = openBooks({ client, tableName: localTableOf(policy.stage), publisher: new InboxPublisher(write), reporter });
      await work({ stage: policy.stage, local: true, policy, ...books });
    }
  } finally {
    client.destroy();
    await database.stop();
    unlisten();
  }
}

/** Ctrl-C ends the database that this command started, too. */
function onSignals(stop: () => Promise<void>): () => void {
  const end = (): void => {
    void stop().finally(() => process.exit(130));
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  return () => {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  };
}
