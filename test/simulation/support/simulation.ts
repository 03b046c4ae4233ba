/**
 * One seed of one profile: gateways, keepers and an operator on one store, until the traffic is over, the network has
 * healed and the keeper has been round; then everything is reconciled.
 */
import { MemoryAlertLog } from '../../../lambdas/adapters/memory/alert-log.ts';
import { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import { sha256Fingerprint } from '../../../lambdas/adapters/system/system.ts';
import { AlertDesk, type Reporter } from '../../../lambdas/application/alert-desk.ts';
import { Keeper } from '../../../lambdas/application/keeper.ts';
import { LedgerPayments } from '../../../lambdas/application/ledger-payments.ts';
import { LedgerUnavailableError } from '../../../lambdas/application/payments.ts';
import { isTransient } from '../../../lambdas/application/persistence.ts';
import { type AlertLog, type AlertPublisher, type LedgerStore, NotAppliedError } from '../../../lambdas/application/ports.ts';
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import { UnknownWalletError, WithdrawalTooLargeError, Wallets } from '../../../lambdas/application/wallets.ts';
import { formatUsd } from '../../../lambdas/domain/money.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { Dice } from './dice.ts';
import { Engine } from './engine.ts';
import { Exactness } from './exactness.ts';
import { type NetworkCounts, SimulatedStore } from './network.ts';
import { Oracle, type Violation } from './oracle.ts';
import { PRICE, firstPolicy, withOtherLimit, withOtherShape } from './policies.ts';
import { SimulatedProcess } from './process.ts';
import type { NetworkFaults, Profile } from './profile.ts';
import { Trace, brief } from './trace.ts';

export interface SimulationResult extends NetworkCounts {
  readonly profile: string;
  readonly seed: number;
  readonly events: number;
  readonly crashes: number;
  readonly calls: number;
  readonly admitted: number;
  readonly refused: number;
  readonly unavailable: number;
  readonly entries: Readonly<Record<string, number>>;
  readonly alerts: number;
  readonly violation?: Violation;
  readonly trace?: readonly string[];
}

export interface SimulationOptions {
  readonly profile: Profile;
  readonly seed: number;
  readonly trace?: boolean;
  /** Events between two checks of what must always hold. */
  readonly checkEvery?: number;
}

const NO_FAULTS: NetworkFaults = {
  lostRequest: 0,
  lostReply: 0,
  duplicated: 0,
  slow: 0,
  verySlow: 0,
  notApplied: 0,
  serverError: 0,
  stale: 0,
  indexLagMs: 0,
};
const TRACE_LINES = 120;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  return simulation.run();
}

/** Runs a seed, and again with its trace when it found something. */
export async function simulateAndExplain(options: SimulationOptions): Promise<SimulationResult> {
  const result = await simulate(options);
  return result.violation === undefined ? result : simulate({ ...options, trace: true });
}

interface Gateway {
  readonly process: SimulatedProcess;
  readonly payments: LedgerPayments;
}

class Simulation {
  private readonly profile: Profile;
  private readonly seed: number;
  private readonly checkEvery: number;
  private readonly startEpochMs: number;
  private readonly dice: Dice;
  private readonly engine: Engine;
  private readonly trace: Trace;
  private readonly oracle: Oracle;
  private readonly store: SimulatedStore;
  private readonly exactness = new Exactness(
    () => this.store.items,
    () => this.engine.now,
  );
  private readonly log = new MemoryAlertLog();
  private readonly gateways: (Gateway | undefined)[] = [];
  private readonly processes = new Set<SimulatedProcess>();
  private readonly doneTopUps: { readonly wallet: string; readonly amount: bigint; readonly id: string }[] = [];
  private readonly recorded = new Set<string>();
  private policy: Policy;
  private healed = false;
  private limitsChanged = false;
  private incarnations = 0;
  private readonly counts = { crashes: 0, calls: 0, admitted: 0, refused: 0, unavailable: 0 };

