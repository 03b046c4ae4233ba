/**
 * Traffic on one hot wallet: the production ledger in many processes over the modelled limits of DynamoDB. What is measured is
 * modelled time and units; processors and networks between are as fast as they like.
 */
import { MemoryAlertLog } from '../../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import { sha256Fingerprint } from '../../../lambdas/adapters/system/system.ts';
import { AlertDesk } from '../../../lambdas/application/alert-desk.ts';
import { Keeper } from '../../../lambdas/application/keeper.ts';
import { LedgerPayments } from '../../../lambdas/application/ledger-payments.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { Dice } from './dice.ts';
import { type DynamoCounts, type DynamoLimits, DynamoStore } from './dynamo-limits.ts';
import { Engine } from './engine.ts';
import { PRICE, firstPolicy } from './policies.ts';
import { SimulatedProcess } from './process.ts';
import { PROFILES, type Profile } from './profile.ts';
import { Trace } from './trace.ts';

/** An average bound, nano-USD: two cents. Bounds differ by half. */
export const BOUND = 20_000_000;

export interface HotWallet {
  readonly name: string;
  readonly perSecond: number;
  /** Mean length of a call, ms; they differ by half. */
  readonly callMs: number;
  /** A process for each call at a time, as on Lambda; or so many that take any number. */
  readonly processes: 'lambda' | number;
  /** Share of its bound that a call costs, least and most. */
  readonly cost: readonly [number, number];
  readonly table: DynamoLimits;
  /** From nothing to all of the traffic, ms. */
  readonly rampMs: number;
  /** After the ramp, before anything is counted, ms. */
  readonly settleInMs: number;
  readonly measureMs: number;
  /** Groups with a day's budget on the wallet, each on its own chain. */
  readonly groups?: number;
  /** Money in the wallet, average bounds. Default: a day of the traffic. */
  readonly bounds?: number;
  /** Midnight is so long after the counting begins, ms. */
  readonly midnightAfterMs?: number;
  readonly seed?: number;
}

export interface HotWalletResult {
  readonly name: string;
  readonly requests: number;
  readonly admitted: number;
  readonly refused: number;
  /** The ledger did not answer in time: 503. */
  readonly unavailable: number;
  /** Refused or unavailable although the wallet had the money. */
  readonly falseRefusals: number;
  readonly holdMs: { readonly p50: number; readonly p99: number; readonly worst: number };
  readonly writesARequest: number;
  readonly readsARequest: number;
  /** Transactions on the wallet's item a second: on average, and in the busiest second. */
  readonly potTransactions: { readonly mean: number; readonly peak: number };
  readonly counts: DynamoCounts;
  /** Idle money in lanes: in seconds of spend, and as a share of what was free before. */
  readonly idle: { readonly seconds: number; readonly share: number };
  readonly lanes: number;
  readonly processes: number;
  readonly findings: number;
  /** Holds in the 10 s from midnight on. */
  readonly midnightMs?: { readonly p50: number; readonly p99: number; readonly worst: number };
}

const KEEPER_MS = 60_000;
const MIDNIGHT_MS = 10_000;

export async function runHotWallet(scenario: HotWallet): Promise<HotWalletResult> {
  return new HotWalletRun(scenario).run();
}

interface Gateway {
  readonly process: SimulatedProcess;
  readonly payments: LedgerPayments;
}

class HotWalletRun {
  private readonly scenario: HotWallet;
  private readonly engine: Engine;
  private readonly trace: Trace;
  private readonly dice: Dice;
  private readonly store: DynamoStore;
  private readonly policy: Policy;
  private readonly fleet: Gateway[] = [];
  /** Of a Lambda: processes that wait for a call, the last one used first. */
  private readonly waiting: Gateway[] = [];
  private readonly holdMs: number[] = [];
  private readonly midnightMs: number[] = [];
  private readonly counted = { requests: 0, admitted: 0, refused: 0, unavailable: 0, falseRefusals: 0 };
  private counting = false;
  private over = false;
  private readonly midnightAt: number;

