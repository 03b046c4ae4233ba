/**
 * `tollgate policy apply | history | rollback`: rules of a deployed stage changed without a deployment. What is written is what
 * `cdk deploy` would write, part by part and the index last, so that readers take the new set whole within a minute.
 */
import path from 'node:path';
import type { Command } from 'commander';
import type { ParameterVersion, PolicyParameters, StoredParameter } from '../../lambdas/adapters/ssm/policy-parameters.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { policyPrefixOf } from '../../lambdas/environment.ts';
import { readPolicyText } from '../../lambdas/local/policies.ts';
import { type PolicyChange, deploymentReasons, policyChanges } from '../../lambdas/policy/changes.ts';
import { formatProblem, loadPolicy } from '../../lambdas/policy/index.ts';
import { FormerPolicyError, formerPolicy, lastWholePolicy } from '../../lambdas/policy/former-policy.ts';
import { decodeIndex, fromParameters, toParameters } from '../../lambdas/policy/parameters.ts';
import { type StageName, type StageOptions, onStage, theStage, wholeNumber } from './options.ts';
import { CommandError, EXIT, usageError } from './outcome.ts';
import { type AskOptions, type Terminal, confirm, printJson, printTable } from './terminal.ts';

interface WriteOptions extends StageOptions, AskOptions {
  readonly dryRun?: boolean;
}

interface StoredPolicy {
  readonly stored: ReadonlyMap<string, StoredParameter>;
  readonly policy: Policy;
  readonly indexVersion: number;
  /** Why the set is not what is in force: somebody was cut off writing it, or two wrote at once. */
  readonly problem?: string;
}

export function addTo(policy: Command, terminal: Terminal): void {
  asking(
    onStage(
      policy
        .command('apply')
        .description('Write a stage file to the deployed stage: checks it, shows what changes, asks, and writes.')
        .argument('[file]', "default: the stage's file in the policy directory"),
    ),
  ).action((file: string | undefined, options: WriteOptions) => apply(file, options, terminal));
  onStage(
    policy
      .command('history')
      .description('Versions of the policy of a deployed stage, newest first: when, by whom, which parts.')
      .option('--limit <n>', 'how many', wholeNumber('--limit', 1, 100), 20),
  ).action((options: StageOptions & { readonly limit: number }) => history(options, terminal));
  asking(
    onStage(
      policy
        .command('rollback')
        .description('Put a former version of the policy in force again, as a new version.')
        .argument('<version>', 'a number of `policy history`', wholeNumber('the version', 1, 1_000_000_000)),
    ),
  ).action((version: number, options: WriteOptions) => rollback(version, options, terminal));
}

function asking(command: Command): Command {
  return command
    .option('--dry-run', 'show what would change and write nothing')
    .option('--yes', 'write without asking')
    .option('--no-input', 'never ask');
}

async function apply(file: string | undefined, options: WriteOptions, terminal: Terminal): Promise<void> {
  const stage = deployedStage(options);
  const from = file ?? path.join(options.policy, `${stage}.yaml`);
  const loaded = loadPolicy(await readPolicyText(from), { file: from, deployed: true, atEpochMs: Date.now(), stage });
  for (const warning of loaded.warnings) terminal.say(`warning: ${formatProblem(warning)}`);
  await onParameters(stage, (parameters) => replace(parameters, stage, loaded.policy, from, options, terminal));
}

async function history(options: StageOptions & { readonly limit: number }, terminal: Terminal): Promise<void> {
  const stage = deployedStage(options);
  await onParameters(stage, async (parameters) => {
    const versions = await parameters.history(indexNameOf(stage));
    if (versions.length === 0) throw notDeployed(stage);
    const rows = versions.slice(0, options.limit).map((version, at) => ({
      version: version.version,
      inForce: at === 0,
      at: version.atEpochMs === undefined ? undefined : new Date(version.atEpochMs).toISOString(),
      by: version.by,
      changed: changedParts(version, versions[at + 1], stage),
    }));
    if (options.json === true) return printJson(terminal, rows);
    printTable(
      terminal,
      ['version', 'written', 'by', 'changed parts'],
      rows.map((row) => [
        `${row.version}${row.inForce ? ' (in force)' : ''}`,
        row.at ?? '?',
        row.by?.split(/[:/]/).at(-1) ?? '?',
        row.changed.join(', ') || 'none',
      ]),
    );
  });
}

async function rollback(version: number, options: WriteOptions, terminal: Terminal): Promise<void> {
  const stage = deployedStage(options);
  await onParameters(stage, async (parameters) => {
    const wanted = await versionOf(parameters, stage, version);
    await replace(parameters, stage, wanted, `version ${version}`, options, terminal);
  });
}

