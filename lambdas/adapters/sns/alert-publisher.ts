/**
 * Publishes alerts to the stage's SNS topic: one message with a text for mail and, as its default, the only schema that
 * Amazon Q Developer in chat applications shows in Slack. The client is loaded by the first alert: most processes have none.
 */
import type { SNSClient, SNSClientConfig } from '@aws-sdk/client-sns';
import type { AlertPublisher } from '../../application/ports.ts';
import { alertFacts, alertSubject, alertText } from '../../domain/alert-text.ts';
import type { Alert } from '../../domain/alerts.ts';

export interface SnsAlertPublisherOptions {
  readonly topicArn: string;
  /** Such as an endpoint. */
  readonly client?: SNSClientConfig;
}

/** Alert publisher on SNS. Receivers may see a message twice and know it by its `alertId`. */
export class SnsAlertPublisher implements AlertPublisher {
  private readonly options: SnsAlertPublisherOptions;
  private client: SNSClient | undefined;

  constructor(options: SnsAlertPublisherOptions) {
    this.options = options;
  }

  /** @throws the SDK's error when SNS did not accept the message */
  async publish(alert: Alert): Promise<void> {
    const { PublishCommand, SNSClient } = await import('./client.ts');
    this.client ??= new SNSClient({
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 1000, requestTimeout: 3000, throwOnRequestTimeout: true },
      ...this.options.client,
    });
    await this.client.send(
      new PublishCommand({
        TopicArn: this.options.topicArn,
        Subject: alertSubject(alert),
        MessageStructure: 'json',
        Message: JSON.stringify({ default: JSON.stringify(chatNotification(alert)), email: alertText(alert) }),
        MessageAttributes: attributes({
          stage: alert.stage,
          kind: alert.kind,
          severity: alert.severity,
          owner: alert.owner,
          alertId: alert.alertId,
        }),
      }),
    );
  }
}

/**
 * The alert as a custom notification. Title ≤ 250, description ≤ 8,000 characters.
 * @see https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html (2026-11)
 */
export function chatNotification(alert: Alert): object {
  const sign = alert.severity === 'actionable' ? ':rotating_light:' : ':information_source:';
  const facts = alertFacts(alert).map(([label, value]) => `*${label}*: ${escapeMarkup(value)}`);
  return {
    version: '1.0',
    source: 'custom',
    id: alert.alertId,
    content: {
      textType: 'client-markdown',
      title: `${sign} ${escapeMarkup(alert.title)}`.slice(0, 250),
      description: facts.join('\n').slice(0, 8000),
      nextSteps: [
        escapeMarkup(alert.action),
        ...(alert.runbook === undefined ? [] : [`Runbook: ${escapeMarkup(alert.runbook)}`]),
      ],
      keywords: [alert.stage, alert.kind, alert.severity],
    },
    metadata: { threadId: alert.pot ?? alert.subject, summary: alertSubject(alert), eventType: alert.kind },
  };
}

/** Slack reads `<`, `>` and `&` as markup; a user's name in a budget must not become a mention or a link. */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function attributes(
  values: Readonly<Record<string, string | undefined>>,
): Record<string, { DataType: string; StringValue: string }> {
  const set: Record<string, { DataType: string; StringValue: string }> = {};
  // SNS refuses an empty attribute.
  for (const [name, value] of Object.entries(values)) if (value) set[name] = { DataType: 'String', StringValue: value };
  return set;
}
