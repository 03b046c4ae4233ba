/** Which providers of a local stage are real. */
import { EnvironmentSecrets, credentialVariable } from '../../../lambdas/local/environment-secrets.ts';
import { playProviders } from '../../../lambdas/local/simulation.ts';
import { loadPolicy } from '../../../lambdas/policy/index.ts';
import { readFileSync } from 'node:fs';

const shipped = loadPolicy(readFileSync(new URL('../../../policy/dev.yaml', import.meta.url), 'utf8'), {
  file: 'dev.yaml',
  deployed: false,
  atEpochMs: Date.now(),
}).policy;

test.each([
  ['openai', 'OPENAI_API_KEY'],
  ['open-ai.eu', 'OPEN_AI_EU_API_KEY'],
])('the credential of secret %s is in %s', (name, variable) => {
  expect(credentialVariable(name)).toBe(variable);
});

test('a provider is real exactly when its credential is in the environment; the others are played', async () => {
  const secrets = new EnvironmentSecrets({ OPENAI_API_KEY: 'sk-test', MISTRAL_API_KEY: '  ' });
  const played: string[] = [];
  const { policy, plays } = await playProviders(shipped, secrets, false, async (provider) => {
    played.push(provider.name);
    return 'http://127.0.0.1:1/v1';
  });
  expect(played).toEqual(['mistral', 'anthropic']);
  expect(policy.providers.map(({ baseUrl, credential }) => [baseUrl, credential.kind])).toEqual([
    ['https://api.openai.com/v1', 'secret'],
    ['http://127.0.0.1:1/v1', 'none'],
    ['http://127.0.0.1:1/v1', 'none'],
  ]);
  expect(plays.map((play) => play.simulatedAt)).toEqual([undefined, 'http://127.0.0.1:1/v1', 'http://127.0.0.1:1/v1']);
  expect(JSON.stringify(plays)).not.toContain('sk-test');
});

test('a played provider keeps its prices, budgets and deadlines', async () => {
  const { policy } = await playProviders(shipped, new EnvironmentSecrets({}), false, async () => 'http://127.0.0.1:1/v1');
  expect(policy.prices).toBe(shipped.prices);
  expect(policy.providers.map(({ budgets, timeoutMs }) => ({ budgets, timeoutMs }))).toEqual(
    shipped.providers.map(({ budgets, timeoutMs }) => ({ budgets, timeoutMs })),
  );
});

test.each([
  [false, 'http://127.0.0.1:1/v1', 'set TOLLGATE_USE_AWS_CREDENTIALS=1 to call the real one'],
  [true, undefined, "signed with this machine's AWS credentials"],
])('an IAM provider is called only where that is asked for (%s), and the banner says it', async (useAws, simulatedAt, reason) => {
  const [first, ...rest] = shipped.providers;
  if (first === undefined) throw new Error('the shipped policy has a provider');
  const credential = { kind: 'iam', service: 'bedrock', region: 'eu-central-1' } as const;
  const { plays } = await playProviders(
    { ...shipped, providers: [{ ...first, credential }, ...rest] },
    new EnvironmentSecrets({ OPENAI_API_KEY: 'x', BEDROCK_API_KEY: 'x', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' }),
    useAws,
    async () => 'http://127.0.0.1:1/v1',
  );
  expect(plays[0]?.simulatedAt).toBe(simulatedAt);
  expect(plays[0]?.reason).toContain(reason);
});
