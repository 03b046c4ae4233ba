/** `tollgate wallet`: what is in the wallets, money in, money out. */
import type { Command } from 'commander';
import type { PotStatement } from '../../lambdas/application/payments.ts';
import { Wallets } from '../../lambdas/application/wallets.ts';
import { type NanoUsd, formatUsd, parseUsd } from '../../lambdas/domain/money.ts';
import { type StageOptions, onStage, theStage } from './options.ts';
import { usageError } from './outcome.ts';
import { type StageAccess, withStages } from './stage-access.ts';
import { type AskOptions, type Terminal, confirm, printJson, printTable } from './terminal.ts';

interface MoveOptions extends StageOptions, AskOptions {
  readonly usd: string;
  readonly id: string;
  readonly dryRun?: boolean;
}

const MAX_ID_LENGTH = 128;

export function addTo(program: Command, terminal: Terminal): void {
  const wallet = program
    .command('wallet')
    .summary('show wallets, put money in and take it out')
    .description('Show wallets, put money in and take it out.');
  onStage(wallet.command('list').description('Every wallet of a stage: funded, spent, held, left.')).action(
    (options: StageOptions) => withStages([theStage(options)], options, terminal, (access) => list(access, options, terminal)),
  );
  onStage(wallet.command('show').argument('<team>', 'team_id of the wallet').description('One wallet.')).action(
    (team: string, options: StageOptions) =>
      withStages([theStage(options)], options, terminal, (access) => show(access, team, options, terminal)),
  );
  const move = (direction: 'fund' | 'withdraw', description: string): void => {
    const command = wallet.command(direction).argument('<team>', 'team_id of the wallet').description(description);
    onStage(command)
      .requiredOption('--usd <amount>', 'how much, such as 25.00')
      .requiredOption('--id <unique>', 'names this movement: the same id moves money once, however often it is asked for')
      .option('--dry-run', 'say what would be done, and do nothing')
      .option('--yes', 'do not ask')
      .option('--no-input', 'never ask: fail where a yes is needed')
      .action((team: string, options: MoveOptions) => {
        const stage = theStage(options);
        const amount = amountOf(options);
        return withStages([stage], options, terminal, (access) => moveMoney(access, direction, team, amount, options, terminal));
      });
  };
  move('fund', 'Put money into a wallet, once per id.');
  move('withdraw', 'Take free money out of a wallet, once per id.');
}

function amountOf({ usd, id }: MoveOptions): NanoUsd {
  const amount = parseUsd(usd);
  if (amount <= 0n) throw usageError(`--usd ${usd} is not above zero`, 'To take money out, use wallet withdraw.');
  if (!/^[\x21-\x7e]+$/.test(id) || id.length > MAX_ID_LENGTH) {
    throw usageError('--id is a word of at most 128 visible ASCII characters', 'Such as --id 2026-11-team-dev-1.');
  }
  return amount;
}

async function list(access: StageAccess, options: StageOptions, terminal: Terminal): Promise<void> {
  const wallets = walletsOf(access);
  const rows: { readonly team: string; readonly plan: NanoUsd; readonly statement: PotStatement }[] = [];
  for (const { teamId, planNanoUsdPerMonth } of access.policy.wallets) {
    rows.push({ team: teamId, plan: planNanoUsdPerMonth, statement: await wallets.show(access.policy, teamId) });
  }
  if (options.json === true) {
    printJson(
      terminal,
      rows.map((row) => figures(access.stage, row.team, row.statement, row.plan)),
    );
    return;
  }
  if (rows.length === 0) terminal.say(`stage ${access.stage} has no wallets`);
  else {
    printTable(
      terminal,
      ['WALLET', 'FUNDED', 'SPENT', 'HELD', 'LEFT', 'PLAN A MONTH'],
      rows.map(({ team, plan, statement }) => [team, ...amounts(statement), formatUsd(plan)]),
    );
  }
}

async function show(access: StageAccess, team: string, options: StageOptions, terminal: Terminal): Promise<void> {
  const statement = await walletsOf(access).show(access.policy, team);
  const plan = access.policy.wallets.find((wallet) => wallet.teamId === team)?.planNanoUsdPerMonth ?? 0n;
  if (options.json === true) {
    printJson(terminal, figures(access.stage, team, statement, plan));
    return;
  }
  const [funded = '', spent = '', held = '', left = ''] = amounts(statement);
  const groups = access.policy.consumerGroups.filter((group) => [group.walletTeamId, ...group.funding].includes(team));
  printTable(
    terminal,
    ['WALLET', team],
    [
      ['stage', access.stage],
      ['funded', funded],
      ['spent', spent],
      ['held', held],
      ['left', left],
      ['plan a month', formatUsd(plan)],
      ['blocks when empty', statement.hard ? 'yes' : 'no'],
      ['pays for', groups.map((group) => group.name).join(', ') || 'no group'],
    ],
  );
}

async function moveMoney(
  access: StageAccess,
  direction: 'fund' | 'withdraw',
  team: string,
  amount: NanoUsd,
  options: MoveOptions,
  terminal: Terminal,
): Promise<void> {
  const wallets = walletsOf(access);
  const words = `${direction === 'fund' ? 'put' : 'take'} $${formatUsd(amount)} ${direction === 'fund' ? 'into' : 'out of'} wallet ${team} of stage ${access.stage}`;
  // An unknown wallet is told before anybody is asked anything.
  const before = await wallets.show(access.policy, team);
  if (options.dryRun === true) {
    terminal.say(`would ${words}; it has $${formatUsd(before.leftNanoUsd)} left now. Nothing was done (--dry-run).`);
    if (options.json === true)
      printJson(terminal, { ...figures(access.stage, team, before), moved: false, dryRun: true, id: options.id });
    return;
  }
  if (!access.local && access.stage === 'prod') await confirm(terminal, `${words}?`, options);
  const moved =
    direction === 'fund'
      ? await wallets.fund(access.policy, team, amount, options.id)
      : await wallets.withdraw(access.policy, team, amount, options.id);
  const after = await wallets.show(access.policy, team);
  if (options.json === true) printJson(terminal, { ...figures(access.stage, team, after), moved, id: options.id });
  const done = moved ? `done: ${words}` : `id ${options.id} had moved this money before; nothing moved now`;
  terminal.say(`${done}. Left: $${formatUsd(after.leftNanoUsd)}.`);
}

function walletsOf({ store, desk, persistence }: StageAccess): Wallets {
  return new Wallets({ store, alerts: desk, persistence, formatUsd });
}

function amounts(statement: PotStatement): readonly string[] {
  return [statement.limitNanoUsd, statement.spentNanoUsd, statement.heldNanoUsd, statement.leftNanoUsd].map(formatUsd);
}

function figures(stage: string, team: string, statement: PotStatement, plan?: NanoUsd) {
  return {
    stage,
    wallet: team,
    fundedUsd: formatUsd(statement.limitNanoUsd),
    spentUsd: formatUsd(statement.spentNanoUsd),
    heldUsd: formatUsd(statement.heldNanoUsd),
    leftUsd: formatUsd(statement.leftNanoUsd),
    hard: statement.hard,
    planUsdPerMonth: plan === undefined ? undefined : formatUsd(plan),
  };
}
