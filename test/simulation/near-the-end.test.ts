/**
 * How much of the money can be used. Idle escrow in lanes must not stand in the way of the last calls, and a refusal must
 * say whether waiting helps. No faults; virtual time; several processes and chains on one wallet or budget.
 */
import { MemoryAlertLog } from '../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../lambdas/adapters/memory/ledger-store.ts';
import { sha256Fingerprint } from '../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../lambdas/application/alert-desk.ts';
import { LedgerPayments } from '../../lambdas/application/ledger-payments.ts';
import { heldNanoUsd } from '../../lambdas/domain/pots.ts';
import type { MoneyRefusal } from '../../lambdas/domain/refusals.ts';
import { Dice } from './support/dice.ts';
import { Engine } from './support/engine.ts';
import { SimulatedStore } from './support/network.ts';
import { PRICE, firstPolicy } from './support/policies.ts';
import { SimulatedProcess } from './support/process.ts';
import { PROFILES, type Profile } from './support/profile.ts';
import { Trace } from './support/trace.ts';

const AVERAGE = 100;
const CONCURRENCY = 32;

interface FirstRefusal {
  /** Spent or held of the money, at the first refusal. */
  readonly usedShare: number;
  readonly spent: bigint;
  readonly refusal: MoneyRefusal;
}

/** Callers that ask again as soon as they are answered, until the first of them is refused. */
async function spendUntilRefused(seed: number, requests: number, scarce: 'wallet' | 'budget', cost: 'whole' | 'part') {
  const money = requests * AVERAGE;
  const calm = PROFILES.calm as Profile;
  const profile: Profile = {
    ...calm,
    wallets: { one: scarce === 'wallet' ? money : money * 10 },
    groups: [
      { name: 'dev', wallet: 'one', budgets: [{ name: 'day', window: 'day', limit: scarce === 'budget' ? money : money * 10 }] },
      { name: 'app', wallet: 'one', budgets: [] },
    ],
    providers: [
      { name: 'near', budgets: [{ name: 'month', window: 'month', limit: money * 10 }] },
      { name: 'far', budgets: [] },
    ],
  };
  const dice = new Dice(seed);
  const engine = new Engine(Date.parse('2026-11-23T12:00:00Z'));
  const trace = new Trace(engine, false);
  const observer = { sent: () => {}, carriedOut: () => {}, unknown: () => {} };
  const store = new SimulatedStore(new MemoryLedgerStore(), engine, trace, profile.network, observer);
  const policy = firstPolicy(profile, dice.fork());
  await store.truth.topUp({ id: 'first', walletId: 'one', amountNanoUsd: BigInt(profile.wallets.one ?? 0), atEpochMs: 0 });
  const gateways = Array.from({ length: 3 }, (_, at) => {
    const process = new SimulatedProcess({
      name: `gateway${at}`,
      engine,
      trace,
      dice: dice.fork(),
      skewMs: 0,
      crash: 0,
      policy,
      onCrash: () => {},
    });
    const seen = store.seenBy(process);
    const persistence = { clock: process.clock, random: process.dice };
    const reporter = { info: () => {}, warn: () => {}, error: () => {} };
    const publisher = { publish: async () => {} };
    const alerts = new AlertDesk({ store: seen, persistence, reporter, publisher, log: new MemoryAlertLog() });
    const payments = new LedgerPayments({ store: seen, alerts, persistence, reporter, fingerprint: sha256Fingerprint });
    return { process, payments };
  });
  const groups = scarce === 'budget' ? policy.consumerGroups.slice(0, 1) : policy.consumerGroups;
  const seen: { first?: FirstRefusal } = {};

  const caller = async (): Promise<void> => {
    const { process, payments } = dice.pick(gateways);
    while (seen.first === undefined) {
      const bound = BigInt(dice.whole(AVERAGE / 5, (AVERAGE * 9) / 5));
      const result = await payments.hold({
        policy,
        group: dice.pick(groups),
        userId: 'u1',
        route: 'economy',
        target: { provider: dice.pick(policy.providers).name, model: 'm', weight: 1 },
        price: PRICE,
        boundNanoUsd: bound,
      });
      if (!result.ok) {
        seen.first ??= { ...used(store, scarce, BigInt(money)), refusal: result.refusal };
        return;
      }
      await process.clock.sleep(dice.between(300, 3_000));
      await payments.settle(result.held, cost === 'whole' ? bound : (bound * BigInt(dice.whole(20, 100))) / 100n, {});
    }
  };
  for (let i = 0; i < CONCURRENCY; i += 1) void caller();
  while (seen.first === undefined && (await engine.run(50, Number.POSITIVE_INFINITY)));
  if (seen.first === undefined) throw new Error('nobody was ever refused');
  return seen.first;
}

/** What is settled, unflushed or in holds, as a share of all money. */
function used(store: SimulatedStore, scarce: 'wallet' | 'budget', money: bigint) {
  const key = [...store.items.pots.keys()].find((candidate) =>
    candidate.startsWith(scarce === 'wallet' ? 'wallet/' : 'budget/dev/day'),
  );
  const lanes = [...store.items.lanes.values()].filter((lane) => lane.chain.includes(key ?? ''));
  const settled = store.items.pots.get(key ?? '')?.settledNanoUsd ?? 0n;
  const spent = lanes.reduce((sum, lane) => sum + lane.unflushedNanoUsd, settled);
  const held = lanes.reduce((sum, lane) => sum + heldNanoUsd(lane), 0n);
  return { spent, usedShare: Number(((spent + held) * 100_000n) / money) / 100_000 };
}

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1);

describe.each([
  ['wallet', 1_000, 0.97],
  ['budget', 1_000, 0.97],
  ['wallet', 10_000, 0.995],
  ['budget', 10_000, 0.995],
] as const)('a %s of %i average requests and 32 callers at once', (scarce, requests, atLeast) => {
  test(`is at least ${atLeast * 100} % spent or held before the first refusal`, async () => {
    const seeds = requests > 1_000 ? SEEDS.slice(0, 3) : SEEDS;
    for (const seed of seeds) {
      const { usedShare } = await spendUntilRefused(seed, requests, scarce, seed % 2 === 0 ? 'whole' : 'part');
      expect([seed, usedShare >= atLeast, usedShare]).toEqual([seed, true, usedShare]);
    }
  }, 120_000);
});

test('a refusal says funds_reserved when only holds in flight stand in the way, and otherwise not', async () => {
  for (const seed of SEEDS) {
    const { refusal, spent } = await spendUntilRefused(seed, 1_000, seed % 2 === 0 ? 'wallet' : 'budget', 'part');
    const fits = refusal.requestedNanoUsd <= refusal.limitNanoUsd - spent;
    expect([seed, refusal.code === 'funds_reserved', refusal.limitedBy]).toEqual([
      seed,
      fits,
      seed % 2 === 0 ? 'wallet/one' : 'budget/dev/day',
    ]);
  }
}, 60_000);
