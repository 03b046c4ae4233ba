import { Stage } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { LANE_INDEXES, TTL_ATTRIBUTE, tableDefinition } from '../../lambdas/adapters/dynamodb/table.ts';
import { statementsOf, textOf } from './iam.ts';
import { parametersOf, policyOf, stackOf, templateOf } from './stage-fixture.ts';

const TEMPLATES = { dev: templateOf('dev'), prod: templateOf('prod') } as const;
const STAGES = ['dev', 'prod'] as const;

function only(template: Template, type: string): Record<string, unknown> {
  const found = Object.values(template.findResources(type));
  expect(found).toHaveLength(1);
  return found[0] ?? {};
}

describe.each(STAGES)('the %s stage', (stage) => {
  const template = TEMPLATES[stage];

  test('keeps its ledger in one on-demand table with point-in-time recovery, expiry and the three lane indexes', () => {
    template.resourceCountIs('AWS::DynamoDB::Table', 1);
    template.hasResourceProperties('AWS::DynamoDB::Table', {
      TableName: Match.absent(),
      BillingMode: 'PAY_PER_REQUEST',
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true },
      GlobalSecondaryIndexes: LANE_INDEXES.map(({ name, attribute }) => ({
        IndexName: name,
        KeySchema: [{ AttributeName: attribute, KeyType: 'HASH' }],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      })),
    });
  });

  test('has the table that the store was tested on', () => {
    const definition = tableDefinition('any');
    template.hasResourceProperties('AWS::DynamoDB::Table', {
      KeySchema: definition.KeySchema,
      AttributeDefinitions: definition.AttributeDefinitions,
      GlobalSecondaryIndexes: definition.GlobalSecondaryIndexes,
      BillingMode: definition.BillingMode,
    });
  });

  test('answers through a regional API whose every method streams for up to 15 minutes', () => {
    template.hasResourceProperties('AWS::ApiGateway::RestApi', { EndpointConfiguration: { Types: ['REGIONAL'] } });
    const methods = Object.values(template.findResources('AWS::ApiGateway::Method'));
    expect(methods).toHaveLength(2);
    for (const method of methods) {
      expect(method.Properties).toMatchObject({
        HttpMethod: 'ANY',
        AuthorizationType: 'NONE',
        Integration: { Type: 'AWS_PROXY', ResponseTransferMode: 'STREAM', TimeoutInMillis: 900_000 },
      });
      expect(textOf(method.Properties.Integration.Uri)).toContain('/response-streaming-invocations');
    }
    template.hasResourceProperties('AWS::ApiGateway::Resource', { PathPart: '{proxy+}' });
    template.hasResourceProperties('AWS::ApiGateway::Stage', {
      StageName: stage,
      MethodSettings: [Match.objectLike({ LoggingLevel: 'OFF', DataTraceEnabled: false })],
    });
  });

  test("gives API Gateway's own errors the gateway's shape and request ids", () => {
    const responses = Object.values(template.findResources('AWS::ApiGateway::GatewayResponse'));
    const types = responses.map((response) => String(response.Properties.ResponseType));
    expect(types.toSorted()).toEqual([
      'DEFAULT_4XX',
      'DEFAULT_5XX',
      'INTEGRATION_FAILURE',
      'INTEGRATION_TIMEOUT',
      'MISSING_AUTHENTICATION_TOKEN',
      'REQUEST_TOO_LARGE',
      'THROTTLED',
    ]);
    for (const { Properties: properties } of responses) {
      expect(properties.ResponseParameters).toMatchObject({
        'gatewayresponse.header.x-request-id': 'context.requestId',
        'gatewayresponse.header.request-id': 'context.requestId',
      });
      // What API Gateway writes for its variables: a quoted text and a bare id.
      const body = String(properties.ResponseTemplates['application/json'])
        .replace('$context.error.messageString', '"Forbidden"')
        .replace('$context.requestId', 'abc-123');
      expect(JSON.parse(body)).toEqual({
        type: 'error',
        error: { message: expect.any(String), type: expect.any(String), param: null, code: expect.any(String) },
        request_id: 'abc-123',
      });
    }
  });

  test('tells a throttled caller when to come back, and nobody to repeat a call that timed out', () => {
    template.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'THROTTLED',
      ResponseParameters: Match.objectLike({ 'gatewayresponse.header.retry-after': "'1'" }),
    });
    template.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'INTEGRATION_TIMEOUT',
      ResponseParameters: Match.objectLike({ 'gatewayresponse.header.x-should-retry': "'false'" }),
    });
  });

  test('runs both functions on Node 24 and arm64, with logs that end', () => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function'));
    expect(functions).toHaveLength(2);
    for (const { Properties: properties } of functions) {
      expect(properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], LoggingConfig: { LogFormat: 'JSON' } });
      expect(properties.FunctionName).toBeUndefined();
      expect(properties.LoggingConfig.LogGroup).toEqual({ Ref: expect.stringContaining('Logs') });
    }
    const groups = Object.values(template.findResources('AWS::Logs::LogGroup'));
    expect(groups).toHaveLength(2);
    for (const group of groups) expect(group.Properties.RetentionInDays).toBe(stage === 'prod' ? 90 : 30);
  });

  test('runs the keeper once a minute for less than a minute, without retries', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [Match.objectLike({ RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } })],
    });
    const rule = only(template, 'AWS::Events::Rule');
    const target = JSON.stringify(rule);
    const keeper = Object.entries(template.findResources('AWS::Lambda::Function')).find(([id]) => target.includes(`"${id}"`));
    expect(keeper?.[1].Properties.Timeout).toBeLessThan(60);
  });

  test('publishes alerts to a standard topic that refuses plain HTTP, with the mail of its policy', () => {
    template.hasResourceProperties('AWS::SNS::Topic', { FifoTopic: Match.absent(), TopicName: Match.absent() });
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: Match.objectLike({
        Statement: [
          Match.objectLike({ Effect: 'Deny', Action: 'sns:Publish', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ],
      }),
    });
    template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: `alerts-${stage}@example.com` });
  });

  test('connects Slack with a read-only guardrail and a role that may do nothing', () => {
    const slack = only(template, 'AWS::Chatbot::SlackChannelConfiguration');
    expect(slack.Properties).toMatchObject({ SlackWorkspaceId: 'T0123456', SlackChannelId: 'C0123456' });
    const text = JSON.stringify(slack);
    expect(text).toContain(':iam::aws:policy/CloudWatchReadOnlyAccess');
    expect(JSON.stringify(template.toJSON())).not.toContain('AdministratorAccess');
    const roles = Object.entries(template.findResources('AWS::IAM::Role')).filter(([, role]) =>
      JSON.stringify(role).includes('chatbot.'),
    );
    expect(roles).toHaveLength(1);
    for (const [id, role] of roles) {
      expect(role.Properties.ManagedPolicyArns).toBeUndefined();
      expect(role.Properties.Policies).toBeUndefined();
      expect(JSON.stringify(template.findResources('AWS::IAM::Policy'))).not.toContain(id);
    }
  });

  test('stores each part of the policy in SSM, and the index after all of them', () => {
    const stored = Object.entries(template.findResources('AWS::SSM::Parameter'));
    for (const { name, value } of parametersOf(stage)) {
      template.hasResourceProperties('AWS::SSM::Parameter', {
        Name: name,
        Value: value,
        Type: 'String',
        Tier: 'Intelligent-Tiering',
      });
    }
    const isPart = ([, resource]: (typeof stored)[number]): boolean =>
      String(resource.Properties.Name).startsWith(`/tollgate/${stage}/policy/`) &&
      !String(resource.Properties.Name).endsWith('/index');
    const index = stored.find(([, resource]) => resource.Properties.Name === `/tollgate/${stage}/policy/index`);
    expect(index?.[1].DependsOn.toSorted()).toEqual(
      stored
        .filter(isPart)
        .map(([id]) => id)
        .toSorted(),
    );
  });

  test('gives each function exact actions on named resources', () => {
    const statements = statementsOf(template);
    expect(statements.length).toBeGreaterThan(0);
    for (const { policy, effect, actions, resources } of statements) {
      expect({ policy, effect }).toEqual({ policy, effect: 'Allow' });
      for (const action of actions) expect(action).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
      for (const resource of resources) {
        // The one star: every parameter below the stage's own policy path, whose names are the policy's routes and groups.
        const named = resource.endsWith(`:parameter/tollgate/${stage}/policy/*`) ? resource.slice(0, -1) : resource;
        expect(named).not.toContain('*');
      }
    }
    for (const role of Object.values(template.findResources('AWS::IAM::Role'))) {
      expect(role.Properties.ManagedPolicyArns).toBeUndefined();
      expect(role.Properties.Policies).toBeUndefined();
    }
  });

  test('lets the gateway neither scan nor delete, and the keeper read no secret', () => {
    const actionsOf = (start: string): string[] =>
      statementsOf(template)
        .filter(({ policy }) => policy.startsWith(start))
        .flatMap(({ actions }) => actions);
    const gateway = actionsOf('Gateway');
    const keeper = actionsOf('Keeper');
    expect(gateway).toContain('secretsmanager:GetSecretValue');
    expect(gateway).not.toContain('dynamodb:Scan');
    expect(gateway).not.toContain('dynamodb:DeleteItem');
    expect(keeper).toContain('dynamodb:Scan');
    expect(keeper.filter((action) => action.startsWith('secretsmanager:'))).toEqual([]);
  });

  test("reads only this stage's own secrets, by name and the six characters that Secrets Manager adds", () => {
    const secrets = statementsOf(template).filter(({ actions }) => actions.includes('secretsmanager:GetSecretValue'));
    expect(secrets.flatMap(({ resources }) => resources)).toEqual([
      `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:tollgate/${stage}/openai-??????`,
    ]);
    template.resourceCountIs('AWS::SecretsManager::Secret', 0);
  });

  test('names nothing of the other stage', () => {
    const other = stage === 'dev' ? 'prod' : 'dev';
    const words = JSON.stringify(template.toJSON());
    expect(words).toContain(stage);
    // As a word of its own: AWS's own vocabulary has neither.
    expect(words).not.toMatch(new RegExp(`(?<![a-z])${other}(?![a-z])`, 'i'));
    expect(words).not.toMatch(new RegExp(`${other}Stack|Fn::ImportValue`, 'i'));
  });

  test('tells both base URLs, the table, the topic and every step that is left', () => {
    const outputs = template.findOutputs('*');
    const value = (id: string): string => textOf(outputs[id]?.Value);
    expect(value('OpenAiBaseUrl')).toMatch(new RegExp(`^https://.+\\.execute-api\\..+/\\$\\{.+\\}/v1$`));
    expect(`${value('AnthropicBaseUrl')}/v1`).toBe(value('OpenAiBaseUrl'));
    expect(value('TableName')).toMatch(/^\$\{LedgerTable/);
    expect(value('AlertTopicArn')).toMatch(/^\$\{AlertsTopic/);
    const steps = Object.entries(outputs)
      .filter(([id]) => id.startsWith('Next'))
      .map(([, output]) => String(output.Value));
    expect(steps.some((step) => step.includes(`create-secret --name tollgate/${stage}/openai `))).toBe(true);
    expect(steps.some((step) => step.includes(`alerts-${stage}@example.com`))).toBe(true);
    expect(steps.some((step) => step.includes(`wallet fund team_${stage} --stage ${stage}`))).toBe(true);
    expect(steps.some((step) => step.includes(`keys create --stage ${stage} --group ${stage}`))).toBe(true);
  });

  test('keeps the identity of what holds data: another logical id would replace it', () => {
    const ids = (type: string): string[] => Object.keys(template.findResources(type));
    expect(ids('AWS::DynamoDB::Table')).toEqual(['LedgerTable9343E4AA']);
    expect(ids('AWS::SNS::Topic')).toEqual(['AlertsTopicCF7C81C9']);
    expect(ids('AWS::ApiGateway::RestApi')).toEqual(['ApiCD79AAA0']);
    expect(ids('AWS::Logs::LogGroup').toSorted()).toEqual(['GatewayLogs64F6314F', 'KeeperFunctionLogs786C9187']);
  });
});

