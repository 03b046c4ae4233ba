/** The operator's command line on a home that nobody serves: every command starts the database itself and ends it again. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseApiKey } from '../../../lambdas/domain/api-keys.ts';
import { type Ran, temporaryDirectory, tollgate, writePolicies } from '../../support/stages.ts';
import { testPolicy } from '../../support/test-policies.ts';

const FRAGMENT = `cost_tracking:
  enabled: true
consumer_groups:
  - name: dev
    wallet_team_id: team_dev
  - name: prod
    wallet_team_id: team_prod
`;

let directory: string;
let remove: () => Promise<void>;
let local: readonly string[];

beforeAll(async () => {
  ({ directory, remove } = await temporaryDirectory());
  const one = {
    baseUrl: 'http://127.0.0.1:9/v1',
    wallets: { team_one: '10.00', team_two: '20.00' },
    groups: [{ name: 'team', wallet: 'team_one' }],
  };
  const policy = await writePolicies(directory, {
    dev: testPolicy({ stage: 'dev', ...one }),
    prod: testPolicy({ stage: 'prod', ...one }),
  });
  local = ['--local', '--home', path.join(directory, 'home'), '--policy', policy];
});

afterAll(() => remove());

function onDev(...words: readonly string[]): Promise<Ran> {
  return tollgate([...words, '--stage', 'dev', ...local]);
}

test('a top-up moves money once per id, and the id cannot be used for another amount', async () => {
  const fund = (usd: string) => onDev('wallet', 'fund', 'team_one', '--usd', usd, '--id', 'a', '--json');
  const first = await fund('25.00');
  expect([first.code, JSON.parse(first.stdout)]).toMatchObject([0, { moved: true, wallet: 'team_one', leftUsd: '25.00' }]);
  const second = await fund('25.00');
  expect([second.code, JSON.parse(second.stdout)]).toMatchObject([0, { moved: false, leftUsd: '25.00' }]);
  const other = await fund('26.00');
  expect([other.code, other.stdout]).toEqual([1, '']);
  expect(other.stderr).toContain("id 'a' was used before");
});

test('a withdrawal takes what is free and no more; a dry run takes nothing', async () => {
  await onDev('wallet', 'fund', 'team_two', '--usd', '10', '--id', 'b');
  const dry = await onDev('wallet', 'withdraw', 'team_two', '--usd', '4.00', '--id', 'c', '--dry-run');
  expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining('Nothing was done')]);
  const taken = await onDev('wallet', 'withdraw', 'team_two', '--usd', '4.00', '--id', 'c', '--json');
  expect([taken.code, JSON.parse(taken.stdout)]).toMatchObject([0, { moved: true, leftUsd: '6.00' }]);
  const toomuch = await onDev('wallet', 'withdraw', 'team_two', '--usd', '6.01', '--id', 'd');
  expect([toomuch.code, toomuch.stderr]).toEqual([1, expect.stringContaining('$6.00 free')]);
});

test('the stages share nothing: money of dev is not seen on prod', async () => {
  await onDev('wallet', 'fund', 'team_one', '--usd', '25.00', '--id', 'a');
  const { stdout } = await tollgate(['wallet', 'list', '--stage', 'prod', '--json', ...local]);
  expect(JSON.parse(stdout)).toMatchObject([
    { wallet: 'team_one', fundedUsd: '0.00' },
    { wallet: 'team_two', fundedUsd: '0.00' },
  ]);
});

test('a wallet that does not exist is an error that lists the wallets', async () => {
  for (const words of [
    ['wallet', 'show', 'team_none'],
    ['wallet', 'fund', 'team_none', '--usd', '1', '--id', 'x'],
  ]) {
    const { code, stderr, stdout } = await onDev(...words);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain("no wallet 'team_none'. Its wallets: team_one, team_two");
  }
});

test.each([
  [['wallet', 'list', '--local']],
  [['wallet', 'fund', 'team_one', '--usd', '-5', '--id', 'x', '--stage', 'dev', '--local']],
  [['wallet', 'fund', 'team_one', '--usd', '1e3', '--id', 'x', '--stage', 'dev', '--local']],
  [['wallet', 'fund', 'team_one', '--usd', '0', '--id', 'x', '--stage', 'dev', '--local']],
  [['wallet', 'fund', 'team_one', '--usd', '1', '--stage', 'dev', '--local']],
  [['wallet', 'list', '--stage', 'staging', '--local']],
  [['keys', 'create', '--stage', 'dev', '--local']],
  [['ledger', 'keep', '--local']],
  [['alerts', 'list', '--limit', '0', '--stage', 'dev', '--local']],
  [['nonsense']],
  [['start', '--dev-port', 'abc']],
  [['start', '--hold-seconds', '0']],
])('%j is a usage error', async (words) => {
  const { code, stdout, stderr } = await tollgate(words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).not.toBe('');
});

test('a key is printed once, alone on stdout; its list shows no key', async () => {
  const made = await onDev('keys', 'create', '--group', 'team', '--user', 'ann', '--expires', '30d', '--note', 'for a test');
  const key = made.stdout.trim();
  expect([made.code, parseApiKey(key)]).toEqual([0, { kind: 'valid', stage: 'dev' }]);
  expect(made.stderr).not.toContain(key);
  const listed = await onDev('keys', 'list', '--json');
  expect(JSON.parse(listed.stdout)).toMatchObject([{ group: 'team', user: 'ann', note: 'for a test', state: 'valid' }]);
  expect(listed.stdout + listed.stderr).not.toContain(key);
  const [{ id }] = JSON.parse(listed.stdout) as [{ readonly id: string }];
  expect((await onDev('keys', 'revoke', id)).code).toBe(0);
  expect((await onDev('keys', 'list')).stdout).toMatch(/revoked/);
  expect((await onDev('keys', 'revoke', 'feedfeedfeed')).code).toBe(1);
  expect((await onDev('keys', 'create', '--group', 'nobody')).stderr).toContain('Its groups: team');
});

test("an existing key is imported from stdin and not shown; another stage's key and a guessable one are not", async () => {
  const create = (stdin: string) =>
    tollgate(['keys', 'create', '--group', 'team', '--import', '--stage', 'dev', ...local], { stdin });
  const prod = await tollgate(['keys', 'create', '--group', 'team', '--stage', 'prod', ...local]);
  const imported = await create('an-old-key-of-this-team-0123456789\n');
  expect([imported.code, imported.stdout]).toEqual([0, '']);
  expect(imported.stderr).not.toContain('an-old-key');
  expect((await create('an-old-key-of-this-team-0123456789')).code).toBe(1);
  expect((await create(prod.stdout)).code).toBe(2);
  expect((await create('short')).code).toBe(2);
  expect((await create('')).code).toBe(2);
});

test('ledger keep and verify cover both stages, and alerts are an empty list at first', async () => {
  const kept = await tollgate(['ledger', 'keep', '--once', '--json', ...local]);
  expect([kept.code, Object.keys((JSON.parse(kept.stdout) as { readonly stages: object }).stages)]).toEqual([0, ['dev', 'prod']]);
  const verified = await tollgate(['ledger', 'verify', '--quiesced', '--json', ...local]);
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([
    0,
    { stages: { dev: { findings: [], moving: 0, heldUsd: '0.00' }, prod: { findings: [] } } },
  ]);
  expect((await tollgate(['ledger', 'verify', ...local])).stdout).toMatch(/findings +0/);
  expect((await onDev('alerts', 'list', '--json')).stdout).toBe('[]\n');
});

test('commands at the same time share one database and leave none behind', async () => {
  const both = await Promise.all(
    Array.from({ length: 4 }, (_, n) => onDev('wallet', 'fund', 'team_two', '--usd', '1.00', '--id', `many-${n}`)),
  );
  expect(both.map((one) => one.code)).toEqual([0, 0, 0, 0]);
});

test('without AWS credentials a command ends with 3 and says what to do', async () => {
  const variables = {
    AWS_REGION: 'eu-central-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: directory,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
  const { code, stderr } = await tollgate(['wallet', 'list', '--stage', 'dev'], { variables });
  expect([code, stderr]).toEqual([3, expect.stringContaining('--local')]);
});

describe('policy', () => {
  test('the shipped files are fine as deployed stages, and a loopback provider is not', async () => {
    expect((await tollgate(['policy', 'check'])).code).toBe(0);
    const file = path.join(directory, 'policy', 'dev.yaml');
    expect((await tollgate(['policy', 'check', file, '--local'])).code).toBe(0);
    const deployed = await tollgate(['policy', 'check', file]);
    expect([deployed.code, deployed.stderr]).toEqual([4, expect.stringContaining('loopback')]);
  });

  test('a typo is told with file, line and suggestion, in JSON too', async () => {
    const file = path.join(directory, 'typo.yaml');
    await writeFile(file, 'stage: dev\nwallet:\n  - { team_id: a }\n');
    const { code, stderr, stdout } = await tollgate(['policy', 'check', file, '--json']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringContaining(`${file}:2:1 wallet: unknown key 'wallet' (did you mean 'wallets'?)`),
    ]);
    const [{ problems }] = JSON.parse(stdout) as [
      { readonly problems: readonly { readonly line: number; readonly path: string }[] },
    ];
    expect(problems).toContainEqual(expect.objectContaining({ line: 2, path: 'wallet' }));
  });

  test('a file that is missing is an error, not a violated policy', async () => {
    expect((await tollgate(['policy', 'check', path.join(directory, 'none.yaml')])).code).toBe(1);
  });

  test('the effective policy is shown for people and as JSON', async () => {
    expect((await onDev('policy', 'show')).stdout).toContain('team: paid by team_one');
    expect(JSON.parse((await onDev('policy', 'show', '--json')).stdout)).toMatchObject({
      stage: 'dev',
      wallets: [{ planNanoUsdPerMonth: '10000000000' }, {}],
    });
  });

  test('the schema is JSON that names the dialect', async () => {
    expect(JSON.parse((await tollgate(['policy', 'schema'])).stdout)).toMatchObject({
      $schema: expect.stringContaining('json-schema.org'),
    });
  });

  test('split writes the stage files, and overwrites none unless told to', async () => {
    const out = path.join(directory, 'split');
    await mkdir(out);
    const file = path.join(directory, 'fragment.yaml');
    await writeFile(file, FRAGMENT);
    expect((await tollgate(['policy', 'split', file, '--out', out])).code).toBe(0);
    expect((await readdir(out)).toSorted()).toEqual(['dev.yaml', 'policy.schema.json', 'prod.yaml']);
    expect((await tollgate(['policy', 'check', path.join(out, 'dev.yaml')])).code).toBe(0);
    for (const stage of ['dev', 'prod']) {
      const named = /^# yaml-language-server: \$schema=(\S+)$/m.exec(
        await readFile(path.join(out, `${stage}.yaml`), 'utf8'),
      )?.[1];
      expect(JSON.parse(await readFile(path.join(out, named ?? 'no schema is named'), 'utf8'))).toHaveProperty(
        'properties.stage',
      );
    }
    await writeFile(path.join(out, 'dev.yaml'), 'mine');
    const again = await tollgate(['policy', 'split', file, '--out', out]);
    expect([again.code, await readFile(path.join(out, 'dev.yaml'), 'utf8')]).toEqual([1, 'mine']);
    expect((await tollgate(['policy', 'split', file, '--out', out, '--force'])).code).toBe(0);
  });
});

describe('an empty option', () => {
  test.each([
    ['--home', ['wallet', 'list', '--stage', 'dev', '--local', '--home', '']],
    ['--home', ['start', '--dev-port', '0', '--prod-port', '0', '--home', ' ']],
    ['--policy', ['policy', 'show', '--stage', 'dev', '--local', '--policy', '']],
    ['--policy', ['policy', 'check', '--policy', '']],
    ['--out', ['policy', 'split', 'fragment.yaml', '--out', '']],
    ['--user', ['keys', 'create', '--stage', 'dev', '--local', '--group', 'team', '--user', '']],
    ['--id', ['wallet', 'fund', 'team_one', '--stage', 'dev', '--local', '--usd', '1', '--id', '']],
  ])('%s is refused before anything is done: %j', async (option, words) => {
    const { code, stdout, stderr } = await tollgate(words);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`tollgate: ${option} is empty`);
  });
});
