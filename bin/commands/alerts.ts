/** `tollgate alerts`: what thresholds and blocks have told. */
import type { Command } from 'commander';
import { type StageOptions, onStage, theStage, wholeNumber } from './options.ts';
import { type StageAccess, withStages } from './stage-access.ts';
import { type Terminal, printJson, printTable } from './terminal.ts';

interface ListOptions extends StageOptions {
  readonly limit: number;
}

export function addTo(program: Command, terminal: Terminal): void {
  const alerts = program.command('alerts').summary('read the alerts of a stage').description('Read the alerts of a stage.');
  onStage(alerts.command('list').description('The latest alerts, newest first.'))
    .option('--limit <n>', 'at most so many', wholeNumber('--limit', 1, 1_000), 50)
    .action((options: ListOptions) =>
      withStages([theStage(options)], options, terminal, (access) => list(access, options, terminal)),
    );
}

async function list({ alertLog, stage }: StageAccess, options: ListOptions, terminal: Terminal): Promise<void> {
  const alerts = await alertLog.list(options.limit);
  if (options.json === true) {
    printJson(terminal, alerts);
    return;
  }
  if (alerts.length === 0) {
    terminal.say(`stage ${stage} has raised no alert`);
    return;
  }
  printTable(
    terminal,
    ['RAISED AT', 'KIND', 'WHAT', 'PERCENT', 'SPENT', 'LIMIT', 'TOLD'],
    alerts.map((alert) => [
      alert.raisedAt.slice(0, 19).replace('T', ' '),
      alert.kind,
      alert.subject,
      alert.percent === undefined ? '' : `${alert.percent} %`,
      alert.spentUsd ?? '',
      alert.limitUsd ?? '',
      alert.mergedInto === undefined ? 'by itself' : 'with a higher one',
    ]),
  );
}
