/** Crash matrix: refusals, alerts, and answers that come too late. */
import type { Scenario, Stage } from './crash-matrix.ts';
import { type Held, ANN, OTHER, ROOMY, USERS, call, funded, hold, pays, release } from './crash-steps.ts';
import { THRESHOLDS, limit, makePolicy } from './ledger.ts';

export const REFUSALS: readonly Scenario[] = [
  {
    name: 'a dry wallet refuses and tells',
    outcome: 'insufficient_funds',
    policy: makePolicy({ ...ROOMY, walletThresholds: THRESHOLDS }),
    setup: ({ world }) => funded(world, 50n),
    run: pays(),
  },
  {
    name: 'a budget refuses and tells',
    outcome: 'request_too_expensive',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 150n)] }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 70n, 70n);
    },
    run: pays(),
  },
  {
    name: "a provider's budget refuses and tells",
    outcome: 'provider_budget_exceeded',
    policy: makePolicy({ ...ROOMY, providerBudgets: [limit('month', 150n, { window: 'month' })] }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 70n, 70n);
    },
    run: pays(),
  },
  {
    name: 'the second wallet pays',
    policy: makePolicy({ ...ROOMY, funding: ['team_two'] }),
    setup: async ({ world }) => {
      await world.fund(50n);
      await world.fund(10_000n, 'team_two');
    },
    run: pays(),
  },
  {
    name: 'the second wallet pays, and the first is known to be dry',
    policy: makePolicy({ ...ROOMY, funding: ['team_two'] }),
    setup: async ({ world, victim, policy }) => {
      await world.fund(50n);
      await world.fund(10_000n, 'team_two');
      await call(victim, policy, 100n, 60n);
      await victim.payments.idle();
      world.clock.advance(1_001);
    },
    run: pays(),
  },
  {
    name: 'the second wallet pays, and the money of the first is in flight',
    policy: makePolicy({ ...ROOMY, funding: ['team_two'] }),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(50n);
      await world.fund(10_000n, 'team_two');
      helper.payments.abandon(await hold(helper, policy, 50n));
      await call(victim, policy, 100n, 60n);
      await victim.payments.idle();
      world.clock.advance(1_001);
    },
    run: pays(),
  },
  {
    name: 'no wallet pays, and the first is known to be dry',
    outcome: 'insufficient_funds',
    policy: makePolicy({ ...ROOMY, funding: ['team_two'], walletThresholds: THRESHOLDS }),
    setup: async ({ world, victim, policy }) => {
      await world.fund(50n);
      await world.fund(90n, 'team_two');
      await call(victim, policy, 60n, 60n);
      await victim.payments.idle();
      world.clock.advance(1_001);
    },
    run: pays(),
  },
  {
    name: 'no wallet pays, and both tell',
    outcome: 'insufficient_funds',
    policy: makePolicy({ ...ROOMY, funding: ['team_two'], walletThresholds: THRESHOLDS }),
    setup: async ({ world }) => {
      await world.fund(50n);
      await world.fund(60n, 'team_two');
    },
    run: pays(),
  },
  {
    name: "a user's budget refuses and tells",
    outcome: 'request_too_expensive',
    policy: makePolicy({ ...ROOMY, budgets: [limit('each', 150n, { per: 'user' })] }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 70n, 70n, ANN);
    },
    run: pays(100n, 60n, ANN),
  },
];

export const SPEND: readonly Scenario[] = [
  {
    name: "a call under a user's budget",
    policy: USERS,
    setup: ({ world }) => funded(world, 10_000n),
    run: pays(100n, 60n, ANN),
  },
  {
    name: "a reserve under a user's budget whose reply is lost",
    policy: USERS,
    ownFaults: 1,
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 400n, 0n, ANN);
      victim.tracer.script('store.reserve', 1, { fault: 'reply lost' });
    },
    run: pays(100n, 60n, ANN),
  },
  {
    name: "spend that crosses a user's threshold",
    policy: makePolicy({ ...ROOMY, budgets: [limit('each', 100n, { per: 'user' })] }),
    setup: ({ world }) => funded(world, 10_000n),
    run: pays(100n, 60n, ANN),
  },
  {
    name: "spend that uses a user's budget up",
    policy: makePolicy({ ...ROOMY, budgets: [limit('each', 100n, { per: 'user' })] }),
    setup: ({ world }) => funded(world, 10_000n),
    run: pays(100n, 100n, ANN),
  },
  {
    name: 'spend that crosses a threshold',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 200n)] }),
    setup: ({ world }) => funded(world, 10_000n),
    run: pays(150n, 110n),
  },
  {
    name: 'spend that crosses every threshold of wallet and budget at once',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 100n)], walletThresholds: THRESHOLDS }),
    setup: ({ world }) => funded(world, 100n),
    run: pays(100n, 100n),
  },
  {
    name: 'spend that crosses below a block that a refusal has told',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 100n)] }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 40n, 40n);
      await helper.payments.idle();
      await call(helper, policy, 70n, 70n);
    },
    run: pays(60n, 60n),
  },
  {
    name: 'a provider that bills above the bound',
    policy: makePolicy(ROOMY),
    setup: ({ world }) => funded(world, 10_000n),
    run: pays(100n, 150n),
  },
];

/** A hold whose answer is still on its way when the keeper ends it. */
function overdue(actual: bigint, after?: (stage: Stage) => Promise<void>): Pick<Scenario, 'setup' | 'run' | 'late' | 'outcome'> {
  let held: Held | undefined;
  return {
    outcome: 'settled',
    late: true,
    setup: async (stage) => {
      const { world, victim, helper, policy } = stage;
      await world.fund(100n);
      held = await hold(victim, policy, 100n, ANN);
      world.clock.advance(70_000);
      await helper.keeper.pass(policy);
      await after?.(stage);
    },
    run: async ({ victim }) => {
      if (held !== undefined) await victim.payments.settle(held, actual, {});
      return 'settled';
    },
  };
}

export const LATE: readonly Scenario[] = [
  { name: 'a late charge', policy: makePolicy({ ...ROOMY, unknownOutcome: 'release' }), ...overdue(60n) },
  { name: "a late charge under a user's budget", policy: { ...USERS, ...release(USERS) }, ...overdue(60n) },
  { name: 'a late refund', policy: makePolicy(ROOMY), ...overdue(60n) },
  { name: 'a late answer at the estimate', policy: makePolicy(ROOMY), ...overdue(100n) },
  {
    name: 'a late charge that nobody can pay',
    policy: makePolicy({ ...ROOMY, unknownOutcome: 'release' }),
    ...overdue(60n, async ({ helper, policy }) => void (await call(helper, policy, 100n, 100n, OTHER))),
  },
];