/** Shows, asks and writes; what is written is read again, so that "done" is what readers see. */
async function replace(
  parameters: PolicyParameters,
  stage: StageName,
  wanted: Policy,
  from: string,
  options: WriteOptions,
  terminal: Terminal,
): Promise<void> {
  const before = await lastSet(parameters, stage);
  if (before.problem !== undefined) terminal.say(`warning: ${before.problem}; it is compared with that one`);
  const next = toParameters(wanted);
  const changed = next.filter(({ name, value }) => before.stored.get(name)?.value !== value);
  const changes = policyChanges(before.policy, wanted);
  if (changed.length === 0)
    return report(stage, { written: false, version: before.indexVersion, changes: [] }, options, terminal);
  for (const change of changes) terminal.say(describe(change));
  const isMade = (part: string): boolean => before.stored.has(`${policyPrefixOf(stage)}/${part}`);
  const reasons = deploymentReasons(before.policy, wanted, isMade);
  const unmade = changed.filter(({ name }) => !before.stored.has(name)).map(({ name }) => `${name} does not exist yet`);
  if (reasons.length + unmade.length > 0) {
    throw new CommandError(
      `this change needs a deployment: ${[...reasons, ...(reasons.length > 0 ? [] : unmade)].join('; ')}`,
      `Nothing was written. Deploy it: npx cdk deploy ${stage === 'prod' ? 'ProdStack' : 'DevStack'}`,
    );
  }
  if (options.dryRun === true) return report(stage, { written: false, version: before.indexVersion, changes }, options, terminal);
  await confirm(terminal, `put ${from} in force on stage ${stage} (${changes.length} changes)?`, options);
  if (!isSameSet(await parameters.read(), before.stored)) {
    throw new CommandError('somebody else has changed the policy meanwhile; nothing was written', 'Run the command again.');
  }
  let version = before.indexVersion;
  for (const { name, value } of changed) {
    const made = await parameters.write(name, value);
    if (name === indexNameOf(stage)) version = made;
  }
  try {
    policyIn(await parameters.read(), stage);
  } catch (error) {
    throw new CommandError(
      'the parameters are not a complete set: somebody wrote at the same time. The last complete policy stays in force',
      'Run the command again.',
      EXIT.error,
      { cause: error },
    );
  }
  report(stage, { written: true, version, changes }, options, terminal);
}

interface Written {
  readonly written: boolean;
  /** Of the index: what `history` and `rollback` count by. */
  readonly version: number;
  readonly changes: readonly PolicyChange[];
}

function report(stage: string, done: Written, options: WriteOptions, terminal: Terminal): void {
  if (options.json === true) printJson(terminal, { stage, ...done });
  else if (done.written) terminal.data(`Version ${done.version} of the policy of ${stage} is written: in force within 60 s.`);
  else if (done.changes.length > 0) terminal.data(`${done.changes.length} changes, nothing written (--dry-run).`);
  else terminal.data(`Nothing changes: version ${done.version} of the policy of ${stage} says the same.`);
}

function describe({ path: where, from, to }: PolicyChange): string {
  if (from === undefined) return `+ ${where}: ${to}`;
  if (to === undefined) return `- ${where}: ${from}`;
  return `~ ${where}: ${from} → ${to}`;
}

/** The set as it stands with the policy in force. Where it is broken, that is the last whole one, and writing mends it. */
async function lastSet(parameters: PolicyParameters, stage: string): Promise<StoredPolicy> {
  const stored = await parameters.read();
  const index = stored.get(indexNameOf(stage));
  if (index === undefined) throw notDeployed(stage);
  const found = { stored, indexVersion: index.version };
  try {
    return { ...found, policy: policyIn(stored, stage) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ...found, policy: await lastWholePolicy(parameters, stage), problem };
  }
}

/** @throws IncompletePolicyError or DecodeError when the set is broken */
function policyIn(stored: StoredPolicy['stored'], stage: string): Policy {
  return fromParameters(new Map([...stored].map(([name, { value }]) => [name, value])), stage);
}

function isSameSet(now: StoredPolicy['stored'], before: StoredPolicy['stored']): boolean {
  return now.size === before.size && [...now].every(([name, { version }]) => before.get(name)?.version === version);
}

async function versionOf(parameters: PolicyParameters, stage: StageName, version: number): Promise<Policy> {
  try {
    return await formerPolicy(parameters, stage, version);
  } catch (error) {
    if (!(error instanceof FormerPolicyError)) throw error;
    const advice =
      'See policy history. SSM keeps 100 versions of a parameter; an older stage file can be checked out of git and applied.';
    throw new CommandError(error.message, advice, EXIT.error, { cause: error });
  }
}

function changedParts(version: ParameterVersion, older: ParameterVersion | undefined, stage: string): readonly string[] {
  if (older === undefined) return ['all'];
  const [now, before] = [version, older].map(({ value }) => {
    const { parts, pages } = decodeIndex(value, stage);
    return parts ?? pages ?? {};
  });
  const names = new Set([...Object.keys(now ?? {}), ...Object.keys(before ?? {})]);
  return [...names].filter((name) => now?.[name] !== before?.[name]);
}

function indexNameOf(stage: string): string {
  return `${policyPrefixOf(stage)}/index`;
}

function notDeployed(stage: string): CommandError {
  return new CommandError(
    `stage ${stage} is not deployed in this account and region: it has no policy parameters`,
    'Deploy it (npx cdk deploy), or check AWS_PROFILE and AWS_REGION.',
  );
}

function deployedStage(options: StageOptions): StageName {
  if (options.local === true)
    throw usageError('a local stage reads its file when it starts', 'Edit the file and start again; there is nothing to apply.');
  return theStage(options);
}

async function onParameters(stage: string, work: (parameters: PolicyParameters) => Promise<void>): Promise<void> {
  const { PolicyParameters: Parameters } = await import('../../lambdas/adapters/ssm/policy-parameters.ts');
  const parameters = new Parameters(policyPrefixOf(stage));
  try {
    await work(parameters);
  } finally {
    parameters.close();
  }
}
