/** Random traffic over a network that loses requests and replies: whatever happens, the money agrees at the end. */
import fc from 'fast-check';
import type { LedgerStore } from '../../lambdas/application/ports.ts';
import type { Entry } from '../../lambdas/domain/entries.ts';
import type { Held } from '../../lambdas/application/payments.ts';
import { LedgerUnavailableError } from '../../lambdas/application/payments.ts';
import { verifyLedger } from '../../lambdas/application/verify.ts';
import { NO_FAULTS, limit, makeLedger, makePolicy, payment } from '../support/ledger.ts';

const WALLET = 3_000n;
const DAY = 2_000n;
const EACH = 700n;
const VENDOR = 1_800n;

interface Call {
  readonly process: number;
  readonly user: string;
  readonly group: string;
  readonly bound: number;
  readonly share: number;
  readonly fate: 'settle' | 'late' | 'crash';
  readonly pauseMs: number;
  readonly keep: boolean;
}

const call: fc.Arbitrary<Call> = fc.record({
  process: fc.nat(2),
  user: fc.constantFrom('ann', 'bob', 'anonymous'),
  group: fc.constantFrom('dev', 'dev', 'other'),
  bound: fc.integer({ min: 1, max: 200 }),
  share: fc.integer({ min: 0, max: 130 }),
  fate: fc.constantFrom('settle', 'settle', 'settle', 'late', 'crash'),
  pauseMs: fc.constantFrom(0, 0, 0, 5_000, 400_000),
  keep: fc.boolean(),
});

const faults = fc.record({
  notApplied: fc.constantFrom(0, 0.05, 0.15),
  lostRequest: fc.constantFrom(0, 0.03, 0.1),
  lostReply: fc.constantFrom(0, 0.03, 0.1),
});

async function chargesOf(store: LedgerStore, isMeant: (hid: string) => boolean): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for await (const page of store.allEntries()) {
    found.push(...page.filter(({ hid, chargeNanoUsd }) => chargeNanoUsd > 0n && isMeant(hid)));
  }
  return found;
}

test('no fault, crash or race makes a pot pass its limit, charges a call twice, or strands money, or makes a caller pay for what was never sent', async () => {
  const property = fc.asyncProperty(
    fc.nat(),
    faults,
    fc.constantFrom('charge' as const, 'release' as const),
    fc.array(fc.array(call, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }),
    async (seed, chance, unknownOutcome, bursts) => {
      const ledger = makeLedger({ seed, processes: 3, faults: { ...chance }, holdSeconds: 30 });
      const policy = makePolicy({
        unknownOutcome,
        budgets: [limit('day', DAY), limit('each', EACH, { per: 'user' })],
        providerBudgets: [limit('month', VENDOR, { window: 'month' })],
      });
      const fund = { id: 'fund', walletId: 'team_dev', amountNanoUsd: WALLET, atEpochMs: 0 };
      await ledger.truth.topUp(fund);
      await ledger.truth.topUp(fund);
      const late: { readonly held: Held; readonly gateway: (typeof ledger.gateways)[number]; readonly actual: bigint }[] = [];

      /** Holds that a caller was given: nothing was sent for any other, so no other may cost anything. */
      const given = new Set<string>();
      const run = async (one: Call) => {
        const gateway = ledger.gateways[one.process];
        if (gateway === undefined) throw new Error('no such process');
        const request = payment(policy, BigInt(one.bound), { userId: one.user, groupName: one.group });
        const result = await gateway.hold(request).catch((error: unknown) => {
          if (error instanceof LedgerUnavailableError) return undefined;
          throw error;
        });
        if (!result?.ok) return;
        given.add(result.held.hid);
        const actual = (BigInt(one.bound) * BigInt(one.share)) / 100n;
        if (one.fate === 'crash') return;
        if (one.fate === 'late') late.push({ held: result.held, gateway, actual });
        else {
          await gateway.settle(result.held, actual, {});
        }
      };

      for (const burst of bursts) {
        const keeping = burst.some((one) => one.keep) ? [ledger.keeper.pass(policy), ledger.keeper.pass(policy)] : [];
        await Promise.all([...burst.map(run), ...keeping]);
        await Promise.all(ledger.gateways.map((gateway) => gateway.idle()));
        ledger.clock.advance(Math.max(...burst.map((one) => one.pauseMs)));
      }
      await Promise.all(ledger.gateways.map((gateway) => gateway.idle()));
      ledger.clock.advance(120_000);
      await ledger.keeper.pass(policy);
      await Promise.all(late.map(({ gateway, held, actual }) => gateway.settle(held, actual, {})));
      await Promise.all(ledger.gateways.map((gateway) => gateway.idle()));

      // The network heals; the keeper comes round.
      Object.assign(ledger.faults, NO_FAULTS);
      for (let pass = 0; pass < 4; pass += 1) {
        ledger.clock.advance(400_000);
        await ledger.keeper.pass(policy);
      }
      const report = await verifyLedger(ledger.truth, true);
      expect(report.findings).toEqual([]);
      expect(await chargesOf(ledger.truth, (hid) => !given.has(hid))).toEqual([]);
      expect(report.heldNanoUsd).toBe(0n);
      expect(report.spentNanoUsd).toBe(report.entriesNanoUsd);
      expect(report.lanes).toBe(0);

      const hard = new Map([
        ['wallet/team_dev#life', WALLET],
        ['budget/dev/day#d2026-11-23', DAY],
        ['provider/mock/month#m2026-11', VENDOR],
        ...['ann', 'bob', 'anonymous'].map((user) => [`budget/dev/each/${user}#d2026-11-23`, EACH] as const),
      ]);
      for (const [key, state] of await ledger.truth.readPots([...hard.keys()])) {
        expect([key, state.settledNanoUsd <= (hard.get(key) ?? 0n)]).toEqual([key, true]);
      }
      // Delivery is at least once: a marker that nobody could set to sent for a minute is told again.
      if (chance.lostReply + chance.lostRequest + chance.notApplied > 0) return;
      const ids = ledger.published.filter((alert) => alert.kind !== 'overage').map((alert) => alert.alertId);
      expect(new Set(ids).size).toBe(ids.length);
    },
  );
  await fc.assert(property, { numRuns: 500 });
}, 120_000);
