/** Every example of docs/providers.md is a policy that loads, and has a price for each of its targets. */
import { readFileSync } from 'node:fs';
import { findPrice } from '../../../lambdas/domain/prices.ts';
import { AT, load, problemsOf } from './support.ts';

const TEXT = readFileSync(new URL('../../../docs/providers.md', import.meta.url), 'utf8');
const EXAMPLES = [...TEXT.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
const HEAD = `stage: dev
wallets: [{ team_id: team_one, plan_usd_per_month: "10.00" }]
consumer_groups: [{ name: apps, wallet_team_id: team_one }]
`;

test('there is an example of each', () => {
  expect(EXAMPLES).toHaveLength(7);
  for (const host of ['bedrock-runtime', 'bedrock-mantle', 'openai.azure.com', 'googleapis', 'mistral', 'groq', '8000', '11434'])
    expect(EXAMPLES.join('')).toContain(host);
});

test.each(EXAMPLES)('example %#', (example) => {
  const local = example.includes('127.0.0.1');
  const { policy, warnings } = load(HEAD + example, !local);
  // Where the catalogue's prices are higher than the plain ones, that is said; nothing else is.
  expect(warnings.filter(({ message }) => !message.includes('the dearest prices them all'))).toEqual([]);
  for (const { targets } of policy.routes) {
    for (const { provider, model } of targets) expect(findPrice(policy.prices, provider, model, AT)).toBeDefined();
  }
  if (local) expect(problemsOf(HEAD + example, true).length).toBeGreaterThan(0);
});

test('without prices, what runs here is recorded at 0 where the stage says so', () => {
  const local = EXAMPLES.find((example) => example.includes('11434'))?.replace(/^prices:[\s\S]*/m, '') ?? '';
  const { policy, warnings } = load(`${HEAD}cost_tracking: { unpriced_model: allow_at_zero }\n${local}`);
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('recorded at 0'),
    expect.stringContaining('recorded at 0'),
  ]);
  expect(policy.prices.map(({ source }) => source)).toEqual(['unpriced', 'unpriced']);
});
