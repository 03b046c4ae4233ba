/**
 * Where a stage's alerts go: one SNS topic, an e-mail subscription per address of the policy, and the team's Slack
 * channel through Amazon Q Developer in chat applications.
 */
import { Names } from 'aws-cdk-lib';
import { LoggingLevel, SlackChannelConfiguration } from 'aws-cdk-lib/aws-chatbot';
import { ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { VARIABLES } from '../../lambdas/environment.ts';

export interface AlertTopicProps {
  readonly stage: string;
  /** Each gets a mail that it must confirm before the first alert reaches it. */
  readonly email: readonly string[];
  /** The workspace must have been authorised once in the console of Amazon Q Developer in chat applications. */
  readonly slack?: { readonly workspaceId: string; readonly channelId: string };
}

/**
 * The stage's alert topic. Standard, because a FIFO topic reaches neither mail nor chat; without a key of its own, because the
 * managed key would shut out CloudWatch and the chat service, and a message holds amounts and names, never prompts or keys.
 */
export class AlertTopic extends Construct {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    this.topic = new Topic(this, 'Topic', { displayName: `Tollgate ${props.stage}`, enforceSSL: true });
    for (const address of props.email) this.topic.addSubscription(new EmailSubscription(address));
    if (props.slack) {
      const slack = new SlackChannelConfiguration(this, 'Slack', {
        // Required by the service and unique in the account, so it is made from the stack's own name.
        slackChannelConfigurationName: Names.uniqueResourceName(this, { maxLength: 64, separator: '-' }),
        slackWorkspaceId: props.slack.workspaceId,
        slackChannelId: props.slack.channelId,
        loggingLevel: LoggingLevel.ERROR,
        // Left out, the guardrail is AdministratorAccess. The channel's role has no rights at all; this caps what it could ever get.
        guardrailPolicies: [ManagedPolicy.fromAwsManagedPolicyName('CloudWatchReadOnlyAccess')],
      });
      slack.addNotificationTopic(this.topic);
    }
  }

  /** Lets a function publish alerts of its stage. */
  grantPublish(fn: LambdaFunction): void {
    this.topic.grantPublish(fn);
    fn.addEnvironment(VARIABLES.alertTopicArn, this.topic.topicArn);
  }
}