  constructor({ profile, seed, trace, checkEvery }: SimulationOptions) {
    this.profile = profile;
    this.seed = seed;
    this.checkEvery = checkEvery ?? 128;
    this.dice = new Dice(seed);
    const timezoneDice = this.dice.fork();
    const policy = firstPolicy(profile, timezoneDice);
    const start = this.dice.pick(profile.starts.filter(({ timezone }) => timezone === policy.timezone));
    this.startEpochMs = Date.parse(start.at);
    this.engine = new Engine(this.startEpochMs);
    this.trace = new Trace(this.engine, trace === true);
    this.oracle = new Oracle(this.engine, () => this.store.items);
    const { oracle, exactness } = this;
    const observer = {
      sent: oracle.sent.bind(oracle),
      unknown: oracle.unknown.bind(oracle),
      carriedOut: (operation: string, args: readonly unknown[], outcome: unknown) => {
        oracle.carriedOut(operation, args, outcome);
        if (profile.exact === true && !operation.startsWith('read')) exactness.moved(operation);
      },
    };
    this.store = new SimulatedStore(new MemoryLedgerStore(), this.engine, this.trace, profile.network, observer);
    this.policy = policy;
    this.oracle.policyChanged(policy);
  }

  async run(): Promise<SimulationResult> {
    const { profile, engine } = this;
    for (const [wallet, amount] of Object.entries(profile.wallets)) this.topUp(wallet, BigInt(amount), `first-${wallet}`);
    for (let at = 0; at < profile.gateways; at += 1) this.startGateway(at);
    for (let at = 0; at < profile.keepers; at += 1) this.startKeeper(at);
    const endsAt = engine.now + Math.max(...profile.traffic.map(({ fromMs, forMs }) => fromMs + forMs));
    for (const stretch of profile.traffic) this.planTraffic(stretch);
    this.every(profile.topUpEveryMs, endsAt, () => this.operatorTopsUp());
    this.every(profile.withdrawEveryMs, endsAt, () => this.operatorWithdraws());
    // Half of the seeds keep their limits: what they say of alerts can be checked to the end.
    const changes = this.dice.chance(0.5) ? 1 : 0;
    this.every(profile.limitChangeEveryMs * changes, endsAt, () => {
      this.limitsChanged = true;
      this.changePolicy(withOtherLimit(this.policy, this.dice));
    });
    this.every(profile.shapeChangeEveryMs * changes, endsAt, () => {
      this.limitsChanged = true;
      this.changePolicy(withOtherShape(this.policy, profile, this.dice));
    });

    await this.drive(endsAt);
    this.heal();
    await this.drive(endsAt + 1_500_000);
    for (let pass = 0; pass < 14 && this.oracle.violation === undefined; pass += 1) {
      await this.finalPass();
      if (this.store.items.lanes.size === 0 && pass >= 3) break;
    }
    if (this.oracle.violation === undefined) await this.reconcile();
    return this.result();
  }

  /** Lets time pass, and looks at the items every so many events. */
  private async drive(untilEpochMs: number): Promise<void> {
    let sinceBooks = 0;
    while (this.oracle.violation === undefined) {
      const more = await this.engine.run(this.checkEvery, untilEpochMs);
      this.oracle.check();
      sinceBooks += 1;
      if (sinceBooks >= 100) {
        sinceBooks = 0;
        await this.checkBooks();
      }
      if (!more) {
        this.engine.now = Math.max(this.engine.now, untilEpochMs);
        return;
      }
    }
  }

  private async checkBooks(): Promise<void> {
    const report = await verifyLedger(this.store.truth, true);
    const [finding] = report.findings;
    if (finding !== undefined) {
      this.oracle.fail(
        `verify: ${finding.invariant}: expected ${finding.expectedUsd}, found ${finding.foundUsd}`,
        finding.subject,
      );
    }
  }

  private async reconcile(): Promise<void> {
    await this.checkBooks();
    this.oracle.reconcile();
    this.oracle.checkAlerts(this.policy, this.limitsChanged, this.recorded);
    if (this.profile.exact !== true) return;
    for (const [alertId, times] of this.oracle.published) {
      if (times !== 1) this.oracle.fail(`alert told ${times} times although nothing failed`, alertId);
    }
  }

  /* -------------------------------------------------------------- processes */

  private startProcess(name: string, onCrash: () => void, quiet = false): SimulatedProcess {
    const { engine, trace, profile, dice } = this;
    this.incarnations += 1;
    const process = new SimulatedProcess({
      name: `${name}.${this.incarnations}`,
      engine,
      trace,
      dice: dice.fork(),
      skewMs: quiet ? 0 : Math.round(dice.between(-profile.skewMs, profile.skewMs)),
      crash: quiet || this.healed ? 0 : profile.crash,
      policy: this.policy,
      onCrash: () => {
        this.counts.crashes += 1;
        this.processes.delete(process);
        onCrash();
      },
    });
    this.processes.add(process);
    return process;
  }

