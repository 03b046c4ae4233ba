/** The article's fragment, verbatim, becomes two stage files. */
import { splitFragment } from '../../../lambdas/policy/index.ts';
import { PolicyError } from '../../../lambdas/policy/index.ts';
import { LEARNING, edit, fixture, load, problemsOf } from './support.ts';

function textOf(stage: 'dev' | 'prod'): string {
  return splitFragment(fixture('fragment.yaml'), 'fragment.yaml').stages.find((file) => file.stage === stage)?.text ?? '';
}

test('the fragment makes dev and prod, each with its own group, wallet and key', () => {
  const { stages, warnings } = splitFragment(fixture('fragment.yaml'), 'fragment.yaml');
  expect(stages.map((file) => file.stage)).toEqual(['dev', 'prod']);
  expect(warnings).toEqual([]);
  expect(textOf('dev')).toContain('kt_cg_dev_abc123');
  expect(textOf('dev')).not.toMatch(/team_prod|kt_cg_prod/);
  expect(textOf('prod')).toContain('kt_cg_prod_def456');
  expect(textOf('prod')).not.toMatch(/team_dev|kt_cg_dev/);
});

test('the dev file starts as it is, with a warning for its plaintext key only', () => {
  const { policy, warnings } = load(textOf('dev'));
  expect(policy).toMatchObject({
    stage: 'dev',
    purpose: 'learning',
    consumerGroups: [{ name: 'dev', walletTeamId: 'team_dev' }],
  });
  expect(policy.costTracking.budgetAlerts).toEqual([
    { percent: 50, action: 'notify' },
    { percent: 90, action: 'notify' },
    { percent: 100, action: 'block' },
  ]);
  expect(warnings.map((warning) => warning.path)).toEqual(['consumer_groups[0].api_key']);
});

test('the check of the prod file lists exactly what is to be filled in, each place marked in the file', () => {
  const problems = problemsOf(textOf('prod'));
  expect(problems.map((problem) => problem.path)).toEqual([
    'owner',
    'alerts.runbook',
    'wallets[0].plan_usd_per_month',
    'consumer_groups[0].budgets[0].limit_usd',
    'providers[0].budgets[0].limit_usd',
    'providers[1].budgets[0].limit_usd',
  ]);
  const lines = textOf('prod').split('\n');
  for (const problem of problems) expect(lines[problem.line - 1]).toContain('FILL IN');
});

test('the prod file with everything filled in is accepted locally, and deployed once its key has moved', () => {
  const filled = textOf('prod')
    .replace(/^owner:.*$/m, 'owner: platform@example.com')
    .replace(/runbook:.*$/m, 'runbook: https://runbooks.example.com/spend')
    .replace(/plan_usd_per_month:.*$/m, 'plan_usd_per_month: "3000.00"')
    .replaceAll(/limit_usd:.*$/gm, 'limit_usd: "1000.00"');
  expect(load(filled).policy.purpose).toBe('service');
  expect(problemsOf(filled, true).map((problem) => problem.path)).toEqual(['consumer_groups[0].api_key']);
  expect(load(filled.replace(/^ *api_key:.*\n/m, ''), true).warnings).toEqual([]);
});

test('the comment beside a key names the command that moves it', () => {
  expect(textOf('prod')).toContain('npx tollgate keys create --stage prod --group prod --import');
});

test('a fragment of dev groups only makes the dev file only', () => {
  const text = 'consumer_groups: [{ name: dev-web, wallet_team_id: team_dev }]\n';
  const { stages } = splitFragment(text, 'f.yaml');
  expect(stages.map((file) => file.stage)).toEqual(['dev']);
  expect(load(stages[0]?.text ?? '').warnings).toEqual([]);
});

test('a wallet that pays for both stages is told: stages share nothing', () => {
  const text = edit(fixture('fragment.yaml'), 'team_prod', 'team_dev');
  expect(splitFragment(text, 'f.yaml').warnings).toMatchObject([
    { line: 7, message: expect.stringContaining('stages share nothing') },
  ]);
});

test.each([
  [
    'a group that does not say its stage',
    edit(fixture('fragment.yaml'), 'name: prod', 'name: marketing'),
    'does not say its stage',
  ],
  ['a mistyped key', edit(fixture('fragment.yaml'), 'wallet_team_id', 'wallet_team'), "unknown key 'wallet_team'"],
  ['a whole stage file', LEARNING, 'nothing to split'],
  ['text that is no YAML', 'consumer_groups: [', 'not valid YAML'],
])('%s is refused with its place', (_what, text, message) => {
  expect(() => splitFragment(text, 'f.yaml')).toThrow(PolicyError);
  expect(() => splitFragment(text, 'f.yaml')).toThrow(message);
});
