/**
 * A stage: everything that one set of rules governs, and nothing that another stage can reach. Development and
 * production are this class with two property sets.
 */
import { CfnOutput, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { Policy } from '../lambdas/domain/policy.ts';
import { type LogLevel, deploymentParameterOf } from '../lambdas/environment.ts';
import { AlertTopic } from './constructs/alert-topic.ts';
import { bedrockTargets, grantInvoke } from './constructs/bedrock-access.ts';
import { GatewayApi } from './constructs/gateway-api.ts';
import { GATEWAY_TIMEOUT_MS, GatewayFunction, SETTLE_MARGIN_MS } from './constructs/gateway-function.ts';
import { Keeper } from './constructs/keeper.ts';
import { LedgerTable } from './constructs/ledger-table.ts';
import { ProviderSecrets } from './constructs/provider-secrets.ts';
import { type RoutingParameter, RoutingParameters } from './constructs/routing-parameters.ts';

export interface StageStackProps extends StackProps {
  /** The stage's checked policy. */
  readonly policy: Policy;
  /** The same policy as SSM holds it. */
  readonly parameters: readonly RoutingParameter[];
  /** true: table and logs outlive the stack, and the table refuses to be deleted. */
  readonly keepData: boolean;
  readonly logRetention: RetentionDays;
  /** @default INFO */
  readonly logLevel?: LogLevel;
  readonly gatewayMemoryMb: number;
  /** Requests a second that the API lets through. */
  readonly requestsPerSecond: number;
  /** Requests that may come at once on top of that. */
  readonly burst: number;
}

/** What sets development apart: it can be thrown away whole. */
export const DEVELOPMENT = {
  keepData: false,
  terminationProtection: false,
  logRetention: RetentionDays.ONE_MONTH,
  gatewayMemoryMb: 256,
  requestsPerSecond: 50,
  burst: 100,
} as const satisfies Partial<StageStackProps>;

/**
 * What sets production apart: its data stays, and its cold starts have more CPU. Its throttle lets through four times what Lambda's default
 * concurrency of 1,000 can carry at 8 s a call (125 a second), because many calls are shorter.
 */
export const PRODUCTION = {
  keepData: true,
  terminationProtection: true,
  logRetention: RetentionDays.THREE_MONTHS,
  gatewayMemoryMb: 512,
  requestsPerSecond: 500,
  burst: 1000,
} as const satisfies Partial<StageStackProps>;

/** A provider may answer for longer than a function can run. */
export class UndeployablePolicyError extends Error {
  readonly code = 'undeployable_policy';
  constructor(message: string) {
    super(message);
    this.name = 'UndeployablePolicyError';
  }
}

/** One stage of the gateway on AWS. */
export class StageStack extends Stack {
  readonly ledger: LedgerTable;
  readonly alerts: AlertTopic;
  readonly api: GatewayApi;

  /**
   * @throws UndeployablePolicyError when a provider's `timeout.total` does not fit into a function's longest run
   * @throws UnstorablePolicyError when a part of the policy does not fit into SSM
   */
  constructor(scope: Construct, id: string, props: StageStackProps) {
    const { policy } = props;
    const { stage } = policy;
    super(scope, id, {
      ...props,
      stackName: props.stackName ?? `tollgate-${stage}`,
      description: props.description ?? `Tollgate ${stage}: an AI gateway that pays for every request before it leaves`,
    });
    refuseLongCalls(policy);
    Tags.of(this).add('tollgate:stage', stage);

    this.ledger = new LedgerTable(this, 'Ledger', { keepData: props.keepData });
    this.alerts = new AlertTopic(this, 'Alerts', { stage, email: policy.alerts.email, slack: policy.alerts.slack });
    const routing = new RoutingParameters(this, 'Policy', { stage, parameters: props.parameters });
    const secrets = new ProviderSecrets(this, 'Secrets', { stage, names: secretNamesOf(policy) });

    const functionProps = {
      stage,
      logLevel: props.logLevel ?? 'INFO',
      logRetention: props.logRetention,
      keepLogs: props.keepData,
    };
    const gateway = new GatewayFunction(this, 'Gateway', { ...functionProps, memoryMb: props.gatewayMemoryMb });
    const keeper = new Keeper(this, 'Keeper', functionProps);

    this.ledger.grantPay(gateway);
    this.ledger.grantKeep(keeper.function);
    for (const fn of [gateway, keeper.function]) {
      this.alerts.grantPublish(fn);
      routing.grantRead(fn);
    }
    secrets.grantRead(gateway);
    grantInvoke(gateway, bedrockTargets(policy));

    this.api = new GatewayApi(this, 'Api', {
      stage,
      handler: gateway,
      requestsPerSecond: props.requestsPerSecond,
      burst: props.burst,
    });

    // The operator's tools find the stage here, with the operator's own rights.
    const deployment = new StringParameter(this, 'Deployment', {
      parameterName: deploymentParameterOf(stage),
      description: `Where Tollgate ${stage} is deployed`,
      stringValue: this.toJsonString({
        table: this.ledger.table.tableName,
        topicArn: this.alerts.topic.topicArn,
        baseUrl: this.api.rootUrl,
      }),
    });
    this.output('DeploymentParameter', "Where the operator's tools find this stage", deployment.parameterName);
    this.describe(policy, secrets);
  }

  private describe(policy: Policy, secrets: ProviderSecrets): void {
    const { stage } = policy;
    this.output('OpenAiBaseUrl', 'Base URL for OpenAI clients', this.api.openAiUrl);
    this.output('AnthropicBaseUrl', 'Base URL for Anthropic clients: the root', this.api.rootUrl);
    this.output('TableName', 'The ledger', this.ledger.table.tableName);
    this.output('AlertTopicArn', 'Where alerts are published', this.alerts.topic.topicArn);

    const steps: string[] = [];
    for (const name of secrets.secretNames) {
      steps.push(`put the provider's key: aws secretsmanager create-secret --name ${name} --secret-string file://KEY_FILE`);
    }
    const { email } = policy.alerts;
    if (email.length > 0) steps.push(`confirm the mail of AWS Notifications at ${email.join(', ')}: until then no alert arrives`);
    for (const wallet of policy.wallets) {
      steps.push(`fund the wallet: npx tollgate wallet fund ${wallet.teamId} --stage ${stage} --usd AMOUNT --id UNIQUE`);
    }
    for (const group of policy.consumerGroups) {
      steps.push(`make a key for ${group.name}: npx tollgate keys create --stage ${stage} --group ${group.name}`);
    }
    // A step each: CloudFormation cuts long outputs, and people copy one line at a time.
    steps.forEach((step, i) => this.output(`Next${String(i + 1).padStart(2, '0')}`, 'What to do next', step));
  }

  private output(id: string, description: string, value: string): void {
    const output = new CfnOutput(this, id, { value });
    output.description = description;
  }
}

function secretNamesOf(policy: Policy): string[] {
  return policy.providers.flatMap(({ credential }) => (credential.kind === 'secret' ? [credential.name] : []));
}

function refuseLongCalls(policy: Policy): void {
  const most = GATEWAY_TIMEOUT_MS - SETTLE_MARGIN_MS;
  for (const provider of policy.providers) {
    if (provider.timeoutMs.total > most) {
      throw new UndeployablePolicyError(
        `provider ${provider.name} of ${policy.stage} may take ${provider.timeoutMs.total / 1000} s (timeout.total), and a deployed stage ` +
          `has ${most / 1000} s: Lambda ends a call after 15 minutes. Lower timeout.total to 14m or less.`,
      );
    }
  }
}
