/**
 * The same commands on a deployed stage: real SDK clients, Parameter Store played by a loopback responder, and the
 * embedded database in DynamoDB's place.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Database, startDatabase } from '../../../lambdas/local/embedded-database.ts';
import { loadPolicy, toParameters } from '../../../lambdas/policy/index.ts';
import { type Ran, temporaryDirectory, tollgate } from '../../support/stages.ts';
import { AwsResponder, wireError } from '../aws/aws-responder.ts';

const TABLE = 'the-table-of-the-stack';
const ROOT = path.join(import.meta.dirname, '..', '..', '..');

let directory: string;
let database: Database;
let remove: () => Promise<void>;
const removals: (() => Promise<void>)[] = [];
const ssm = new AwsResponder();
const values = new Map<string, string>();
/** Every version of each parameter, oldest first. */
const versions = new Map<string, string[]>();

function put(name: string, value: string): number {
  values.set(name, value);
  const all = [...(versions.get(name) ?? []), value];
  versions.set(name, all);
  return all.length;
}

beforeAll(async () => {
  ({ directory, remove } = await temporaryDirectory());
  database = await startDatabase({ home: directory, tables: [TABLE] });
  await ssm.start();
  const text = await readFile(path.join(ROOT, 'policy', 'prod.yaml'), 'utf8');
  const { policy } = loadPolicy(text, { file: 'prod.yaml', deployed: true, atEpochMs: Date.now() });
  for (const { name, value } of toParameters(policy)) put(name, value);
  values.set(
    '/tollgate/prod/deployment',
    JSON.stringify({ table: TABLE, topicArn: 'arn:aws:sns:eu-central-1:123456789012:alerts', baseUrl: 'https://x' }),
  );
  ssm.respond = ({ action, input }) => {
    if (action === 'GetParameter') {
      const value = values.get(String(input.Name));
      return value === undefined ? wireError('ParameterNotFound') : { body: { Parameter: { Name: input.Name, Value: value } } };
    }
    if (action === 'PutParameter') return { body: { Version: put(String(input.Name), String(input.Value)), Tier: 'Standard' } };
    if (action === 'GetParameterHistory') {
      const written = versions.get(String(input.Name));
      if (written === undefined) return wireError('ParameterNotFound');
      const user = { LastModifiedDate: 1_795_000_000, LastModifiedUser: 'arn:aws:iam::123456789012:user/ann' };
      return { body: { Parameters: written.map((Value, at) => ({ Name: input.Name, Value, Version: at + 1, ...user })) } };
    }
    const all = [...values]
      .filter(([name]) => name.startsWith(`${String(input.Path)}/`))
      .map(([Name, Value]) => ({ Name, Value, Version: versions.get(Name)?.length ?? 1 }));
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
  for (const removeIt of removals) await removeIt();
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

async function editedProd(from: string, to: string): Promise<string> {
  const temporary = await temporaryDirectory();
  removals.push(temporary.remove);
  const text = await readFile(path.join(ROOT, 'policy', 'prod.yaml'), 'utf8');
  expect(text).toContain(from);
  const file = path.join(temporary.directory, 'prod.yaml');
  await writeFile(file, text.replace(from, to), 'utf8');
  return file;
}

const INDEX = '/tollgate/prod/policy/index';
const writes = () => ssm.calls.filter(({ action }) => action === 'PutParameter').map(({ input }) => String(input.Name));

test('a changed weight is shown, asked for, and written part by part with the index last', async () => {
  const file = await editedProd('weight: 3', 'weight: 9');
  const before = values.get(INDEX);
  const unasked = await onProd('policy', 'apply', file);
  expect([unasked.code, values.get(INDEX)]).toEqual([2, before]);
  const dry = await onProd('policy', 'apply', file, '--dry-run');
  expect([dry.code, values.get(INDEX)]).toEqual([0, before]);
  expect(dry.stderr).toContain('~ routes/economy/targets/openai/gpt-5-mini/weight: 3 → 9');
  const done = await onProd('policy', 'apply', file, '--yes', '--json');
  expect([done.code, JSON.parse(done.stdout)]).toMatchObject([0, { stage: 'prod', written: true, version: 2 }]);
  expect(writes()).toEqual(['/tollgate/prod/policy/routes/economy', INDEX]);
  expect((await onProd('policy', 'show')).stdout).toContain('openai/gpt-5-mini, weight 9');
  const again = await onProd('policy', 'apply', file, '--yes');
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('Nothing changes')]);
});

test('history tells versions and what changed, and rollback puts an old one in force as a new one', async () => {
  const told = JSON.parse((await onProd('policy', 'history', '--json')).stdout);
  expect(told).toMatchObject([
    { version: 2, inForce: true, changed: ['routes/economy'], by: expect.stringContaining('user/ann') },
    { version: 1, inForce: false, changed: ['all'] },
  ]);
  const missing = await onProd('policy', 'rollback', '7', '--yes');
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('there is no version 7 of the policy of prod')]);
  const done = await onProd('policy', 'rollback', '1', '--yes', '--json');
  expect([done.code, JSON.parse(done.stdout)]).toMatchObject([
    0,
    { written: true, version: 3, changes: [{ path: 'routes/economy/targets/openai/gpt-5-mini/weight', from: '9', to: '3' }] },
  ]);
});

