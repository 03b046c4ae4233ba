/** What a person reads once the local stages are ready. */
import { type BannerFacts, banner } from '../../../lambdas/local/banner.ts';

const facts: BannerFacts = {
  home: '/home/of/mine',
  database: { kind: 'dynoxide', endpoint: 'http://127.0.0.1:4000' },
  stages: [
    { stage: 'dev', baseUrl: 'http://127.0.0.1:4101', models: { team: "it's" } },
    { stage: 'prod', baseUrl: 'http://127.0.0.1:4102', models: {} },
  ],
  keys: { dev: { team: 'tg_dev_x' }, prod: { live: 'tg_prod_y' } },
  plays: [
    { stage: 'dev', provider: 'openai', reason: 'with OPENAI_API_KEY' },
    {
      stage: 'prod',
      provider: 'openai',
      simulatedAt: 'http://127.0.0.1:5000/v1',
      reason: 'set OPENAI_API_KEY to call the real one',
    },
  ],
};

test('it shows both forms of each address, every key, and which providers are real', () => {
  const text = banner(facts);
  for (const part of ['http://127.0.0.1:4101/v1\n', 'http://127.0.0.1:4102\n', 'tg_dev_x', 'tg_prod_y', '/home/of/mine'])
    expect(text).toContain(part);
  expect(text).toMatch(/openai +real, with OPENAI_API_KEY/);
  expect(text).toMatch(/openai +SIMULATED at http:\/\/127\.0\.0\.1:5000\/v1: set OPENAI_API_KEY/);
});

test('its curl is quoted for a shell, whatever the model is called', () => {
  expect(banner(facts)).toContain(String.raw`"model":"it'\''s"`);
});

test('without a group that may call a model there is no example', () => {
  expect(banner({ ...facts, keys: { dev: {}, prod: { live: 'tg_prod_y' } } })).not.toContain('curl http://127.0.0.1:4101');
});

test.each([
  ['dynoxide', /Database: dynoxide at http:\/\/127\.0\.0\.1:4000$/m],
  ['dynamodb-local', /Database: Amazon's DynamoDB Local at http:\/\/127\.0\.0\.1:4000$/m],
  ['given', /Database: the one at http:\/\/127\.0\.0\.1:4000 \(TOLLGATE_DYNAMODB_ENDPOINT\)/],
] as const)('it says which database the money is in: %s', (kind, words) => {
  const text = banner({ ...facts, database: { kind, endpoint: 'http://127.0.0.1:4000' } });
  expect(text).toMatch(words);
  expect(text.includes('database and keys')).toBe(kind !== 'given');
});
