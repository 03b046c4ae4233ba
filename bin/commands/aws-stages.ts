/**
 * Stages on AWS, with the operator's own credentials. One SSM parameter a stage, written by its stack, says which table and
 * topic are its own.
 */
import { SSMClient, GetParameterCommand } from '@aws-sdk/client-ssm';
import { createDynamoClient } from '../../lambdas/adapters/dynamodb/client.ts';
import { SnsAlertPublisher } from '../../lambdas/adapters/sns/alert-publisher.ts';
import { SsmPolicySource } from '../../lambdas/adapters/ssm/policy-source.ts';
import { systemClock } from '../../lambdas/adapters/system/system.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { deploymentParameterOf, policyPrefixOf } from '../../lambdas/environment.ts';
import { openBooks } from '../../lambdas/local/books.ts';
import { terminalReporter } from '../../lambdas/local/terminal-reporter.ts';
import { fromParameters } from '../../lambdas/policy/parameters.ts';
import { CommandError, EXIT } from './outcome.ts';
import type { StageAccess } from './stage-access.ts';
import type { Terminal } from './terminal.ts';

interface Deployment {
  readonly table: string;
  readonly topicArn: string;
}

/** How long AWS may take for one call of a command, ms: a person waits. */
const REQUEST_TIMEOUT_MS = 10_000;

export async function withAwsStages(
  stages: readonly string[],
  terminal: Terminal,
  work: (access: StageAccess) => Promise<void>,
): Promise<void> {
  for (const stage of stages) {
    const { table, topicArn } = await deploymentOf(stage);
    const policy = await policyOf(stage);
    const client = createDynamoClient({ requestTimeoutMs: REQUEST_TIMEOUT_MS, connectTimeoutMs: REQUEST_TIMEOUT_MS });
    try {
      const reporter = terminalReporter(stage, (line) => terminal.say(line.trimEnd()));
      const books = openBooks({ client, tableName: table, publisher: new SnsAlertPublisher({ topicArn }), reporter });
      await work({ stage, local: false, policy, ...books });
    } finally {
      client.destroy();
    }
  }
}

/**
 * The policy that a deployed stage has in force.
 * @throws CommandError when the stage is not deployed, the SDK's errors when nobody can be asked: told by one look, without repeats
 */
export async function deployedPolicy(stage: string): Promise<Policy> {
  await deploymentOf(stage);
  return policyOf(stage);
}

async function policyOf(stage: string): Promise<Policy> {
  const source = new SsmPolicySource({
    prefix: policyPrefixOf(stage),
    decode: (values) => fromParameters(values, stage),
    clock: systemClock,
    // A first load that fails also throws, and with the same words.
    onProblem: () => undefined,
  });
  return source.current();
}

async function deploymentOf(stage: string): Promise<Deployment> {
  const name = deploymentParameterOf(stage);
  const client = new SSMClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  });
  try {
    const answer = await client.send(new GetParameterCommand({ Name: name }));
    return readDeployment(answer.Parameter?.Value ?? '', name);
  } catch (error) {
    if (error instanceof Error && error.name === 'ParameterNotFound') {
      throw new CommandError(
        `stage ${stage} is not deployed in this account and region: there is no parameter ${name}`,
        'Deploy it (npx cdk deploy), check AWS_PROFILE and AWS_REGION, or add --local for the stages of npm start.',
        EXIT.error,
        { cause: error },
      );
    }
    throw error;
  } finally {
    client.destroy();
  }
}

function readDeployment(text: string, name: string): Deployment {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    data = undefined;
  }
  if (typeof data === 'object' && data !== null && 'table' in data && 'topicArn' in data) {
    const { table, topicArn } = data;
    if (typeof table === 'string' && typeof topicArn === 'string') return { table, topicArn };
  }
  throw new CommandError(`the parameter ${name} is damaged`, "Deploy the stage's stack again; it writes the parameter.");
}
