/**
 * The policy in SSM: one parameter for each part, and an index with the hash of each, written last. A reader takes a new
 * set only when every part fits the index, so it never acts on half a change.
 */
import { Stack } from 'aws-cdk-lib';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { ParameterTier, StringParameter } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { VARIABLES, policyPrefixOf } from '../../lambdas/environment.ts';

/** Most bytes of a value that SSM takes (a standard parameter 4,096). @see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html (2026-11) */
export const MAX_VALUE_BYTES = 8192;

/** One parameter as `toParameters` makes it. */
export interface RoutingParameter {
  readonly name: string;
  readonly value: string;
}

export interface RoutingParametersProps {
  readonly stage: string;
  readonly parameters: readonly RoutingParameter[];
}

/** A part of the policy is larger than SSM takes, or stands where no reader looks. */
export class UnstorablePolicyError extends Error {
  readonly code = 'unstorable_policy';
  constructor(message: string) {
    super(message);
    this.name = 'UnstorablePolicyError';
  }
}

/** The parameters of a stage's policy. */
export class RoutingParameters extends Construct {
  private readonly prefix: string;

  /** @throws UnstorablePolicyError when a value is over 8 KB, empty, or outside the stage's path */
  constructor(scope: Construct, id: string, props: RoutingParametersProps) {
    super(scope, id);
    this.prefix = policyPrefixOf(props.stage);
    const indexName = `${this.prefix}/index`;
    const made = props.parameters.map((parameter) => ({ name: parameter.name, resource: this.store(parameter) }));
    const index = made.find((parameter) => parameter.name === indexName);
    if (!index) throw new UnstorablePolicyError(`the policy of ${props.stage} has no index parameter (${indexName})`);
    // Until the index is written, readers see parts that do not fit it and keep the set that they have.
    for (const part of made) if (part !== index) index.resource.node.addDependency(part.resource);
  }

  /** Lets a function read the stage's policy. */
  grantRead(fn: LambdaFunction): void {
    const path = Stack.of(this).formatArn({ service: 'ssm', resource: 'parameter', resourceName: this.prefix.slice(1) });
    fn.addToRolePolicy(
      // The history: a function that starts while a part is broken takes the last whole version.
      new PolicyStatement({
        actions: ['ssm:GetParametersByPath', 'ssm:GetParameter', 'ssm:GetParameterHistory'],
        resources: [path, `${path}/*`],
      }),
    );
    fn.addEnvironment(VARIABLES.parameterPrefix, this.prefix);
  }

  private store({ name, value }: RoutingParameter): StringParameter {
    if (!name.startsWith(`${this.prefix}/`)) {
      throw new UnstorablePolicyError(`parameter ${name} is outside ${this.prefix}/, where this stage's functions read`);
    }
    const bytes = Buffer.byteLength(value, 'utf8');
    if (bytes === 0 || bytes > MAX_VALUE_BYTES) {
      throw new UnstorablePolicyError(
        `${name} has ${bytes} bytes, and SSM takes 1 to ${MAX_VALUE_BYTES}: shorten that part of the policy or split it in two`,
      );
    }
    return new StringParameter(this, name.slice(this.prefix.length + 1).replaceAll('/', '.'), {
      parameterName: name,
      stringValue: value,
      // Standard (free) up to 4 KB, advanced ($0.05 a month) only above. Naming the tier here instead would fail the deployment in which a
      // long value gets short again: SSM downgrades no parameter.
      tier: ParameterTier.INTELLIGENT_TIERING,
    });
  }
}
