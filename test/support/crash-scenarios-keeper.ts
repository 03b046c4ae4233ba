/** Crash matrix: the keeper, and the operator who moves money. */
import type { Scenario } from './crash-matrix.ts';
import { ANN, KEEPER, ROOMY, USERS, call, earlier, fill, hold, keeps, settleKnown } from './crash-steps.ts';
import { THRESHOLDS, limit, makePolicy } from './ledger.ts';

export const KEEPERS: readonly Scenario[] = [
  {
    name: 'a policy that is broken in its store is told',
    policy: makePolicy(ROOMY),
    setup: ({ world }) => world.fund(10_000n).then(() => undefined),
    run: async ({ victim, policy }) => {
      await victim.alerts.brokenPolicy(policy, 'a part is of another version');
      return 'ok';
    },
  },
  ...(['charge', 'release'] as const).map(
    (unknownOutcome): Scenario => ({
      name: `the keeper ends an expired hold: ${unknownOutcome}`,
      policy: { ...USERS, costTracking: { ...USERS.costTracking, unknownOutcome } },
      setup: async (stage) => {
        await stage.world.fund(10_000n);
        stage.helper.payments.abandon(await hold(stage.helper, stage.policy, 100n, ANN));
        stage.world.clock.advance(70_000);
      },
      ...KEEPER,
    }),
  ),
  {
    name: 'the keeper settles what a dead process had written',
    policy: USERS,
    setup: async (stage) => {
      await stage.world.fund(10_000n);
      await earlier(stage, [{ op: 'store.settle', fault: 'crash before' }], 100n, 60n, ANN);
    },
    ...KEEPER,
  },
  {
    name: 'the keeper ends a void hold',
    policy: makePolicy(ROOMY),
    setup: async (stage) => {
      await stage.world.fund(10_000n);
      await call(stage.helper, stage.policy, 400n, 0n);
      const faults = [
        { op: 'store.reserve', fault: 'reply lost' },
        { op: 'store.settle', fault: 'crash before' },
      ] as const;
      await earlier(stage, faults, 100n, 60n);
    },
    ...KEEPER,
  },
  {
    name: 'the keeper flushes, takes idle money home and closes the lane',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 100n, 60n);
      world.clock.advance(310_000);
    },
    run: async (stage) => {
      await keeps(stage);
      return keeps(stage);
    },
    outcome: 'kept',
    surfaces: true,
  },
  {
    name: 'the keeper flushes lanes one by one when they move together no more',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      const held = await fill(helper, policy);
      await call(helper, policy, 10n, 6n);
      for (const one of held) await settleKnown(helper, one);
      await helper.payments.idle();
      victim.tracer.script('store.flush', 1, {
        before: async () => {
          for await (const lanes of world.truth.allLanes()) {
            const lane = lanes.find(({ id }) => id.n === 1);
            if (lane !== undefined) await world.truth.flush([{ lane, amountNanoUsd: lane.unflushedNanoUsd }]);
          }
        },
      });
    },
    ...KEEPER,
  },
  {
    name: 'the keeper tells what a dead process had not flushed',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 200n)] }),
    setup: async (stage) => {
      await stage.world.fund(10_000n);
      await earlier(stage, [{ op: 'store.flush', fault: 'crash before' }], 150n, 110n);
    },
    ...KEEPER,
  },
  {
    name: 'the keeper tells an alert again that nobody finished',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 200n)] }),
    ownFaults: 1,
    setup: async (stage) => {
      await stage.world.fund(10_000n);
      await earlier(stage, [{ op: 'publisher.publish', fault: 'crash after' }], 150n, 110n);
      stage.world.clock.advance(70_000);
    },
    ...KEEPER,
  },
  {
    name: 'the keeper tells a block of a pot without a lane',
    policy: makePolicy({ ...ROOMY, walletThresholds: THRESHOLDS }),
    ownFaults: 1,
    setup: async (stage) => {
      await stage.world.fund(50n);
      await earlier(stage, [{ op: 'publisher.publish', fault: 'crash before' }], 100n, 60n);
      stage.world.clock.advance(70_000);
    },
    ...KEEPER,
  },
  {
    name: 'the keeper meets a hold that another one has just ended',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      helper.payments.abandon(await hold(helper, policy, 100n));
      world.clock.advance(70_000);
      victim.tracer.script('store.readEntry', 1, { before: async () => void (await helper.keeper.pass(policy)) });
    },
    ...KEEPER,
  },
  {
    name: 'the keeper takes idle money home when a limit was lowered',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 300n)] }),
    before: makePolicy({ ...ROOMY, budgets: [limit('day', 1_000n)] }),
    setup: async ({ world, helper }) => {
      await world.fund(10_000n);
      await call(helper, makePolicy({ ...ROOMY, budgets: [limit('day', 1_000n)] }), 500n, 100n);
      await helper.payments.idle();
    },
    ...KEEPER,
  },
  {
    name: 'the keeper sees a raised limit',
    policy: makePolicy({ ...ROOMY, budgets: [limit('day', 110n)] }),
    silentPercents: [50],
    setup: async ({ world, helper }) => {
      const before = makePolicy({ ...ROOMY, budgets: [limit('day', 100n)] });
      await world.fund(10_000n);
      await call(helper, before, 60n, 60n);
      await helper.payments.idle();
    },
    ...KEEPER,
  },
];

export const WALLETS: readonly Scenario[] = [
  {
    name: 'an operator funds a wallet, and again with the same id when unsure',
    policy: makePolicy(ROOMY),
    surfaces: true,
    outcome: 'funded',
    run: async ({ victim, policy }) => {
      await victim.wallets.fund(policy, 'team_dev', 500n, 'top-up-1');
      return 'funded';
    },
    again: async ({ policy }, fresh) => void (await fresh.wallets.fund(policy, 'team_dev', 500n, 'top-up-1')),
  },
  {
    name: 'an operator takes money out that lies idle in a lane',
    policy: makePolicy({ ...ROOMY, walletThresholds: THRESHOLDS }),
    surfaces: true,
    outcome: 'taken',
    setup: async ({ world, helper, policy }) => {
      await world.fund(500n);
      await call(helper, policy, 500n, 100n);
      await helper.payments.idle();
    },
    run: async ({ victim, policy }) => {
      await victim.wallets.show(policy, 'team_dev');
      await victim.wallets.withdraw(policy, 'team_dev', 350n, 'out-1');
      return 'taken';
    },
    again: async ({ policy }, fresh) => {
      await fresh.wallets.withdraw(policy, 'team_dev', 350n, 'out-1');
    },
  },
];