  private startGateway(at: number): void {
    const process = this.startProcess(`gateway${at}`, () => {
      this.gateways[at] = undefined;
      this.engine.after(this.dice.between(200, 4_000), () => this.startGateway(at));
    });
    const { store, alerts, persistence, reporter } = this.deps(process);
    const payments = new LedgerPayments({
      store,
      alerts,
      persistence,
      reporter,
      fingerprint: sha256Fingerprint,
      holdSeconds: this.profile.holdSeconds,
    });
    this.gateways[at] = { process, payments };
  }

  private startKeeper(at: number): void {
    const process = this.startProcess(`keeper${at}`, () => {
      this.engine.after(this.dice.between(500, 10_000), () => this.startKeeper(at));
    });
    const keeper = new Keeper({ ...this.deps(process), idleAfterMs: this.profile.idleAfterMs });
    const work = async (): Promise<void> => {
      const [least, most] = this.profile.keeperEveryMs;
      while (!this.healed) {
        await process.clock.sleep(process.dice.between(least, most) * (this.isBusy() ? 1 : 30));
        if (this.healed) return;
        await this.tolerate(process, keeper.pass(process.policy));
      }
    };
    void work();
  }

  private deps(process: SimulatedProcess) {
    const store: LedgerStore = this.store.seenBy(process);
    const persistence = { clock: process.clock, random: process.dice };
    const reporter: Reporter = {
      info: () => {},
      warn: (message, fields) => this.trace.note(process.name, () => `warns: ${message} ${brief(fields)}`),
      error: (message, fields) => {
        this.trace.note(process.name, () => `reports: ${message} ${brief(fields)}`);
        if (message === 'settlement left to the keeper') this.oracle.leftToKeeper(String(fields?.hid));
        // A keeper may report a hold as undecided that another one ended a moment ago; one that stays is found as stranded.
        if (message.startsWith('lane does not add up')) {
          this.oracle.fail(message, brief(fields));
        }
      },
    };
    const alerts = new AlertDesk({
      store,
      persistence,
      reporter,
      publisher: this.publisher(process),
      log: this.alertLog(process),
    });
    return { store, persistence, reporter, alerts };
  }

  private publisher(process: SimulatedProcess): AlertPublisher {
    return {
      publish: (alert) =>
        new Promise((resolve, reject) => {
          if (!process.passesAwait('publish')) return;
          const ms = process.dice.between(5, 80);
          process.mayCrashWithin(ms, 'publish');
          const fails = !this.healed && process.dice.chance(this.profile.publishFails);
          const arrives = !fails || process.dice.chance(0.5);
          this.engine.after(ms / 2, () => {
            if (arrives) this.oracle.publishedAlert(alert);
            this.trace.note(
              process.name,
              () => `publish ${alert.alertId} → ${arrives ? 'told' : 'lost'}${fails ? ', answer: failed' : ''}`,
            );
          });
          this.engine.after(ms, () => {
            if (!process.alive) return;
            if (fails) reject(new Error('the receiver is away'));
            else resolve();
          });
        }),
    };
  }

  private alertLog(process: SimulatedProcess): AlertLog {
    return {
      record: (alert) =>
        new Promise((resolve, reject) => {
          if (!process.passesAwait('log')) return;
          const fails = !this.healed && process.dice.chance(this.profile.network.notApplied);
          this.engine.after(process.dice.between(1, 5), () => {
            if (!fails && alert.mergedInto !== undefined) this.recorded.add(alert.alertId);
            if (!process.alive) return;
            if (fails) reject(new NotAppliedError('alert log: throttled'));
            else this.log.record(alert).then(resolve, reject);
          });
        }),
      list: (limit) => this.log.list(limit),
    };
  }

