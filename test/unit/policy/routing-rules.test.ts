/** Cooldown, lowest_latency and when_budget_above: what they compile to, and what they are refused or warned for. */
import { LEARNING, SERVICE, edit, load, problemOf, problemsOf, shipped } from './support.ts';

const ECONOMY = (line: string) => edit(LEARNING, '    aliases: [cheap]', `    ${line}`);
const FRONTIER = (line: string) => `${LEARNING}    ${line}\n`;

test('a cooldown, a strategy by speed and a rule for spend near a limit are compiled as written', () => {
  const text = `${ECONOMY('strategy: lowest_latency\n    cooldown: { after_failures: 3, for: 30s }')}    when_budget_above: { percent: 80, use: economy }\n`;
  const { policy, warnings } = load(text);
  expect(warnings).toEqual([]);
  expect(policy.routes).toMatchObject([
    { strategy: 'lowest_latency', cooldown: { afterFailures: 3, forMs: 30_000 } },
    { model: 'frontier', whenBudgetAbove: { percent: 80, use: 'economy' } },
  ]);
});

test('a route that asks for none of them has none', () => {
  const [economy] = load(LEARNING).policy.routes;
  expect(economy).not.toHaveProperty('cooldown');
  expect(economy).not.toHaveProperty('whenBudgetAbove');
});

test.each(['999ms', '0s', '61m', '2h'])('a cooldown of %s is refused: it is between a second and an hour', (duration) => {
  expect(problemOf(ECONOMY(`cooldown: { after_failures: 3, for: ${duration} }`))).toMatchObject({
    path: 'routes[0].cooldown.for',
    line: 24,
  });
});

test.each(['1s', '1h', '60m'])('a cooldown of %s is accepted', (duration) => {
  expect(load(ECONOMY(`cooldown: { after_failures: 1, for: ${duration} }`)).warnings).toEqual([]);
});

test('a cooldown on the only target of a route is told to have no effect', () => {
  const { warnings } = load(FRONTIER('cooldown: { after_failures: 3, for: 30s }'));
  expect(warnings).toMatchObject([{ path: 'routes[1].cooldown' }]);
});

test('speed without a cooldown is told to ask a failing target again', () => {
  expect(load(ECONOMY('strategy: lowest_latency')).warnings).toMatchObject([{ path: 'routes[0].strategy' }]);
});

test('spend near a limit leads to a route that is there, is another one, and leads no further', () => {
  expect(problemOf(FRONTIER('when_budget_above: { percent: 80, use: econmy }')).suggestion).toContain("'economy'");
  expect(problemOf(FRONTIER('when_budget_above: { percent: 80, use: cheap }')).suggestion).toContain('it is an alias');
  expect(problemOf(FRONTIER('when_budget_above: { percent: 80, use: frontier }')).message).toContain('leads to itself');
  const both = `${ECONOMY('when_budget_above: { percent: 90, use: frontier }')}    when_budget_above: { percent: 80, use: economy }\n`;
  expect(problemsOf(both).map((problem) => problem.path)).toEqual([
    'routes[0].when_budget_above.use',
    'routes[1].when_budget_above.use',
  ]);
  expect(problemsOf(both)[0]?.suggestion).toBe('remove one of the two rules');
});

test('one attempt beyond the targets is a second try after a wait, and no fallback for a service stage', () => {
  const one = edit(
    SERVICE,
    '    no_fallback_reason: one vendor until the second contract is signed\n',
    '    fallback: { attempts: 2 }\n',
  );
  expect(problemOf(one).message).toContain('neither a fallback nor a stated reason');
  const { policy, warnings } = load(FRONTIER('fallback: { attempts: 2 }'));
  expect(policy.routes[1]?.fallback.attempts).toBe(2);
  expect(warnings).toEqual([]);
});

test('the shipped stages use them: prod cools failing targets down, dev moves from frontier to economy at 80 %', () => {
  const [dev, prod] = [load(shipped('dev.yaml')).policy, load(shipped('prod.yaml')).policy];
  expect(prod.routes.map((route) => route.cooldown)).toEqual([
    { afterFailures: 3, forMs: 30_000 },
    { afterFailures: 3, forMs: 30_000 },
  ]);
  expect(dev.routes.map((route) => [route.model, route.whenBudgetAbove])).toEqual([
    ['economy', undefined],
    ['frontier', { percent: 80, use: 'economy' }],
    ['claude', undefined],
    ['embeddings', undefined],
  ]);
});
