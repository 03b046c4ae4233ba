/** The keeper's Lambda entry: one pass of the ledger's housekeeper, which ends before the function does. */
import type { Context } from 'aws-lambda';
import { systemClock } from '../adapters/system/system.ts';
import { Keeper, type KeeperReport } from '../application/keeper.ts';
import { readEnvironment } from '../environment.ts';
import { createLogger, createStage } from '../stage.ts';

/** Kept back at the end of the run for the page under way and the last alerts, ms. */
const MARGIN_MS = 15_000;

const environment = readEnvironment(process.env);
const logger = createLogger(environment, 'keeper');
const { store, alerts, policies, persistence, log } = createStage(environment, logger);
const keeper = new Keeper({ store, alerts, persistence, reporter: log });

/** Runs one pass and returns what it did. @throws when the policy or the ledger cannot be read: the next minute tries again */
export async function handler(_event: unknown, context: Context): Promise<KeeperReport> {
  context.callbackWaitsForEmptyEventLoop = false;
  logger.addContext(context);
  const until = systemClock.now() + context.getRemainingTimeInMillis() - MARGIN_MS;
  const policy = await policies.current();
  let report: KeeperReport;
  try {
    report = await keeper.pass(policy, until);
  } finally {
    // That of a broken policy may be under way.
    await alerts.idle();
  }
  const fields = { ...report };
  if (report.drifted > 0) log.error('lanes do not add up: run tollgate ledger verify', fields);
  else if (!report.complete || report.unfinished > 0) log.warn('the pass was not finished; the next one goes on', fields);
  else log.info('pass', fields);
  return report;
}
