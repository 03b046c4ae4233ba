/** A policy as `policy show` prints it. */
import { readFileSync } from 'node:fs';
import { describePolicy } from '../../../bin/commands/policy-text.ts';
import { loadPolicy } from '../../../lambdas/policy/index.ts';
import { testPolicy } from '../../support/test-policies.ts';

const NOW = Date.UTC(2026, 10, 23);

function shown(text: string): string {
  return describePolicy(loadPolicy(text, { file: 'x.yaml', deployed: false, atEpochMs: NOW }).policy, NOW);
}

test('it says who pays, what bites where, and what a model costs', () => {
  const text = shown(readFileSync(new URL('../../../policy/dev.yaml', import.meta.url), 'utf8'));
  for (const line of [
    'team_dev: plan $400.00 a month; notify at 50 %, notify at 90 %, block at 100 %',
    'dev: paid by team_dev; models economy, frontier, claude, embeddings; at most 1024 output tokens',
    'each-developer: $5.00 a day for each user; notify at 50 %, notify at 90 %, block at 100 %',
    'frontier: $8.00 a day on frontier; notify at 80 %',
    'runs on economy once a budget stands at 80 %',
  ]) {
    expect(text).toContain(line);
  }
});

test('it says when a failing target is left alone, and for how long', () => {
  const text = shown(readFileSync(new URL('../../../policy/prod.yaml', import.meta.url), 'utf8'));
  expect(text).toContain('cools down for 30 s after 3 failures in a row');
});

test('prices are told per million tokens, exactly as the policy states them', () => {
  const text = testPolicy({
    stage: 'dev',
    baseUrl: 'http://127.0.0.1:9/v1',
    wallets: { team_a: '1.00' },
    groups: [{ name: 'one', wallet: 'team_a' }],
  });
  expect(shown(text)).toContain('one/one: $0.00 in, $100000.00 out a million tokens (policy)');
});

test('no key of a policy is shown, not even as a hash', () => {
  const key = 'a-plaintext-key-of-a-test';
  const one = { name: 'one', wallet: 'team_a', more: [`api_key: ${key}`] };
  const text = shown(testPolicy({ stage: 'dev', baseUrl: 'http://127.0.0.1:9/v1', wallets: { team_a: '1.00' }, groups: [one] }));
  expect(text).not.toContain(key);
  expect(text).not.toMatch(/[0-9a-f]{64}/);
});