test("production's table and logs outlive the stack and its table refuses deletion; development's go with it", () => {
  TEMPLATES.prod.hasResource('AWS::DynamoDB::Table', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  TEMPLATES.prod.hasResourceProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: true });
  TEMPLATES.prod.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Retain' });
  TEMPLATES.dev.hasResource('AWS::DynamoDB::Table', { DeletionPolicy: 'Delete', UpdateReplacePolicy: 'Delete' });
  TEMPLATES.dev.hasResourceProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: false });
  TEMPLATES.dev.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Delete' });
});

test('production is protected from termination, development is not', () => {
  expect(stackOf('prod').terminationProtection).toBe(true);
  expect(stackOf('dev').terminationProtection).toBe(false);
});

test('a stage without e-mail and Slack has a topic and no subscription', () => {
  const template = templateOf('dev', { policy: policyOf('dev', { alerts: { severity: 'informational', email: [] } }) });
  template.resourceCountIs('AWS::SNS::Topic', 1);
  template.resourceCountIs('AWS::SNS::Subscription', 0);
  template.resourceCountIs('AWS::Chatbot::SlackChannelConfiguration', 0);
});

test('a part of the policy of 8 KB is stored, and one byte more stops the synthesis and says which', () => {
  const withSize = (bytes: number) => [
    { name: '/tollgate/dev/policy/routes/long', value: 'x'.repeat(bytes) },
    ...parametersOf('dev'),
  ];
  expect(() => templateOf('dev', { parameters: withSize(8192) })).not.toThrow();
  expect(() => templateOf('dev', { parameters: withSize(8193) })).toThrow(/routes\/long has 8193 bytes/);
});

