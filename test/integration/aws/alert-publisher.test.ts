import { SnsAlertPublisher } from '../../../lambdas/adapters/sns/alert-publisher.ts';
import type { Alert } from '../../../lambdas/domain/alerts.ts';
import { AwsResponder, wireError } from './aws-responder.ts';

const TOPIC = 'arn:aws:sns:eu-central-1:123456789012:alerts';

const ALERT: Alert = {
  alertId: 'budget/dev/day#d2026-11-23:90_20000000000',
  stage: 'dev',
  kind: 'threshold',
  severity: 'actionable',
  subject: 'budget/dev/day',
  pot: 'budget/dev/day#d2026-11-23',
  percent: 90,
  mergedPercents: [50],
  spentUsd: '18.20',
  limitUsd: '20.00',
  resetsAt: '2026-11-23T23:00:00.000Z',
  owner: 'ml-guild@example.com',
  runbook: 'https://runbooks.example.com/spend',
  title: '[dev] budget/dev/day reached 90 % ($18.20 of $20.00)',
  action:
    'Nothing is refused because of this. To allow more, raise limit_usd of budget/dev/day in policy/dev.yaml and run: npx tollgate policy apply --stage dev',
  raisedAt: '2026-11-23T14:00:00.000Z',
};

describe('alerts on SNS', () => {
  const responder = new AwsResponder();
  beforeAll(() => responder.start());
  afterAll(() => responder.stop());
  beforeEach(() => {
    responder.calls.length = 0;
    responder.respond = () => ({ body: { MessageId: 'm-1' } });
  });

  async function published(
    alert: Alert,
  ): Promise<{ input: Record<string, string>; email: string; chat: Record<string, unknown> }> {
    await new SnsAlertPublisher({ topicArn: TOPIC, client: responder.client }).publish(alert);
    expect(responder.actions).toEqual(['Publish']);
    const input = Object.fromEntries(Object.entries(responder.calls[0]?.input ?? {}).map(([key, value]) => [key, String(value)]));
    const message: { default: string; email: string } = JSON.parse(input.Message ?? '');
    return { input, email: message.email, chat: JSON.parse(message.default) };
  }

  test('one publication carries a text for mail and the schema that Amazon Q Developer shows', async () => {
    const { input, chat } = await published(ALERT);
    expect(input).toMatchObject({ TopicArn: TOPIC, MessageStructure: 'json' });
    expect(chat).toMatchObject({
      version: '1.0',
      source: 'custom',
      content: {
        textType: 'client-markdown',
        title: expect.stringContaining('budget/dev/day reached 90 %'),
        description: expect.stringContaining('$18.20'),
        nextSteps: [ALERT.action, 'Runbook: https://runbooks.example.com/spend'],
        keywords: ['dev', 'threshold', 'actionable'],
      },
    });
  });

  test('the mail says stage, what, percent, spent, limit, resets at, owner, severity and what to do', async () => {
    const { email } = await published(ALERT);
    for (const fact of [
      'dev',
      'budget/dev/day',
      '90 % (and 50 %)',
      '$18.20',
      '$20.00',
      '2026-11-23T23:00:00.000Z',
      'ml-guild@example.com',
      'actionable',
      ALERT.action,
    ]) {
      expect(email).toContain(fact);
    }
  });

  test('receivers can filter by stage, kind, severity and owner', async () => {
    const { input } = await published(ALERT);
    const names = Object.entries(input).filter(([key]) => key.endsWith('.Name'));
    const set = Object.fromEntries(names.map(([key, name]) => [name, input[key.replace('.Name', '.Value.StringValue')]]));
    expect(set).toEqual({
      stage: 'dev',
      kind: 'threshold',
      severity: 'actionable',
      owner: 'ml-guild@example.com',
      alertId: ALERT.alertId,
    });
  });

  test('an alert without an owner has no empty attribute, which SNS would refuse', async () => {
    const { input } = await published({ ...ALERT, owner: undefined });
    expect(Object.values(input)).not.toContain('owner');
  });

  test('a subject is at most 100 characters of printable ASCII', async () => {
    const { input } = await published({ ...ALERT, title: `[dev] budget/dev/größe\n€ ${'x'.repeat(200)}` });
    expect(input.Subject).toMatch(/^[\x20-\x7e]{1,100}$/);
  });

  test('a name that looks like a Slack mention stays a name', async () => {
    const { chat } = await published({ ...ALERT, subject: 'budget/dev/each/<!channel>' });
    expect(JSON.stringify(chat)).not.toContain('<!channel>');
    expect(JSON.stringify(chat)).toContain('&lt;!channel&gt;');
  });

  test('a message that SNS does not accept is an error', async () => {
    responder.respond = () => wireError('AuthorizationError', 'not allowed', 403);
    await expect(published(ALERT)).rejects.toMatchObject({ message: expect.stringContaining('not allowed') });
  });
});
