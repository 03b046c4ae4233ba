/** No limit is accepted and ignored: every word that this version does not enforce stops the load. */
import { NOT_ENFORCED, parsePolicyFile } from '../../../lambdas/policy/index.ts';
import { LEARNING, edit, fixture, load, problemOf, problemsOf } from './support.ts';

const ALERTS = (line: string) => edit(LEARNING, 'stage: dev', `stage: dev\nalerts: { ${line} }`);

test.each([
  ['forecast', ALERTS('forecast: true'), 2],
  ['tickets', ALERTS('tickets: true'), 2],
  ['slack_webhook', ALERTS('channels: { slack_webhook: { secret: hook } }'), 2],
  ['https', ALERTS('channels: { https: [https://ops.example.com/hook] }'), 2],
  ['acknowledge_within', ALERTS('acknowledge_within: 30m'), 2],
  ['escalate_to', ALERTS('escalate_to: boss@example.com'), 2],
  ['low_balance_usd', edit(LEARNING, '"50.00"', '"50.00", low_balance_usd: "5.00"'), 8],
  ['evaluations', `${LEARNING}evaluations: { wallet_team_id: team_two, max_run_usd: "5.00", allowed: true }\n`, 30],
  ['evaluations', `${LEARNING}evaluations: { wallet_team_id: team_two, max_run_usd: "5.00" }\n`, 30],
])('%s is refused with its line: it would be ignored', (word, text, line) => {
  const problem = problemOf(text);
  expect(problem.line).toBe(line);
  expect(problem.path + problem.message).toContain(word);
  expect(problem.message).toContain('accepted by the schema, not enforced by this version');
  expect(problem.message).toContain('it would be ignored');
});

test.each([
  ALERTS('forecast: false'),
  ALERTS('tickets: false'),
  ALERTS('acknowledge_within: null, escalate_to: null'),
  ALERTS('channels: { https: [] }'),
  edit(LEARNING, 'name: mistral', 'name: mistral\n    protocol: openai'),
  `${LEARNING}evaluations: { wallet_team_id: team_two, max_run_usd: "5.00", allowed: false }\n`,
])('what asks for nothing is accepted (%#)', (text) => {
  expect(load(text).warnings).toEqual([]);
});

test('the example that shows every part has the right form', () => {
  expect(parsePolicyFile(fixture('every-part.yaml'), 'every-part.yaml').stage).toBe('dev');
});

test('the example that shows every part fails the load for exactly what this version does not enforce', () => {
  const problems = problemsOf(fixture('every-part.yaml'));
  expect(problems.every((problem) => problem.message.includes('not enforced by this version'))).toBe(true);
  expect(problems.map((problem) => problem.path)).toEqual([
    'alerts.forecast',
    'alerts.channels.slack_webhook',
    'alerts.channels.https',
    'wallets[0].low_balance_usd',
    'evaluations',
  ]);
});

test('words that are not enforced are told together with errors of the form', () => {
  const text = edit(edit(LEARNING, '"50.00"', '"50.00", low_balance_usd: "5.00"'), 'window: day', 'window: dya');
  expect(problemsOf(text).map((problem) => problem.line)).toEqual([8, 14]);
});

test('the table has one entry for each word', () => {
  expect(new Set(NOT_ENFORCED.map((entry) => entry.path)).size).toBe(NOT_ENFORCED.length);
});