test('the size of a part is counted in bytes, not in characters', () => {
  const parameters = [{ name: '/tollgate/dev/policy/routes/long', value: 'é'.repeat(4097) }, ...parametersOf('dev')];
  expect(() => templateOf('dev', { parameters })).toThrow(/8194 bytes/);
});

test("another stage's parameters, and a set without its index, stop the synthesis", () => {
  expect(() => templateOf('dev', { parameters: parametersOf('prod') })).toThrow(/outside \/tollgate\/dev\/policy\//);
  expect(() => templateOf('dev', { parameters: parametersOf('dev').slice(0, 2) })).toThrow(/no index parameter/);
});

test('a provider that may take longer than a function can run stops the synthesis', () => {
  const policy = policyOf('dev');
  const slow = policy.providers.map((provider) => ({ ...provider, timeoutMs: { ...provider.timeoutMs, total: 840_001 } }));
  expect(() => templateOf('dev', { policy: { ...policy, providers: slow } })).toThrow(/Lower timeout\.total/);
});

test('the assemblies of these tests lie in folders that go with them', () => {
  expect(Stage.of(stackOf('dev'))?.outdir).toMatch(/tollgate-assembly-\w+$/);
});

describe('models on Amazon Bedrock', () => {
  const ACTIONS = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'];
  const SONNET = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
  const [provider] = policyOf('dev').providers;
  const [economy] = policyOf('dev').routes;
  const role = (name: string, service: 'bedrock' | 'bedrock-mantle', region: string) => ({
    ...(provider ?? never()),
    name,
    credential: { kind: 'iam' as const, service, region },
  });
  const grants = (models: readonly string[]) => {
    const targets = models.map((target) => {
      const [name = '', ...model] = target.split('/');
      return { provider: name, model: model.join('/'), weight: 1 };
    });
    const policy = policyOf('dev', {
      providers: [
        ...policyOf('dev').providers,
        role('runtime', 'bedrock', 'eu-central-1'),
        role('mantle', 'bedrock-mantle', 'us-east-1'),
      ],
      routes: [{ ...(economy ?? never()), targets }],
    });
    return statementsOf(templateOf('dev', { policy })).filter(({ actions }) => actions.some((one) => one.startsWith('bedrock')));
  };
  const resources = (models: readonly string[]) => grants(models).flatMap((grant) => grant.resources);
  const arn = (place: string) => `arn:\${AWS::Partition}:bedrock:${place}`;

  test('are no right of a stage whose routes name none', () => {
    expect(grants(['openai/gpt-5-mini'])).toEqual([]);
  });

  test('are a right by name in the region of the address', () => {
    expect(grants(['runtime/openai.gpt-oss-20b-1:0', 'openai/gpt-5-mini'])).toEqual([
      expect.objectContaining({
        effect: 'Allow',
        actions: ACTIONS,
        resources: [arn('eu-central-1::foundation-model/openai.gpt-oss-20b-1:0')],
      }),
    ]);
  });

  test('are a right to an inference profile, and to its model through that profile only', () => {
    const profile = arn(`eu-central-1:\${AWS::AccountId}:inference-profile/eu.${SONNET}`);
    const found = grants([`runtime/eu.${SONNET}`]);
    expect(found.map((grant) => grant.resources)).toEqual([[arn(`*::foundation-model/${SONNET}`)], [profile]]);
    expect(found.map(({ actions }) => actions)).toEqual([ACTIONS, ACTIONS]);
    expect(found.map(({ conditions }) => conditions)).toEqual([{ 'bedrock:InferenceProfileArn': profile }, {}]);
    expect(resources([`runtime/global.${SONNET}`])).toContain(arn(`::foundation-model/${SONNET}`));
  });

  test('at bedrock-mantle are a right to its default project, which is as fine as its rights are', () => {
    expect(grants(['mantle/anthropic.claude-opus-4-8', 'mantle/openai.gpt-oss-20b'])).toEqual([
      expect.objectContaining({
        actions: ['bedrock-mantle:CreateInference'],
        resources: ['arn:${AWS::Partition}:bedrock-mantle:us-east-1:${AWS::AccountId}:project/default'],
      }),
    ]);
  });

  test('are never named by a pattern', () => {
    const all = resources([`runtime/global.${SONNET}`, `runtime/us.${SONNET}`, 'runtime/amazon.nova-pro-v1:0', 'mantle/x.y']);
    expect(all.length).toBeGreaterThan(5);
    for (const resource of all) expect(resource.slice(resource.lastIndexOf('/'))).not.toContain('*');
  });
});

function never(): never {
  throw new Error('the fixture has a provider and a route');
}
