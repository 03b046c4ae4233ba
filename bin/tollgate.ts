#!/usr/bin/env node
/**
 * The operator's command line and `npm start`. Only the family of commands that was asked for is loaded, so that help and
 * mistakes answer at once.
 */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../lambdas/local/version.ts';
import { explainError } from './commands/explain-error.ts';
import { refuseEmptyOptions } from './commands/options.ts';
import { EXIT } from './commands/outcome.ts';
import { type Terminal, processTerminal } from './commands/terminal.ts';

interface Family {
  readonly summary: string;
  readonly load: () => Promise<{ readonly addTo: (program: Command, terminal: Terminal) => void }>;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  start: { summary: 'start both stages on this machine', load: () => import('./commands/start.ts') },
  policy: { summary: 'check, show and split policies', load: () => import('./commands/policy.ts') },
  wallet: { summary: 'show wallets, put money in and take it out', load: () => import('./commands/wallet.ts') },
  keys: { summary: 'create, list and revoke API keys', load: () => import('./commands/keys.ts') },
  alerts: { summary: 'read the alerts of a stage', load: () => import('./commands/alerts.ts') },
  ledger: { summary: 'prove the ledger, or run one pass of its keeper', load: () => import('./commands/ledger.ts') },
};

const FOOTER = `
Exit codes: 0 ok, 1 error, 2 usage, 3 credentials, 4 policy violated.
On AWS, commands use your own credentials (AWS_PROFILE, AWS_REGION); --local means the stages of npm start.
Example: npx tollgate wallet list --stage dev --local`;

async function main(words: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  try {
    const program = new Command('tollgate')
      .description('An AI gateway that pays for every request before it leaves.')
      .version(packageVersion(), '--version', 'print the version')
      .helpOption('-h, --help', 'print help')
      .addHelpText('after', FOOTER)
      .showSuggestionAfterError(true)
      .exitOverride()
      .configureOutput({ writeErr: (text) => void process.stderr.write(text) })
      .hook('preAction', (_program, command) => refuseEmptyOptions(command));
    const asked = words.find((word) => !word.startsWith('-'));
    const named = asked === 'help' ? words.filter((word) => !word.startsWith('-'))[1] : asked;
    for (const [name, family] of Object.entries(FAMILIES)) {
      if (name === named) (await family.load()).addTo(program, terminal);
      else program.command(name).summary(family.summary).description(family.summary);
    }
    await program.parseAsync(words, { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { exitCode, lines } = explainError(error, process.env.TOLLGATE_DEBUG === '1');
    for (const [index, line] of lines.entries()) terminal.say(index === 0 ? `tollgate: ${line}` : line);
    return exitCode;
  }
}

process.exitCode = await main(process.argv.slice(2));
