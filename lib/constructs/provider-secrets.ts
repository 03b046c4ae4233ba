/**
 * The providers' credentials, by reference: the operator puts them into Secrets Manager under the stage's prefix, the
 * stack never sees a value and deletes none.
 */
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { VARIABLES, secretPrefixOf } from '../../lambdas/environment.ts';

export interface ProviderSecretsProps {
  readonly stage: string;
  /** Names as the policy has them; in Secrets Manager they stand behind `tollgate/<stage>/`. */
  readonly names: readonly string[];
}

/** References to the stage's secrets. */
export class ProviderSecrets extends Construct {
  /** Full names in Secrets Manager, in the policy's order. */
  readonly secretNames: readonly string[];
  private readonly arns: readonly string[];
  private readonly prefix: string;

  constructor(scope: Construct, id: string, props: ProviderSecretsProps) {
    super(scope, id);
    this.prefix = secretPrefixOf(props.stage);
    const names = [...new Set(props.names)];
    this.secretNames = names.map((name) => `${this.prefix}${name}`);
    // Secrets Manager appends a dash and six characters to a name. Six question marks match them and no longer name.
    this.arns = this.secretNames.map(
      (name) => `${Secret.fromSecretNameV2(this, name.replaceAll('/', '.'), name).secretArn}-??????`,
    );
  }

  /** Lets a function read these secrets' values and no others. */
  grantRead(fn: LambdaFunction): void {
    if (this.arns.length > 0) {
      fn.addToRolePolicy(new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [...this.arns] }));
    }
    fn.addEnvironment(VARIABLES.secretPrefix, this.prefix);
  }
}