  constructor(scenario: HotWallet) {
    this.scenario = scenario;
    this.dice = new Dice(scenario.seed ?? 1);
    const profile = profileOf(scenario);
    const midnight = Date.parse('2026-11-24T00:00:00Z');
    const { midnightAfterMs, rampMs, settleInMs } = scenario;
    const start = midnightAfterMs === undefined ? midnight + 36_000_000 : midnight - midnightAfterMs - rampMs - settleInMs;
    this.midnightAt = midnightAfterMs === undefined ? Number.POSITIVE_INFINITY : midnight;
    this.engine = new Engine(start);
    this.trace = new Trace(this.engine, false);
    this.store = new DynamoStore(new MemoryLedgerStore(), this.engine, this.dice.fork(), scenario.table);
    this.policy = firstPolicy(profile, this.dice.fork());
  }

  async run(): Promise<HotWalletResult> {
    const { scenario, engine, store } = this;
    await store.truth.topUp({ id: 'first', walletId: 'one', amountNanoUsd: this.money(), atEpochMs: engine.now });
    if (scenario.processes !== 'lambda') for (let at = 0; at < scenario.processes; at += 1) this.startGateway();
    this.startKeeper();
    this.planNext(engine.now);
    const from = engine.now + scenario.rampMs + scenario.settleInMs;
    await this.drive(from);
    store.reset();
    this.counting = true;
    const settledBefore = this.spent();
    await this.drive(from + scenario.measureMs);
    this.counting = false;
    const counts = { ...store.counts };
    const wallet = Array.from(store.potSeconds.get('POT#wallet/one#life') ?? [], (times) => times ?? 0);
    const seconds = scenario.measureMs / 1_000;
    const idle = sum([...store.items.lanes.values()].map((lane) => Number(lane.idleNanoUsd)));
    const spentASecond = (this.spent() - settledBefore) / seconds;
    const free = idle + Number(store.items.pots.get('wallet/one#life')?.availableNanoUsd ?? 0n);
    const lanes = store.items.lanes.size;
    this.over = true;
    await this.drive(engine.now + Math.max(30_000, scenario.callMs * 4));
    const report = await verifyLedger(store.truth, true);
    const { requests } = this.counted;
    return {
      name: scenario.name,
      ...this.counted,
      holdMs: percentiles(this.holdMs),
      writesARequest: (counts.writes + counts.indexWrites) / requests,
      readsARequest: counts.reads / requests,
      potTransactions: { mean: sum(wallet) / seconds, peak: wallet.reduce((most, count) => Math.max(most, count), 0) },
      counts,
      idle: { seconds: spentASecond === 0 ? 0 : idle / spentASecond, share: free === 0 ? 0 : idle / free },
      lanes,
      processes: this.fleet.length,
      findings: report.findings.length,
      ...(this.midnightMs.length > 0 ? { midnightMs: percentiles(this.midnightMs) } : {}),
    };
  }

  private async drive(untilEpochMs: number): Promise<void> {
    while (await this.engine.run(50_000, untilEpochMs));
    this.engine.now = Math.max(this.engine.now, untilEpochMs);
  }

  private money(): bigint {
    const { bounds, perSecond } = this.scenario;
    return BigInt(Math.round((bounds ?? perSecond * 86_400) * BOUND));
  }

  /** All charges so far, nano-USD. */
  private spent(): number {
    const settled = Number(this.store.items.pots.get('wallet/one#life')?.settledNanoUsd ?? 0n);
    return settled + sum([...this.store.items.lanes.values()].map((lane) => Number(lane.unflushedNanoUsd)));
  }

  /* -------------------------------------------------------------- traffic */

  private planNext(startEpochMs: number): void {
    if (this.over) return;
    const { perSecond, rampMs } = this.scenario;
    const share = rampMs === 0 ? 1 : Math.min(1, (this.engine.now - startEpochMs) / rampMs);
    const rate = (perSecond / 1_000) * Math.max(share, 10 / perSecond);
    this.engine.after(-Math.log(1 - this.dice.fraction()) / rate, () => {
      void this.call();
      this.planNext(startEpochMs);
    });
  }

