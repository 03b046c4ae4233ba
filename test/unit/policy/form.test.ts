/** What is wrong with a file's form is told with its line, its column and what to write. */
import { inspect } from 'node:util';
import { LEARNING, edit, load, problemOf, problemsOf } from './support.ts';

test('a valid learning policy is accepted without a warning', () => {
  expect(load(LEARNING).warnings).toEqual([]);
});

test('an unknown key is told with file, line, column and the nearest known key', () => {
  expect(problemOf(edit(LEARNING, 'wallet_team_id: team_one', 'wallet_team_id: team_one\n    wallet_teamid: team_one'))).toEqual({
    file: 'policy/test.yaml',
    line: 12,
    column: 5,
    path: 'consumer_groups[0].wallet_teamid',
    message: "unknown key 'wallet_teamid'",
    suggestion: "did you mean 'wallet_team_id'?",
  });
});

test.each([
  ['limit: "20.00"', 'limit_usd: "20.00"', "did you mean 'limit_usd'?"],
  ['limt_usd: "20.00"', 'limit_usd: "20.00"', "did you mean 'limit_usd'?"],
  ['Limit_usd: "20.00"', 'limit_usd: "20.00"', "did you mean 'limit_usd'?"],
])('the mistyped key of %s is told with the key that is meant', (wrong, right, suggestion) => {
  const problems = problemsOf(edit(LEARNING, right, wrong));
  expect(problems).toContainEqual(
    expect.objectContaining({ line: 14, suggestion, message: expect.stringContaining('unknown key') }),
  );
  expect(problems).toContainEqual(expect.objectContaining({ line: 14, message: "'limit_usd' is missing" }));
});

test.each(['promotion: {}', 'shadow: {}', 'mirror: {}'])('what the vocabulary does not have is an unknown key: %s', (line) => {
  const problem = problemOf(edit(LEARNING, '    aliases: [cheap]', `    ${line}`));
  expect(problem).toMatchObject({ line: 24, message: expect.stringContaining('unknown key') });
});

test('a key that nothing resembles is told with the keys that are known there', () => {
  const problem = problemOf(edit(LEARNING, '    aliases: [cheap]', '    zzzzzzzzzz: 1'));
  expect(problem.suggestion).toContain('known here: model, aliases, strategy, targets');
});

test('an unknown key inside a credential is told with the nearest one', () => {
  const problems = problemsOf(edit(LEARNING, '{ secret: openai }', '{ secrte: openai }'));
  expect(problems).toContainEqual(expect.objectContaining({ line: 18, suggestion: "did you mean 'secret'?" }));
});

test('an amount of money without quotes is refused with the quoted text to write', () => {
  expect(problemOf(edit(LEARNING, '"100.00"', '100.00'))).toMatchObject({
    line: 7,
    path: 'wallets[0].plan_usd_per_month',
    message: expect.stringContaining('put quotes around it'),
    suggestion: 'write plan_usd_per_month: "100.00"',
  });
});

test('a name without quotes that YAML reads as a number is refused with the quoted text', () => {
  expect(problemOf(edit(LEARNING, 'model: gpt-5.1', 'model: 5.10'))).toMatchObject({
    line: 29,
    suggestion: 'write model: "5.10"',
  });
});

test.each(['"-1.00"', '"1e3"', '"$5"', '"1,000.00"', '""', '"0.0000000001"', '"12."'])('the amount %s is refused', (amount) => {
  expect(problemOf(edit(LEARNING, '"20.00"', amount))).toMatchObject({
    line: 14,
    path: 'consumer_groups[0].budgets[0].limit_usd',
  });
});

test.each([
  ['name: apps', 'name: ap', 'consumer_groups[0].name'],
  ['name: apps', 'name: a/apps', 'consumer_groups[0].name'],
  ['name: apps', 'name: "a#apps"', 'consumer_groups[0].name'],
  ['name: apps', 'name: "ap\\u0007ps"', 'consumer_groups[0].name'],
  ['name: day,', 'name: a/b,', 'consumer_groups[0].budgets[0].name'],
  ['model: frontier', 'model: a/b', 'routes[1].model'],
  ['stage: dev', 'stage: D', 'stage'],
  ['stage: dev', 'stage: abcdefghijklmnopq', 'stage'],
])('a name that a key of the ledger could not hold is refused: %j becomes %j', (from, to, path) => {
  expect(problemsOf(edit(LEARNING, from, to)).map((problem) => problem.path)).toContain(path);
});

test('a word that is not among the known ones is told with the nearest', () => {
  expect(problemOf(edit(LEARNING, 'window: day', 'window: dya'))).toMatchObject({ line: 14, suggestion: "did you mean 'day'?" });
});