test('what only a deployment can bring about is refused, and nothing is written', async () => {
  const file = await editedProd('credential: { secret: mistral }', 'credential: { secret: other }');
  const before = writes().length;
  const { code, stderr } = await onProd('policy', 'apply', file, '--yes');
  expect(code).toBe(1);
  expect(stderr).toContain('secret other is new: the gateway has no right to use it yet');
  expect(stderr).toContain('npx cdk deploy ProdStack');
  expect(writes()).toHaveLength(before);
});

test('a file that may not be used is refused before anything is read from AWS', async () => {
  const file = await editedProd('strategy: ordered', 'strategy: orderd');
  const { code, stderr } = await onProd('policy', 'apply', file, '--yes');
  expect([code, stderr]).toEqual([4, expect.stringContaining('orderd')]);
});

test('two who write at once: the second one is told, and the last whole policy stays', async () => {
  const file = await editedProd('weight: 3', 'weight: 5');
  const { respond } = ssm;
  let reads = 0;
  ssm.respond = async (call) => {
    const answer = await respond(call);
    // Somebody else's version lands between the look and the write.
    if (call.action === 'GetParametersByPath' && call.input.NextToken === undefined) {
      reads += 1;
      if (reads === 1) put(INDEX, values.get(INDEX) ?? '');
    }
    return answer;
  };
  const before = writes().length;
  const { code, stderr } = await onProd('policy', 'apply', file, '--yes');
  ssm.respond = respond;
  expect([code, stderr]).toEqual([1, expect.stringContaining('somebody else has changed the policy meanwhile')]);
  expect(writes()).toHaveLength(before);
});

const ECONOMY = '/tollgate/prod/policy/routes/economy';

test.each([
  ['apply', 'the same file', 'weight: 5'],
  ['apply', "another file's rules", 'weight: 7'],
  ['rollback', 'a former version', undefined],
])('%s of %s mends a set that was left half written', async (command, _what, weight) => {
  const whole = values.get(ECONOMY) ?? '';
  // Whoever wrote was cut off between a part and the index.
  put(ECONOMY, whole.replace('"weight":3', '"weight":5'));
  expect(values.get(ECONOMY)).not.toBe(whole);
  const words = weight === undefined ? ['1'] : [await editedProd('weight: 3', weight)];
  const done = await onProd('policy', command, ...words, '--yes');
  expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('not a complete set')]);
  expect((await onProd('policy', 'show')).stdout).toContain(`gpt-5-mini, ${weight?.replace(':', '') ?? 'weight 3'}`);
  expect((await onProd('policy', 'rollback', '1', '--yes')).code).toBe(0);
});

test('a route that was taken away comes back without a deployment while the stack has its parameter', async () => {
  const before = Number(versions.get(INDEX)?.length);
  const text = await readFile(path.join(ROOT, 'policy', 'prod.yaml'), 'utf8');
  const file = await editedProd(text.slice(text.indexOf('  - model: frontier'), text.indexOf('  - model: economy')), '');
  const named = 'models: [economy, frontier,';
  await writeFile(file, (await readFile(file, 'utf8')).replace(named, 'models: [economy,'), 'utf8');
  const taken = await onProd('policy', 'apply', file, '--yes');
  expect([taken.code, taken.stderr]).toEqual([0, expect.stringContaining('- routes/frontier/')]);
  const back = await onProd('policy', 'rollback', String(before), '--yes');
  expect([back.code, back.stderr]).toEqual([0, expect.stringContaining('+ routes/frontier/')]);
  expect((await onProd('policy', 'show')).stdout).toContain('frontier');
});

test('a local stage has nothing to apply', async () => {
  const { code, stderr } = await onProd('policy', 'apply', '--local');
  expect([code, stderr]).toEqual([2, expect.stringContaining('reads its file when it starts')]);
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

test.each([[['wallet', 'list']], [['policy', 'show']]])(
  'without a region %j says so in plain words, and nothing else',
  async (words) => {
    const home = path.join(directory, 'nobody');
    const variables = { HOME: home, USERPROFILE: home, AWS_EC2_METADATA_DISABLED: 'true' };
    const { code, stdout, stderr } = await tollgate([...words, '--stage', 'prod'], { variables });
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr.split('\n')).toEqual([
      'tollgate: no AWS region is set',
      'Set AWS_REGION, or a region in your AWS profile; for the local stages add --local.',
      '',
    ]);
  },
);