  /** What the store may answer at any time is no violation; anything else is. */
  private async tolerate(process: SimulatedProcess, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const isAnswer = error instanceof WithdrawalTooLargeError || error instanceof UnknownWalletError;
      if (isTransient(error) || error instanceof LedgerUnavailableError || isAnswer) {
        this.trace.note(process.name, () => `gives up: ${String(error)}`);
        return;
      }
      this.oracle.fail(`${process.name} threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  /* -------------------------------------------------------------- traffic */

  private planTraffic({ fromMs, forMs, perSecond }: Profile['traffic'][number]): void {
    const next = (atMs: number): void => {
      if (atMs >= fromMs + forMs) return;
      const waitMs = -Math.log(1 - this.dice.fraction()) * (1_000 / perSecond);
      this.engine.after(waitMs, () => {
        const burst = this.dice.chance(0.03) ? this.dice.whole(4, 24) : 1;
        for (let i = 0; i < burst; i += 1) this.call();
        next(atMs + waitMs);
      });
    };
    this.engine.after(fromMs, () => next(fromMs));
  }

  /** Whether a stretch of traffic is on, or was until a moment ago: keepers come round less often between two. */
  private isBusy(): boolean {
    const sinceMs = this.engine.now - this.startEpochMs;
    return this.profile.traffic.some(({ fromMs, forMs }) => sinceMs > fromMs - 60_000 && sinceMs < fromMs + forMs + 120_000);
  }

  private call(): void {
    const alive = this.gateways.filter((gateway) => gateway !== undefined);
    this.counts.calls += 1;
    if (alive.length === 0) return;
    const gateway = this.dice.pick(alive);
    void this.tolerate(gateway.process, this.serve(gateway));
  }

  /** What the gateway does for a request: hold, send, settle; on a failure the next provider, held anew. */
  private async serve({ process, payments }: Gateway): Promise<void> {
    const { dice, policy } = process;
    const { profile } = this;
    const group = dice.pick(policy.consumerGroups);
    const route = dice.pick(profile.models);
    const userId = `u${dice.whole(1, profile.users)}`;
    const first = dice.whole(0, policy.providers.length - 1);
    const targets = [...policy.providers.slice(first), ...policy.providers.slice(0, first)];
    for (const [attempt, provider] of targets.entries()) {
      const bound = BigInt(dice.whole(profile.bound[0], profile.bound[1]));
      const request = {
        policy,
        group,
        userId,
        route,
        target: { provider: provider.name, model: 'm', weight: 1 },
        price: PRICE,
        boundNanoUsd: bound,
      };
      const watched = profile.exact === true ? this.exactness.begin() : undefined;
      let result: Awaited<ReturnType<LedgerPayments['hold']>>;
      try {
        result = await payments.hold(request);
      } catch (error) {
        if (error instanceof LedgerUnavailableError) this.counts.unavailable += 1;
        throw error;
      }
      if (watched !== undefined) this.exactness.end(watched);
      if (!result.ok) {
        this.counts.refused += 1;
        const { refusal } = result;
        const flaw = watched && this.exactness.flaw(watched, refusal);
        if (flaw !== undefined) this.oracle.fail(flaw, refusal.limitedBy);
        this.trace.note(process.name, () => `REFUSED ${group.name}/${userId} ${bound}: ${refusal.code} by ${refusal.limitedBy}`);
        if (result.by === 'provider') continue;
        return;
      }
      const { held } = result;
      const wallets = [group.walletTeamId, ...group.funding];
      for (const wallet of watched === undefined ? [] : wallets.slice(0, wallets.indexOf(held.chain.walletId))) {
        const flaw = watched && this.exactness.passedBy(watched, `wallet/${wallet}#life`, bound);
        if (flaw !== undefined) this.oracle.fail(flaw, `wallet/${wallet}`);
      }
      this.counts.admitted += 1;
      this.oracle.held(held);
      this.trace.note(process.name, () => `HELD ${held.hid} ${bound} for ${group.name}/${userId} on ${provider.name}`);
      await process.clock.sleep(this.durationMs(dice));
      const failed = dice.chance(profile.failedAttempt);
      const actual = failed ? 0n : this.cost(dice, bound);
      this.trace.note(process.name, () => `ANSWER ${held.hid} cost ${actual}${failed ? ' (failed)' : ''}`);
      this.oracle.settling(held.hid, actual);
      await payments.settle(held, actual, { requestId: held.hid, attempt, outcome: failed ? 'refused_by_provider' : 'ok' });
      this.oracle.settled(held.hid);
      if (!failed) return;
    }
  }

  private durationMs(dice: Dice): number {
    const { atExpiry, long, holdSeconds, callMs } = this.profile;
    if (dice.chance(atExpiry)) return holdSeconds * 1_000 + dice.between(-2_000, 2_000);
    if (dice.chance(long)) return dice.between(holdSeconds * 1_000, holdSeconds * 4_000);
    return dice.between(callMs[0], callMs[1]);
  }

  private cost(dice: Dice, bound: bigint): bigint {
    if (dice.chance(this.profile.above)) return bound + BigInt(dice.whole(1, 50));
    if (dice.chance(0.1)) return bound;
    return (bound * BigInt(dice.whole(0, 100))) / 100n;
  }

  /* -------------------------------------------------------------- the operator */

  private every(meanMs: number, untilEpochMs: number, act: () => void): void {
    if (meanMs === 0) return;
    this.engine.after(this.dice.between(0.3, 1.7) * meanMs, () => {
      if (this.engine.now >= untilEpochMs) return;
      if (this.isBusy()) act();
      this.every(meanMs, untilEpochMs, act);
    });
  }

  private operator(): { readonly process: SimulatedProcess; readonly wallets: Wallets } {
    const process = this.startProcess('operator', () => {});
    // A command of the operator reads the policy once.
    this.processes.delete(process);
    const { store, alerts, persistence } = this.deps(process);
    return { process, wallets: new Wallets({ store, alerts, persistence, formatUsd }) };
  }

  private topUp(wallet: string, amount: bigint, id: string): void {
    const { process, wallets } = this.operator();
    this.doneTopUps.push({ wallet, amount, id });
    this.trace.note(process.name, () => `TOP UP ${wallet} ${amount} (${id})`);
    void this.tolerate(process, wallets.fund(this.policy, wallet, amount, id));
  }

  /** New money, or a delivery of an earlier one for the second time. */
  private operatorTopsUp(): void {
    const again = this.dice.chance(0.4) ? this.dice.pick(this.doneTopUps) : undefined;
    if (again !== undefined) return this.topUp(again.wallet, again.amount, again.id);
    const wallet = this.dice.pick(Object.keys(this.profile.wallets));
    this.topUp(wallet, BigInt(this.dice.whole(500, 8_000)), `top-${this.dice.id(8)}`);
  }

  private operatorWithdraws(): void {
    const { process, wallets } = this.operator();
    const wallet = this.dice.pick(Object.keys(this.profile.wallets));
    const amount = BigInt(this.dice.whole(100, 6_000));
    this.trace.note(process.name, () => `WITHDRAW ${wallet} ${amount}`);
    void this.tolerate(process, wallets.withdraw(this.policy, wallet, amount, `take-${this.dice.id(8)}`));
  }

  private changePolicy(policy: Policy): void {
    this.policy = policy;
    this.oracle.policyChanged(policy);
    this.trace.note(
      'policy',
      () => `CHANGED ${brief(policy.consumerGroups)} ${brief(policy.providers.map(({ budgets }) => budgets))}`,
    );
    for (const process of this.processes) {
      this.engine.after(this.dice.between(0, 60_000), () => {
        process.policy = this.policy;
      });
    }
  }

  /* -------------------------------------------------------------- the end */

  private heal(): void {
    this.healed = true;
    this.store.faults = NO_FAULTS;
    for (const process of this.processes) {
      process.crashes = 0;
      process.policy = this.policy;
    }
    this.trace.note('network', () => 'HEALED: no more traffic, faults or crashes');
  }

  private async finalPass(): Promise<void> {
    const process = this.startProcess('keeper', () => {}, true);
    const keeper = new Keeper({ ...this.deps(process), idleAfterMs: this.profile.idleAfterMs });
    void this.tolerate(process, keeper.pass(this.policy));
    await this.drive(this.engine.now + 700_000);
  }

  private result(): SimulationResult {
    const { oracle, engine, trace, store, profile, seed } = this;
    const entries: Record<string, number> = {};
    for (const { status } of store.items.entries.values()) entries[status] = (entries[status] ?? 0) + 1;
    return {
      profile: profile.name,
      seed,
      events: engine.events,
      ...store.counts,
      ...this.counts,
      entries,
      alerts: oracle.published.size,
      violation: oracle.violation,
      trace: trace.on && oracle.violation ? trace.about(oracle.violation.subjects, TRACE_LINES) : undefined,
    };
  }
}