test('every problem of the form is told at once, in the order of the lines', () => {
  const text = edit(edit(LEARNING, '"20.00"', '20'), 'stage: dev', 'stage: dev\nstrategy: ordered');
  expect(problemsOf(text).map((problem) => problem.line)).toEqual([2, 15]);
});

test('a file without a stage is refused and points to policy split', () => {
  const problem = problemOf(edit(LEARNING, 'stage: dev\n', ''));
  expect(problem).toMatchObject({ path: 'stage', suggestion: expect.stringContaining('npx tollgate policy split') });
});

test('a key without a value says that it is to be filled in', () => {
  expect(problemOf(edit(LEARNING, 'stage: dev', 'stage: dev\nowner:'))).toMatchObject({
    line: 2,
    message: "'owner' has no value yet",
  });
});

test.each([
  ['a key that stands twice', 'stage: dev\nstage: dev\n', 2, 'stands twice'],
  ['a bracket that is not closed', 'stage: dev\nwallets: [{ a: 1 }\n', 3, 'not valid YAML'],
  ['a tab that indents', 'stage: dev\nwallets:\n\t- a: 1\n', 3, 'tab'],
  ['an alias without an anchor', 'stage: *missing\n', 1, 'alias'],
  ['a second document', 'stage: dev\n---\nstage: prod\n', 2, 'more than one document'],
])('%s is told with its line', (_what, text, line, message) => {
  expect(problemsOf(text)[0]).toMatchObject({ line, message: expect.stringContaining(message) });
});

test('anchors that unfold to millions of items are refused at once', () => {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [before, name] of 'abcdefgh'
    .split('')
    .map((letter, index, all) => [all[index - 1] ?? '', letter])
    .slice(1)) {
    lines.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`);
  }
  expect(problemsOf(lines.join('\n'))[0]?.message).toContain('anchors and aliases');
});

test('a shared list of thresholds by anchor and alias is accepted, and its problems have a place', () => {
  const shared = edit(LEARNING, 'budget_alerts:\n', 'budget_alerts: &alerts\n');
  const text = edit(shared, 'limit_usd: "20.00" }', 'limit_usd: "20.00", budget_alerts: *alerts }');
  expect(load(text).policy.consumerGroups[0]?.budgets[0]?.thresholds).toHaveLength(2);
  expect(problemsOf(edit(text, 'threshold_percent: 50', 'threshold_percent: 0.5'))[0]?.line).toBe(4);
});

test.each(['', '# nothing\n', '[]', '7', 'just text'])('a file that holds no policy is refused: %j', (text) => {
  expect(problemsOf(text).length).toBeGreaterThan(0);
});

test('no error shows a key that stands in the file', () => {
  const secret = 'sk-live-1234567890abcdef';
  const texts = [
    edit(LEARNING, 'credential: { secret: openai }', `credential: ${secret}`),
    edit(LEARNING, 'wallet_team_id: team_one', `wallet_team_id: team_one\n    api_key: [${secret}`),
    edit(LEARNING, 'wallet_team_id: team_one', `wallet_team_id: team_one\n    api_key: "${secret} x"`),
    edit(LEARNING, 'https://api.openai.com/v1', `https://user:${secret}@api.openai.com/v1?key=${secret}`),
    edit(LEARNING, 'wallet_team_id: team_one', `wallet_team_id: team_one\n    api_key: ${secret}\n    api_key: ${secret}`),
  ];
  for (const text of texts) expect(JSON.stringify(problemsOf(text))).not.toContain(secret);
  const accepted = load(edit(LEARNING, 'wallet_team_id: team_one', `wallet_team_id: team_one\n    api_key: ${secret}`));
  expect(JSON.stringify(accepted.warnings)).not.toContain(secret);
  expect(inspect(accepted.policy, { depth: 20 })).not.toContain(secret);
});

test('a key that is itself a mapping or a list is refused without being shown', () => {
  expect(problemOf('stage: dev\n? { kt_cg_dev_abc123: 1 }\n: x\n')).toMatchObject({ line: 2, message: 'a key is a plain text' });
});

test('more budgets than a chain of pots may have are refused', () => {
  const budgets = Array.from({ length: 9 }, (_, index) => `      - { name: b${index}, window: day, limit_usd: "1.00" }`).join(
    '\n',
  );
  const problem = problemOf(edit(LEARNING, '      - { name: day, window: day, limit_usd: "20.00" }', budgets));
  expect(problem).toMatchObject({ path: 'consumer_groups[0].budgets', message: 'at most 8 items fit here' });
});
