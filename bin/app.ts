/**
 * The CDK app: reads the two policy files, makes DevStack and ProdStack, nothing else. Context: `policyDir` (default: the project's
 * `policy`), and optionally `devAccount`, `prodAccount` and `region`; without them the stacks go wherever the deployer's credentials lead.
 */
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { App, type Environment } from 'aws-cdk-lib';
import { toParameters } from '../lambdas/policy/parameters.ts';
import { type LoadedPolicy, loadPolicy } from '../lambdas/policy/load.ts';
import { PolicyError, formatProblem } from '../lambdas/policy/problems.ts';
import { UnstorablePolicyError } from '../lib/constructs/routing-parameters.ts';
import { DEVELOPMENT, PRODUCTION, StageStack, type StageStackProps, UndeployablePolicyError } from '../lib/stage-stack.ts';

const ROOT = join(import.meta.dirname, '..');

const STACKS = [
  { id: 'DevStack', stage: 'dev', properties: DEVELOPMENT },
  { id: 'ProdStack', stage: 'prod', properties: PRODUCTION },
] as const;

function contextText(app: App, key: string): string | undefined {
  const value: unknown = app.node.tryGetContext(key);
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw new UndeployablePolicyError(`context ${key} must be a text`);
  return value;
}

function environmentOf(app: App, stage: string): Environment | undefined {
  const account = contextText(app, `${stage}Account`);
  const region = contextText(app, 'region');
  return account === undefined && region === undefined ? undefined : { account, region };
}

function load(directory: string, stage: string, atEpochMs: number): LoadedPolicy {
  const path = join(directory, `${stage}.yaml`);
  const file = relative(process.cwd(), path) || path;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new UndeployablePolicyError(
      `${file} cannot be read: each stage needs its policy file (context policyDir says where they are)`,
    );
  }
  return loadPolicy(text, { file, deployed: true, atEpochMs, stage });
}

function make(app: App): StageStack[] {
  const directory = resolve(ROOT, contextText(app, 'policyDir') ?? 'policy');
  const atEpochMs = Date.now();
  return STACKS.map(({ id, stage, properties }) => {
    const { policy, warnings } = load(directory, stage, atEpochMs);
    for (const warning of warnings) console.error(`warning: ${formatProblem(warning)}`);
    const props: StageStackProps = { ...properties, policy, parameters: toParameters(policy), env: environmentOf(app, stage) };
    return new StageStack(app, id, props);
  });
}

function isForPeople(error: unknown): error is Error {
  return error instanceof PolicyError || error instanceof UnstorablePolicyError || error instanceof UndeployablePolicyError;
}

try {
  // Synthesised here and not when the process ends, so that a refused policy leaves no half of an assembly.
  const app = new App({ autoSynth: false });
  make(app);
  app.synth();
} catch (error) {
  if (!isForPeople(error)) throw error;
  console.error(`The stacks cannot be made from this policy:\n${error.message}`);
  process.exitCode = 1;
}
