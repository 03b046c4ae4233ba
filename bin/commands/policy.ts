/** `tollgate policy`: check stage files, show what is in force, change it, print the schema, split a file of several stages. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { readPolicyText } from '../../lambdas/local/policies.ts';
import {
  PolicyError,
  type PolicyProblem,
  formatProblem,
  loadPolicy,
  policyJsonSchemaText,
  splitFragment,
} from '../../lambdas/policy/index.ts';
import { STAGES, type StageOptions, onStage, theStage } from './options.ts';
import { CommandError, EXIT } from './outcome.ts';
import { addTo as addApply } from './policy-apply.ts';
import { describePolicy } from './policy-text.ts';
import { type Terminal, printJson } from './terminal.ts';

interface CheckOptions {
  readonly local?: boolean;
  readonly policy: string;
  readonly json?: boolean;
}

interface SplitOptions {
  readonly out: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface CheckedFile {
  readonly file: string;
  readonly stage?: string;
  readonly problems: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
}

export function addTo(program: Command, terminal: Terminal): void {
  const policy = program
    .command('policy')
    .summary('check, show, apply and split policies')
    .description('Check, show, apply, roll back and split policies.');
  policy
    .command('check')
    .description('Check stage files, as deployed stages would have them. Exit code 4 when one may not be used.')
    .argument('[file...]', 'default: dev.yaml and prod.yaml of the policy directory')
    .option('--local', 'check as a local stage, which may have loopback providers')
    .option('--policy <dir>', 'the policy directory', 'policy')
    .option('--json', 'print JSON')
    .action((files: readonly string[], options: CheckOptions) => check(files, options, terminal));
  onStage(policy.command('show').description('The policy in force: of AWS, or with --local of the file.')).action(
    (options: StageOptions) => show(options, terminal),
  );
  addApply(policy, terminal);
  policy
    .command('schema')
    .description('Print the JSON Schema of a stage file, for editors.')
    .action(() => terminal.data(policyJsonSchemaText().trimEnd()));
  policy
    .command('split')
    .description('Make dev.yaml and prod.yaml of one file that holds the groups of both stages.')
    .argument('<file>')
    .option('--out <dir>', 'where the files go', 'policy')
    .option('--force', 'overwrite files that are there')
    .option('--json', 'print JSON')
    .action((file: string, options: SplitOptions) => split(file, options, terminal));
}

async function check(files: readonly string[], options: CheckOptions, terminal: Terminal): Promise<void> {
  const asked = files.length > 0 ? files : STAGES.map((stage) => path.join(options.policy, `${stage}.yaml`));
  const checked: CheckedFile[] = [];
  for (const file of asked) checked.push(checkText(await readPolicyText(file), file, options.local !== true));
  if (options.json === true) printJson(terminal, checked);
  for (const { file, stage, problems, warnings } of checked) {
    for (const problem of problems) terminal.say(formatProblem(problem));
    for (const warning of warnings) terminal.say(`warning: ${formatProblem(warning)}`);
    if (options.json !== true && problems.length === 0)
      terminal.data(`${file}: stage ${stage ?? '?'} is fine${options.local === true ? ' as a local stage' : ''}`);
  }
  const broken = checked.filter(({ problems }) => problems.length > 0).length;
  if (broken === 0) return;
  terminal.say(`${broken} of ${checked.length} ${checked.length === 1 ? 'file' : 'files'} may not be used`);
  process.exitCode = EXIT.policy;
}

function checkText(text: string, file: string, deployed: boolean): CheckedFile {
  try {
    const { policy, warnings } = loadPolicy(text, { file, deployed, atEpochMs: Date.now() });
    return { file, stage: policy.stage, problems: [], warnings };
  } catch (error) {
    if (error instanceof PolicyError) return { file, problems: error.problems, warnings: [] };
    throw error;
  }
}

async function show(options: StageOptions, terminal: Terminal): Promise<void> {
  const policy = await policyInForce(options);
  if (options.json === true) printJson(terminal, JSON.parse(JSON.stringify(policy, amountsAsDigits)));
  else terminal.data(describePolicy(policy));
}

async function policyInForce(options: StageOptions): Promise<Policy> {
  const stage = theStage(options);
  if (options.local === true) {
    const file = path.join(options.policy, `${stage}.yaml`);
    return loadPolicy(await readPolicyText(file), { file, deployed: false, atEpochMs: Date.now(), stage }).policy;
  }
  const { deployedPolicy } = await import('./aws-stages.ts');
  return deployedPolicy(stage);
}

/** Amounts are nano-USD (pico-USD a token for prices) and larger than JSON's numbers are exact: digits in a text. Never a key's hash. */
function amountsAsDigits(name: string, value: unknown): unknown {
  if (name === 'apiKeySha256') return undefined;
  return typeof value === 'bigint' ? value.toString() : value;
}

async function split(file: string, options: SplitOptions, terminal: Terminal): Promise<void> {
  const { stages, warnings } = splitFragment(await readPolicyText(file), file);
  const made = stages.map(({ stage, text }) => ({ stage, file: path.join(options.out, `${stage}.yaml`), text }));
  const standing = made.filter((one) => existsSync(one.file));
  if (standing.length > 0 && options.force !== true) {
    throw new CommandError(
      `${standing.map((one) => one.file).join(' and ')} ${standing.length === 1 ? 'is' : 'are'} there already; nothing was written`,
      'Give another directory with --out, or overwrite with --force.',
    );
  }
  await mkdir(options.out, { recursive: true });
  for (const one of made) await writeFile(one.file, one.text, 'utf8');
  const schema = await writeSchema(options);
  for (const warning of warnings) terminal.say(`warning: ${formatProblem(warning)}`);
  if (options.json === true) {
    printJson(terminal, { files: made.map((one) => ({ stage: one.stage, file: one.file })), schema, warnings });
  } else for (const written of [...made.map((one) => one.file), schema]) terminal.data(written);
  terminal.say(`Check them: npx tollgate policy check ${made.map((one) => one.file).join(' ')}`);
}

/** The schema that the files name in their first line, beside them. One that stands there stays, unless all may be overwritten. */
async function writeSchema({ out, force }: SplitOptions): Promise<string> {
  const file = path.join(out, 'policy.schema.json');
  if (force === true || !existsSync(file)) await writeFile(file, policyJsonSchemaText(), 'utf8');
  return file;
}
