/** The right to call models on Amazon Bedrock: those that the policy's routes name there, and no others. */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { type BedrockService, readBedrockModel } from '../../lambdas/domain/bedrock.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';

/** A target that is reached with the function's role. */
export interface BedrockTarget {
  readonly service: BedrockService;
  readonly region: string;
  /** A model's or an inference profile's id. */
  readonly model: string;
}

/** Every such target of a policy's routes, each once. */
export function bedrockTargets({ providers, routes }: Policy): readonly BedrockTarget[] {
  const found = new Map<string, BedrockTarget>();
  for (const { provider: name, model } of routes.flatMap(({ targets }) => targets)) {
    const credential = providers.find((provider) => provider.name === name)?.credential;
    if (credential?.kind !== 'iam') continue;
    const { service, region } = credential;
    found.set(`${service} ${region} ${model}`, { service, region, model });
  }
  return [...found.values()];
}

/**
 * Lets a function call these models. Both of Bedrock's forms on `bedrock-runtime`, InvokeModel and the OpenAI-compatible one, ask for the
 * same two actions; `bedrock-mantle` knows no models in its rights, only projects, and gets its default one.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/inference.html (2026-11-24)
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_bedrock-mantle.html (2026-11-24)
 */
export function grantInvoke(fn: LambdaFunction, targets: readonly BedrockTarget[]): void {
  const { partition, account } = Stack.of(fn);
  const own: string[] = [];
  for (const { service, region, model: id } of targets) {
    if (service === 'bedrock-mantle') continue;
    const { geography, model } = readBedrockModel(id);
    if (geography === undefined) {
      own.push(`arn:${partition}:bedrock:${region}::foundation-model/${model}`);
      continue;
    }
    const profile = `arn:${partition}:bedrock:${region}:${account}:inference-profile/${id}`;
    own.push(profile);
    // Bedrock chooses the region, from a list that grows; `global` also asks for the model without one.
    const regions = geography === 'global' ? ['*', ''] : ['*'];
    fn.addToRolePolicy(
      new PolicyStatement({
        actions: [...INVOKE],
        resources: regions.map((any) => `arn:${partition}:bedrock:${any}::foundation-model/${model}`),
        conditions: { StringEquals: { 'bedrock:InferenceProfileArn': profile } },
      }),
    );
  }
  if (own.length > 0) fn.addToRolePolicy(new PolicyStatement({ actions: [...INVOKE], resources: own }));
  const projects = targets.flatMap(({ service, region }) =>
    service === 'bedrock-mantle' ? [`arn:${partition}:bedrock-mantle:${region}:${account}:project/default`] : [],
  );
  if (projects.length > 0) {
    fn.addToRolePolicy(new PolicyStatement({ actions: ['bedrock-mantle:CreateInference'], resources: [...new Set(projects)] }));
  }
}

const INVOKE = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'] as const;
