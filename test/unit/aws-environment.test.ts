import { readEnvironment, readGatewayEnvironment } from '../../lambdas/environment.ts';

const COMPLETE = {
  TOLLGATE_STAGE: 'dev',
  TOLLGATE_TABLE: 'tollgate-dev-LedgerTable-1ABC',
  TOLLGATE_ALERT_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
  TOLLGATE_PARAMETER_PREFIX: '/tollgate/dev/policy',
  TOLLGATE_SECRET_PREFIX: 'tollgate/dev/',
  TOLLGATE_LOG_LEVEL: 'WARN',
};

test('a complete environment is read whole', () => {
  expect(readGatewayEnvironment(COMPLETE)).toEqual({
    stage: 'dev',
    table: COMPLETE.TOLLGATE_TABLE,
    alertTopicArn: COMPLETE.TOLLGATE_ALERT_TOPIC_ARN,
    parameterPrefix: '/tollgate/dev/policy',
    secretPrefix: 'tollgate/dev/',
    logLevel: 'WARN',
  });
});

test('the keeper needs no secrets, and the log level has a default', () => {
  const { TOLLGATE_SECRET_PREFIX: _secret, TOLLGATE_LOG_LEVEL: _level, ...rest } = COMPLETE;
  expect(readEnvironment(rest)).toMatchObject({ stage: 'dev', logLevel: 'INFO' });
});

test('an empty environment is told every variable that is missing at once', () => {
  const message = String(
    (() => {
      try {
        return readGatewayEnvironment({});
      } catch (error) {
        return error;
      }
    })(),
  );
  for (const name of Object.keys(COMPLETE)) if (name !== 'TOLLGATE_LOG_LEVEL') expect(message).toContain(`${name} is not set`);
});

test.each([
  ['TOLLGATE_PARAMETER_PREFIX', '/tollgate/prod/policy'],
  ['TOLLGATE_SECRET_PREFIX', 'tollgate/prod/'],
  ['TOLLGATE_STAGE', 'Dev stage'],
  ['TOLLGATE_ALERT_TOPIC_ARN', 'alerts'],
  ['TOLLGATE_TABLE', 'no such/name'],
  ['TOLLGATE_LOG_LEVEL', 'LOUD'],
])('%s of "%s" is refused by name', (name, value) => {
  expect(() => readGatewayEnvironment({ ...COMPLETE, [name]: value })).toThrow(new RegExp(`${name} is '`));
});
