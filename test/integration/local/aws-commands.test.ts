/**
 * The same commands on a deployed stage: real SDK clients, Parameter Store played by a loopback responder, and the
 * embedded database in DynamoDB's place.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Database, startDatabase } from '../../../lambdas/local/embedded-database.ts';
import { loadPolicy, toParameters } from '../../../lambdas/policy/index.ts';
import { type Ran, temporaryDirectory, tollgate } from '../../support/stages.ts';
import { AwsResponder, wireError } from '../aws/aws-responder.ts';

const TABLE = 'the-table-of-the-stack';
const ROOT = path.join(import.meta.dirname, '..', '..', '..');

let database: Database;
let remove: () => Promise<void>;
const ssm = new AwsResponder();
const values = new Map<string, string>();

beforeAll(async () => {
  const temporary = await temporaryDirectory();
  remove = temporary.remove;
  database = await startDatabase({ home: temporary.directory, tables: [TABLE] });
  await ssm.start();
  const text = await readFile(path.join(ROOT, 'policy', 'prod.yaml'), 'utf8');
  const { policy } = loadPolicy(text, { file: 'prod.yaml', deployed: true, atEpochMs: Date.now() });
  for (const { name, value } of toParameters(policy)) values.set(name, value);
  values.set(
    '/tollgate/prod/deployment',
    JSON.stringify({ table: TABLE, topicArn: 'arn:aws:sns:eu-central-1:123456789012:alerts', baseUrl: 'https://x' }),
  );
  ssm.respond = ({ action, input }) => {
    if (action === 'GetParameter') {
      const value = values.get(String(input.Name));
      return value === undefined ? wireError('ParameterNotFound') : { body: { Parameter: { Name: input.Name, Value: value } } };
    }
    const all = [...values]
      .filter(([name]) => name.startsWith(`${String(input.Path)}/`))
      .map(([Name, Value]) => ({ Name, Value }));
    const from = Number(input.NextToken ?? 0);
    return {
      body: { Parameters: all.slice(from, from + 10), ...(from + 10 < all.length ? { NextToken: String(from + 10) } : {}) },
    };
  };
});

afterAll(async () => {
  await ssm.stop();
  await database?.stop();
  await remove?.();
});

function onProd(...words: readonly string[]): Promise<Ran> {
  const variables = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_SSM: ssm.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
  };
  return tollgate([...words, '--stage', 'prod'], { variables });
}

test("money of prod moves only after a yes, once per id, in the stack's own table", async () => {
  const fund = ['wallet', 'fund', 'team_prod', '--usd', '100.00', '--id', 'invoice-1', '--json'];
  const unasked = await onProd(...fund);
  expect([unasked.code, unasked.stdout]).toEqual([2, '']);
  expect(unasked.stderr).toContain('put $100.00 into wallet team_prod of stage prod?');
  expect(unasked.stderr).toContain('--yes');
  const done = await onProd(...fund, '--yes');
  expect([done.code, JSON.parse(done.stdout)]).toMatchObject([0, { moved: true, fundedUsd: '100.00' }]);
  const again = await onProd(...fund, '--yes');
  expect([again.code, JSON.parse(again.stdout)]).toMatchObject([0, { moved: false, fundedUsd: '100.00' }]);
  expect((await onProd('ledger', 'verify')).code).toBe(0);
});

test('keys are made and revoked in the deployed stage', async () => {
  const made = await onProd('keys', 'create', '--group', 'prod');
  expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^tg_prod_\w+\n$/)]);
  const [{ id }] = JSON.parse((await onProd('keys', 'list', '--json')).stdout) as [{ readonly id: string }];
  expect((await onProd('keys', 'revoke', id)).code).toBe(2);
  expect((await onProd('keys', 'revoke', id, '--yes')).code).toBe(0);
});

test('the policy shown is the one in Parameter Store', async () => {
  const { code, stdout } = await onProd('policy', 'show');
  expect([code, stdout]).toEqual([0, expect.stringContaining('prod: paid by team_prod')]);
});

test('a stage that is not deployed says so', async () => {
  const kept = values.get('/tollgate/prod/deployment') ?? '';
  values.delete('/tollgate/prod/deployment');
  const { code, stderr } = await onProd('wallet', 'list');
  values.set('/tollgate/prod/deployment', kept);
  expect([code, stderr]).toEqual([1, expect.stringContaining('stage prod is not deployed in this account and region')]);
});

test('expired credentials end with 3', async () => {
  const { respond } = ssm;
  ssm.respond = () => wireError('ExpiredTokenException');
  const { code, stderr } = await onProd('wallet', 'list');
  ssm.respond = respond;
  expect([code, stderr]).toEqual([3, expect.stringContaining('AWS_PROFILE')]);
});
