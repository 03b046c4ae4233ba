/** Crash matrix: the ways in which money is held and settled. */
import type { Scenario } from './crash-matrix.ts';
import { type Held, OTHER, ROOMY, call, fill, funded, hold, pays, settleKnown } from './crash-steps.ts';
import { makePolicy, payment } from './ledger.ts';

export const CALLS: readonly Scenario[] = [
  {
    name: 'a call on a warm lane',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 200n, 0n);
    },
    run: pays(),
  },
  { name: 'a call on a cold chain', policy: makePolicy(ROOMY), setup: ({ world }) => funded(world, 10_000n), run: pays() },
  {
    name: 'a grant that flushes spend along',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 100n, 100n);
    },
    run: pays(),
  },
  {
    name: 'a grant whose lane was closed meanwhile',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 100n, 100n);
      await helper.payments.idle();
      victim.tracer.script('store.grant', 1, {
        before: async () => {
          for await (const lanes of world.truth.allLanes()) {
            for (const lane of lanes) {
              await world.truth.flush([{ lane, amountNanoUsd: lane.unflushedNanoUsd }]);
              await world.truth.closeLane(lane.id, lane.lastUseEpochMs);
            }
          }
        },
      });
    },
    run: pays(),
  },
  {
    name: 'a grant that another process forestalled',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(150n);
      victim.tracer.script('store.grant', 1, {
        before: async () => void (await call(helper, policy, 100n, 10n, OTHER)),
      });
    },
    run: pays(),
  },
  {
    name: 'a grant that meets a conflict',
    policy: makePolicy(ROOMY),
    ownFaults: 1,
    setup: async ({ world, victim }) => {
      await world.fund(10_000n);
      victim.tracer.script('store.grant', 1, { fault: 'not applied' });
    },
    run: pays(),
  },
  ...(['reply lost', 'request lost', 'not applied'] as const).map(
    (fault): Scenario => ({
      name: `a reserve: ${fault}`,
      policy: makePolicy(ROOMY),
      ownFaults: 1,
      setup: async ({ world, helper, victim, policy }) => {
        await world.fund(10_000n);
        await call(helper, policy, 400n, 0n);
        victim.tracer.script('store.reserve', 1, { fault });
      },
      run: pays(),
    }),
  ),
  {
    name: 'a reserve: reply lost, and the store takes no void for a while',
    inBackground: true,
    policy: makePolicy(ROOMY),
    ownFaults: 8,
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 400n, 0n);
      victim.tracer.script('store.reserve', 1, { fault: 'reply lost' });
      for (let nth = 1; nth <= 5; nth += 1) victim.tracer.script('store.putEntry', nth, { fault: 'request lost' });
    },
    run: async (stage) => {
      const outcome = await pays()(stage);
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      return outcome;
    },
  },
  {
    name: 'a settlement that is repeated',
    policy: makePolicy(ROOMY),
    ownFaults: 2,
    setup: async ({ world, victim }) => {
      await world.fund(10_000n);
      victim.tracer.script('store.putEntry', 1, { fault: 'reply lost' });
      victim.tracer.script('store.settle', 1, { fault: 'reply lost' });
    },
    run: pays(),
  },
  {
    name: 'an entry whose detail the store will not take',
    policy: makePolicy(ROOMY),
    setup: async ({ world }) => {
      await world.fund(10_000n);
      const putEntry = world.truth.putEntry.bind(world.truth);
      world.truth.putEntry = async (entry) => {
        if (entry.detail.tags !== undefined) throw new Error('the store refused the call');
        return putEntry(entry);
      };
    },
    run: async ({ victim, policy }) => {
      await victim.payments.settle(await hold(victim, policy, 100n), 60n, { tags: { '': '' } });
      return 'ok';
    },
  },
  {
    name: 'a lane that is full grows',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await fill(helper, policy);
    },
    run: pays(10n, 6n),
  },
  {
    name: 'a lane of a busy chain is refilled ahead',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 100n, 0n);
      const held = await hold(helper, policy, 80n);
      await helper.payments.settle(held, 80n, {});
      for (const from of [1, 2, 4]) await world.truth.growLanes({ ...held.lane, n: 0 }, from);
    },
    run: pays(10n, 6n),
  },
  {
    name: 'a lane that is full was grown by another process',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      const [held] = await fill(helper, policy);
      victim.tracer.script('store.growLanes', 1, {
        before: async () => void (held !== undefined && (await world.truth.growLanes({ ...held.lane, n: 0 }, 1))),
      });
    },
    run: pays(10n, 6n),
  },
  {
    name: 'all lanes are full and no more are allowed',
    policy: makePolicy(ROOMY),
    mostLanes: 1,
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(10_000n);
      const [held] = await fill(helper, policy);
      victim.tracer.script('clock.sleep', 1, { before: async () => held && (await settleKnown(helper, held)) });
    },
    run: pays(10n, 6n),
    again: async () => undefined,
  },
  {
    name: 'idle money is recalled from another lane',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, policy }) => {
      await world.fund(100n);
      await call(helper, policy, 100n, 0n, OTHER);
    },
    run: pays(),
  },
  {
    name: 'a recall that meets a busy lane',
    policy: makePolicy(ROOMY),
    setup: async ({ world, helper, victim, policy }) => {
      await world.fund(200n);
      await call(helper, policy, 200n, 0n, OTHER);
      let held: Held | undefined;
      victim.tracer.script('store.giveBack', 1, {
        before: async () => {
          held = await hold(helper, policy, 150n, OTHER);
        },
      });
      victim.tracer.script('clock.sleep', 0, {
        before: async () => {
          if (held !== undefined) await helper.payments.settle(held, 0n, {});
          held = undefined;
        },
      });
    },
    run: pays(),
    again: async ({ world, victim }) => {
      if (!victim.tracer.dead) return;
      for (const record of world.records) if (record.actualNanoUsd === undefined) record.abandoned = true;
    },
  },
  {
    name: "a refusal that waits for this process's own settlement",
    policy: makePolicy(ROOMY),
    either: 'funds_reserved',
    setup: async ({ world, victim }) => {
      await world.fund(100n);
      victim.tracer.script('store.settle', 1, {
        before: async () => {
          for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
        },
      });
    },
    run: async ({ victim, policy }) => {
      const first = await victim.payments.hold(payment(policy, 100n));
      if (!first.ok) return first.refusal.code;
      const [second] = await Promise.all([call(victim, policy, 50n, 30n), victim.payments.settle(first.held, 20n, {})]);
      return second;
    },
  },
  {
    name: 'money for the next window is granted ahead',
    outcome: 'ok,ok,ok',
    policy: makePolicy(ROOMY),
    startsAt: '2026-11-23T23:59:20Z',
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      for (let turn = 0; turn < 24; turn += 1) await call(helper, policy, 10n, 10n);
      await helper.payments.idle();
    },
    run: async ({ world, victim, policy }) => {
      const outcomes: string[] = [];
      for (const advanceMs of [0, 39_999 - (world.clock.now() - Date.parse('2026-11-23T23:59:20Z')), 2_000]) {
        world.clock.advance(Math.max(0, advanceMs));
        outcomes.push(await call(victim, policy, 10n, 6n));
        await victim.payments.idle();
      }
      return outcomes.join();
    },
  },
];
