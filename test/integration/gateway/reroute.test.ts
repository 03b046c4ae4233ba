/** `when_budget_above` through the gateway: on the real ledger, and by what a snapshot says. */
import type { PotStatement, Statement } from '../../../lambdas/application/payments.ts';
import type { Budget } from '../../../lambdas/domain/policy.ts';
import { GROUP, price, route } from '../../support/gateway-fixture.ts';
import { type Live, type LiveOptions, MESSAGES, live } from '../../support/live-gateway.ts';
import { memoryPayments } from '../../support/memory-payments.ts';

const DEAR = { model: 'dear', messages: MESSAGES };
const USD = 1_000_000_000n;

let open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
  open = [];
});

function budget(name: string, more: Partial<Budget> = {}): Budget {
  return { name, window: 'day', limitNanoUsd: USD, thresholds: [{ percent: 100, action: 'block' }], ...more };
}

/** Route `dear` goes to `first`, `cheap` to `second`; the group may call `dear` only. */
async function start(budgets: readonly Budget[], options: LiveOptions = {}, more: LiveOptions['policy'] = {}): Promise<Live> {
  const at = await live({
    ...options,
    policy: {
      consumerGroups: [{ ...GROUP, models: ['dear'], budgets }],
      routes: [
        route('dear', ['first/small'], { whenBudgetAbove: { percent: 80, use: 'cheap' } }),
        route('cheap', ['second/small']),
      ],
      ...more,
    },
  });
  open.push(at);
  return at;
}

function pot(scope: string, spent: bigint, more: Partial<PotStatement> = {}): PotStatement {
  const limitNanoUsd = 100n;
  return {
    scope,
    kind: scope.startsWith('wallet') ? 'wallet' : 'limit',
    window: 'day',
    limitNanoUsd,
    spentNanoUsd: spent,
    heldNanoUsd: 0n,
    leftNanoUsd: limitNanoUsd - spent,
    hard: true,
    ...more,
  };
}

const statement = (budgets: readonly PotStatement[], wallets: readonly PotStatement[] = [pot('wallet/team', 0n)]): Statement => ({
  wallets,
  budgets,
  atEpochMs: 0,
});

async function routeOf(at: Live): Promise<string> {
  const response = await at.post(DEAR);
  expect(response.status).toBe(200);
  return `${response.headers.get('x-tollgate-route')} from ${response.headers.get('x-tollgate-rerouted-from')}`;
}

test('on the real ledger: requests move to the cheaper route once 80 % are spent, and their entries say so', async () => {
  const world = memoryPayments();
  await world.fund('team', 100n * USD);
  // A call costs 24 cents: 24 tokens at a cent each.
  const prices = [price('first', 'small', '0.00', '10000.00'), price('second', 'small', '0.00', '1000.00')];
  const at = await start([budget('day')], { payments: world.payments }, { prices });
  const routes: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    const response = await at.post({ ...DEAR, max_completion_tokens: 24 });
    if (response.status !== 200) break;
    routes.push(response.headers.get('x-tollgate-route') ?? '');
    await response.text();
    await world.payments.idle();
  }
  // 24, 48, 72, 96 cents; then 80 % are passed, and a cheap call (2.4 cents) still fits.
  expect(routes).toEqual(['dear', 'dear', 'dear', 'dear', 'cheap']);
  const entries = (await world.entries()).toSorted((a, b) => a.atEpochMs - b.atEpochMs);
  expect(entries.map(({ detail }) => [detail.route, detail.reroutedFrom, detail.provider])).toEqual([
    ...Array.from({ length: 4 }, () => ['dear', undefined, 'first']),
    ['cheap', 'dear', 'second'],
  ]);
});

test.each([
  ['a budget at the percent', [pot('budget/dev/day', 80n)], 'cheap from dear'],
  ['a budget just below it', [pot('budget/dev/day', 79n)], 'dear from null'],
  ["the user's own budget", [pot('budget/dev/day', 0n), pot('budget/dev/each/ann', 90n)], 'cheap from dear'],
  ['a soft budget', [pot('budget/dev/day', 95n, { hard: false })], 'cheap from dear'],
  ['a budget of the asked route', [pot('budget/dev/only-dear', 95n)], 'cheap from dear'],
  ['a budget of another route', [pot('budget/dev/only-cheap', 95n)], 'dear from null'],
  ['holds alone', [pot('budget/dev/day', 10n, { heldNanoUsd: 89n })], 'dear from null'],
])('%s decides the route as it should', async (_what, budgets, expected) => {
  const at = await start([
    budget('day'),
    budget('each', { per: 'user' }),
    budget('only-dear', { models: ['dear'] }),
    budget('only-cheap', { models: ['cheap'] }),
  ]);
  at.payments.onPeek = () => statement(budgets);
  expect(await routeOf(at)).toBe(expected);
});

test.each([
  ['the wallet, counted from its last top-up', [pot('wallet/team', 80n)], 'cheap from dear'],
  ['a wallet that was topped up since', [pot('wallet/team', 80n, { baseNanoUsd: 70n })], 'dear from null'],
  ['one of two wallets', [pot('wallet/team', 100n), pot('wallet/two', 0n)], 'dear from null'],
  ['both wallets', [pot('wallet/team', 100n), pot('wallet/two', 85n)], 'cheap from dear'],
  ['a wallet that never blocks', [pot('wallet/team', 100n, { hard: false })], 'dear from null'],
])('%s decides the route as it should', async (_what, wallets, expected) => {
  const at = await start([]);
  at.payments.onPeek = () => statement([], wallets);
  expect(await routeOf(at)).toBe(expected);
});

test('without a snapshot a request goes its usual way, and a route without the rule never looks for one', async () => {
  const at = await start([budget('day')]);
  expect(await routeOf(at)).toBe('dear from null');
  expect(at.payments.events).toContain('peek');
  at.inForce.policy = { ...at.inForce.policy, routes: [route('dear', ['first/small'])] };
  at.payments.events.length = 0;
  await routeOf(at);
  expect(at.payments.events).not.toContain('peek');
});

test('a cheaper route that cannot serve the request leaves it where it was', async () => {
  const at = await start([budget('day')], {}, { prices: [price('first', 'small')] });
  at.payments.onPeek = () => statement([pot('budget/dev/day', 100n)]);
  expect(await routeOf(at)).toBe('dear from null');
});

test('the money is held under the route that is used, and a stream says where it came from', async () => {
  const at = await start([budget('day')]);
  at.payments.onPeek = () => statement([pot('budget/dev/day', 100n)]);
  const response = await at.post({ ...DEAR, stream: true });
  expect(await response.text()).toContain('[DONE]');
  expect(response.headers.get('x-tollgate-rerouted-from')).toBe('dear');
  expect(at.payments.holds.map((hold) => [hold.route, hold.target.provider])).toEqual([['cheap', 'second']]);
});
