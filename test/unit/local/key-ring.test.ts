/** The plaintext keys of the local stages. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryKeyStore } from '../../../lambdas/adapters/memory/key-store.ts';
import { systemRandom } from '../../../lambdas/adapters/system/system.ts';
import { parseApiKey } from '../../../lambdas/domain/api-keys.ts';
import { hashOfKey, keysOfGroups } from '../../../lambdas/local/key-ring.ts';
import { loadPolicy } from '../../../lambdas/policy/index.ts';
import { testPolicy } from '../../support/test-policies.ts';

const wallets = { team_one: '1.00' };
const baseUrl = 'http://127.0.0.1:9/v1';

let home: string;
let now: number;
let said: string[];

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'tollgate-keys-'));
  now = 1_000_000;
  said = [];
});

afterEach(() => rm(home, { recursive: true }));

function stageOf(keys: MemoryKeyStore, groups: readonly string[] = ['one', 'two']) {
  const text = testPolicy({ stage: 'dev', baseUrl, wallets, groups: groups.map((name) => ({ name, wallet: 'team_one' })) });
  return { policy: loadPolicy(text, { file: 'dev.yaml', deployed: false, atEpochMs: Date.now() }).policy, keys };
}

function ring(keys: MemoryKeyStore, groups?: readonly string[]) {
  const clock = { now: () => now, sleep: async () => undefined };
  return keysOfGroups([stageOf(keys, groups)], { home, clock, random: systemRandom, say: (line) => said.push(line) });
}

test('every group gets a key of its stage that the store knows, and the next start gives the same ones', async () => {
  const keys = new MemoryKeyStore();
  const first = await ring(keys);
  expect(Object.keys(first.dev ?? {})).toEqual(['one', 'two']);
  for (const [group, key] of Object.entries(first.dev ?? {})) {
    expect(parseApiKey(key)).toEqual({ kind: 'valid', stage: 'dev' });
    expect(await keys.find(hashOfKey(key))).toMatchObject({ group });
  }
  expect(await ring(keys)).toEqual(first);
  expect(await keys.list()).toHaveLength(2);
});

test('a key that was revoked, and one that the store does not know, are made anew, the others kept', async () => {
  const keys = new MemoryKeyStore();
  const first = await ring(keys);
  await keys.revoke(hashOfKey(first.dev?.one ?? '').slice(0, 12), now);
  const second = await ring(keys);
  expect(second.dev?.one).not.toBe(first.dev?.one);
  expect(second.dev?.two).toBe(first.dev?.two);
  const third = await ring(new MemoryKeyStore());
  expect([third.dev?.one, third.dev?.two]).not.toEqual([second.dev?.one, second.dev?.two]);
  expect(said.join('\n')).toContain('a new one was made');
});

test('a group that leaves the policy and comes back has its key again', async () => {
  const keys = new MemoryKeyStore();
  const first = await ring(keys);
  await ring(keys, ['two', 'three']);
  expect((await ring(keys)).dev).toEqual(first.dev);
});

test.each(['', '{', '[]', '{"version":2,"keys":{}}', '{"version":1,"keys":{"dev":{"one":5}}}'])(
  'a damaged file (%s) makes new keys and is told',
  async (text) => {
    await writeFile(path.join(home, 'keys.json'), text);
    const made = await ring(new MemoryKeyStore());
    expect(said.join('\n')).toContain('damaged');
    expect(JSON.parse(await readFile(path.join(home, 'keys.json'), 'utf8'))).toEqual({ version: 1, keys: made });
  },
);