  private async call(): Promise<void> {
    const { engine, scenario, dice, policy } = this;
    const gateway = this.take();
    const bound = BigInt(Math.round(BOUND * dice.between(0.5, 1.5)));
    const counts = this.counting;
    if (counts) this.counted.requests += 1;
    const from = engine.now;
    try {
      const result = await gateway.payments.hold({
        policy,
        group: dice.pick(policy.consumerGroups),
        userId: 'u1',
        route: 'economy',
        target: { provider: 'near', model: 'm', weight: 1 },
        price: PRICE,
        boundNanoUsd: bound,
      });
      if (counts) this.note(from, result.ok, bound);
      if (!result.ok) return;
      await gateway.process.clock.sleep(scenario.callMs * dice.between(0.5, 1.5));
      const [least, most] = scenario.cost;
      await gateway.payments.settle(result.held, BigInt(Math.round(Number(bound) * dice.between(least, most))), {});
      if (scenario.processes === 'lambda') await gateway.payments.idle();
    } catch {
      if (counts) {
        this.counted.unavailable += 1;
        if (this.hasMoney(bound)) this.counted.falseRefusals += 1;
      }
    } finally {
      if (scenario.processes === 'lambda') this.waiting.push(gateway);
    }
  }

  private note(from: number, ok: boolean, bound: bigint): void {
    const tookMs = this.engine.now - from;
    this.holdMs.push(tookMs);
    if (from >= this.midnightAt && from < this.midnightAt + MIDNIGHT_MS) this.midnightMs.push(tookMs);
    if (ok) this.counted.admitted += 1;
    else {
      this.counted.refused += 1;
      if (this.hasMoney(bound)) this.counted.falseRefusals += 1;
    }
  }

  /** Whether what is free and idle this moment would have paid for it. */
  private hasMoney(bound: bigint): boolean {
    const idle = [...this.store.items.lanes.values()].reduce((total, lane) => total + lane.idleNanoUsd, 0n);
    return (this.store.items.pots.get('wallet/one#life')?.availableNanoUsd ?? 0n) + idle >= bound;
  }

  private take(): Gateway {
    if (this.scenario.processes !== 'lambda') return this.dice.pick(this.fleet);
    return this.waiting.pop() ?? this.startGateway();
  }

  /* -------------------------------------------------------------- processes */

  private startGateway(): Gateway {
    const process = this.startProcess(`gateway${this.fleet.length}`);
    const payments = new LedgerPayments({ ...this.deps(process), fingerprint: sha256Fingerprint });
    const gateway = { process, payments };
    this.fleet.push(gateway);
    return gateway;
  }

  private startKeeper(): void {
    const process = this.startProcess('keeper');
    const keeper = new Keeper(this.deps(process));
    const work = async (): Promise<void> => {
      while (!this.over) {
        const next = this.engine.now + KEEPER_MS;
        await keeper.pass(this.policy, next - 15_000);
        await process.clock.sleep(Math.max(0, next - this.engine.now));
      }
    };
    void work();
  }

  private startProcess(name: string): SimulatedProcess {
    const { engine, trace, policy } = this;
    return new SimulatedProcess({ name, engine, trace, dice: this.dice.fork(), skewMs: 0, crash: 0, policy, onCrash: () => {} });
  }

  private deps(process: SimulatedProcess) {
    const store = this.store.client();
    const persistence = { clock: process.clock, random: process.dice };
    const reporter = { info: () => {}, warn: () => {}, error: () => {} };
    const publisher = { publish: async () => {} };
    const alerts = new AlertDesk({ store, persistence, reporter, publisher, log: new MemoryAlertLog() });
    return { store, persistence, reporter, alerts };
  }
}

/** A wallet, a day's and a month's budget for each group, a month's for the provider: four pots a chain. */
function profileOf({ groups = 1, perSecond, bounds }: HotWallet): Profile {
  const calm = PROFILES.calm as Profile;
  const plenty = (bounds ?? perSecond * 86_400) * BOUND * 40;
  return {
    ...calm,
    starts: [{ timezone: 'UTC', at: '2026-11-23T12:00:00Z' }],
    wallets: { one: 1 },
    groups: Array.from({ length: groups }, (_, at) => ({
      name: `group${at}`,
      wallet: 'one',
      budgets: [
        { name: 'day', window: 'day' as const, limit: plenty },
        { name: 'month', window: 'month' as const, limit: plenty },
      ],
    })),
    providers: [{ name: 'near', budgets: [{ name: 'month', window: 'month' as const, limit: plenty }] }],
  };
}

function percentiles(values: readonly number[]): { readonly p50: number; readonly p99: number; readonly worst: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), worst: at(1) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
