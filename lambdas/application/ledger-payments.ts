/**
 * Payments on the ledger: a hold before the call, tried on each wallet of the group in turn; the true cost after it;
 * alerts as soon as a settlement crosses a threshold.
 */
import { ChainBuilder } from '../domain/chains.ts';
import { type Entry, type EntryDetail, makeHoldId } from '../domain/entries.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import type { Chain, LaneId, LaneState, Pot } from '../domain/pots.ts';
import type { MoneyRefusal } from '../domain/refusals.ts';
import type { AlertDesk, Reporter } from './alert-desk.ts';
import { Grants } from './grants.ts';
import { LaneBook } from './lane-book.ts';
import { DEFAULT_LANE_LIMITS, type LaneHoldResult, type LaneLimits, Lanes } from './lanes.ts';
import { NextWindow } from './next-window.ts';
import {
  type Held,
  type HoldResult,
  LedgerUnavailableError,
  type PaymentRequest,
  type Payments,
  type Statement,
} from './payments.ts';
import { PendingVoids } from './pending-voids.ts';
import { type Patience, type Persistence, isTransient, persist } from './persistence.ts';
import type { Fingerprint, LedgerStore } from './ports.ts';
import { refusalOf } from './refusal.ts';
import { chargeOf, settleWithEntry } from './settlement.ts';
import { SpendWatch } from './spend-watch.ts';
import { Statements } from './statements.ts';

export interface LedgerPaymentsDeps {
  readonly store: LedgerStore;
  readonly alerts: AlertDesk;
  readonly persistence: Persistence;
  readonly fingerprint: Fingerprint;
  readonly reporter: Reporter;
  /** Overrides how long a hold stands before the keeper decides it, seconds. Default: `timeout.total` + 60. */
  readonly holdSeconds?: number;
  readonly laneLimits?: LaneLimits;
}

/** Of an entry that no money stood behind. */
const NO_LANE: LaneId = { chainHash: 'none', n: 0 };
/** A hold outlives the longest call that it can pay for. */
const HOLD_MARGIN_SECONDS = 60;
/** How long a refusal waits for this process's own settlements, which are about to free money. */
const OWN_SETTLEMENTS_MS = 250;

/** A wallet that is short, and how its alert is raised if no other pays. */
interface WalletRefusal {
  readonly refusal: MoneyRefusal;
  readonly tell: () => Promise<void>;
}

/** What a routing rule goes by is at most this old, and read anew, beside a call, when it is half as old. */
const PEEK_AGE_MS = 60_000;
const PEEK_REFRESH_MS = 30_000;

export class LedgerPayments implements Payments {
  private readonly builders = new WeakMap<Policy, ChainBuilder>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly settling = new Set<Promise<void>>();
  private readonly watch = new SpendWatch();
  private readonly book = new LaneBook();
  private readonly grants: Grants;
  private readonly voids: PendingVoids;
  private readonly lanes: Lanes;
  private readonly nextWindow: NextWindow;
  private readonly statements: Statements;
  private readonly deps: LedgerPaymentsDeps;

  constructor(deps: LedgerPaymentsDeps) {
    this.deps = deps;
    const { store, persistence } = deps;
    this.grants = new Grants(store, persistence, this.watch, this.book);
    this.voids = new PendingVoids(store, persistence, deps.reporter);
    this.lanes = new Lanes(store, this.grants, this.voids, persistence, this.book, deps.laneLimits ?? DEFAULT_LANE_LIMITS);
    this.nextWindow = new NextWindow(this.grants, persistence, this.book);
    this.statements = new Statements(store, persistence);
  }

  async hold(request: PaymentRequest): Promise<HoldResult> {
    // A Lambda was frozen since its last call.
    if (!this.voids.isEmpty) this.track(this.underWay, this.voids.retry());
    try {
      const patience = this.lanes.patience();
      const first = await this.tryWallets(request, patience);
      const waitable = !first.ok && first.refusal.code === 'funds_reserved' && this.settling.size > 0;
      if (!waitable) return first;
      await Promise.race([Promise.all(this.settling), this.deps.persistence.clock.sleep(OWN_SETTLEMENTS_MS)]);
      this.grants.dry.forgetAll();
      return await this.tryWallets(request, patience);
    } catch (error) {
      if (isTransient(error))
        throw new LedgerUnavailableError('the ledger did not answer, so nothing was sent', { cause: error });
      throw error;
    }
  }

  settle(held: Held, actualNanoUsd: NanoUsd, detail: EntryDetail): Promise<void> {
    const settled = this.settleAndReport(held, actualNanoUsd, detail);
    this.track(this.settling, settled);
    const watched = settled.then((lane) => this.watchSpend(held, lane));
    this.track(this.underWay, watched);
    return settled.then(() => undefined);
  }

  async record(detail: EntryDetail): Promise<void> {
    const { store, persistence, reporter } = this.deps;
    const atEpochMs = persistence.clock.now();
    const entry: Entry = {
      hid: makeHoldId(Math.ceil(atEpochMs / 1_000), persistence.random.id(12)),
      status: 'VOID',
      chargeNanoUsd: 0n,
      lossNanoUsd: 0n,
      estimateNanoUsd: 0n,
      lane: NO_LANE,
      chain: [],
      direct: [],
      atEpochMs,
      detail,
    };
    try {
      await persist(() => store.putEntry(entry), persistence);
    } catch (error) {
      reporter.warn('an entry of zero was not written', { requestId: detail.requestId, error: nameOf(error) });
    }
  }

  statement(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Promise<Statement | undefined> {
    return this.statements.find(policy, group, userId, maxAgeMs);
  }

  peek(policy: Policy, group: ConsumerGroup, userId: string): Statement | undefined {
    if (this.statements.peek(policy, group, userId, PEEK_REFRESH_MS) === undefined) {
      this.track(this.underWay, this.statements.find(policy, group, userId, PEEK_REFRESH_MS));
    }
    return this.statements.peek(policy, group, userId, PEEK_AGE_MS);
  }

  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  private track(set: Set<Promise<void>>, work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(
      () => undefined,
      () => undefined,
    );
    set.add(tracked);
    void tracked.then(() => set.delete(tracked));
  }

  /**
   * The group's wallets in order. A later one pays only when an earlier one cannot; every other pot is the same for all. One
   * that is known to be dry is asked only when no other can pay: then it says what stands in the way.
   */
  private async tryWallets(request: PaymentRequest, patience: Patience): Promise<HoldResult> {
    const wallets = [request.group.walletTeamId, ...request.group.funding];
    const refused = new Map<string, WalletRefusal>();
    const dry: string[] = [];
    for (const walletId of wallets) {
      if (wallets.length > 1 && (await this.grants.dry.cannotPay(this.chain(request, walletId), request.boundNanoUsd))) {
        dry.push(walletId);
        continue;
      }
      const result = await this.tryWallet(request, walletId, patience);
      if ('ok' in result) return result;
      refused.set(walletId, result);
    }
    for (const walletId of dry) {
      const result = await this.tryWallet(request, walletId, patience);
      if ('ok' in result) return result;
      refused.set(walletId, result);
    }
    const refusals = wallets.flatMap((walletId) => refused.get(walletId) ?? []);
    const told = refusals.find(({ refusal }) => refusal.code === 'funds_reserved') ?? refusals[0];
    if (told === undefined) throw new RangeError('a group has a wallet');
    if (told.refusal.code !== 'funds_reserved') for (const { tell } of refusals) await tell();
    return { ok: false, refusal: told.refusal, by: 'caller' };
  }

  /** @returns the outcome of the whole, or that this wallet is short, so that the next is to be asked */
  private async tryWallet(request: PaymentRequest, walletId: string, patience: Patience): Promise<HoldResult | WalletRefusal> {
    const chain = this.chain(request, walletId);
    const expiresAt = this.expiresAtEpochSeconds(request);
    const result = await this.lanes.hold(chain, request.boundNanoUsd, expiresAt, patience, request.onLeftToKeeper);
    if (result.ok) return { ok: true, held: toHeld(request, chain, result, this.deps.persistence.clock.now()) };
    const { pot, state, lane } = result.refusal;
    const refusal = refusalOf(request.policy, result.refusal, request.boundNanoUsd);
    const tell = () => this.deps.alerts.refused(request.policy, pot, state, lane && { lane, chain });
    if (pot.owner === 'wallet') return { refusal, tell };
    if (refusal.code !== 'funds_reserved' && !exceedsWhole(pot, request.boundNanoUsd)) await tell();
    return { ok: false, refusal, by: pot.owner === 'provider' ? 'provider' : 'caller' };
  }

  private chain(request: PaymentRequest, walletId: string, atEpochMs = this.deps.persistence.clock.now()): Chain {
    let builder = this.builders.get(request.policy);
    if (builder === undefined) {
      builder = new ChainBuilder(request.policy, this.deps.fingerprint);
      this.builders.set(request.policy, builder);
    }
    const { group, userId, route, target } = request;
    return builder.chain({ group, userId, route, provider: target.provider, walletId }, atEpochMs);
  }

  private expiresAtEpochSeconds({ policy, target }: PaymentRequest): number {
    const total = policy.providers.find((provider) => provider.name === target.provider)?.timeoutMs.total ?? 0;
    const seconds = this.deps.holdSeconds ?? Math.ceil(total / 1_000) + HOLD_MARGIN_SECONDS;
    return Math.ceil(this.deps.persistence.clock.now() / 1_000) + seconds;
  }

  private async settleAndReport(held: Held, actualNanoUsd: NanoUsd, detail: EntryDetail): Promise<LaneState | undefined> {
    const { store, persistence, alerts, reporter } = this.deps;
    const { policy, target } = held.request;
    const { chargeNanoUsd, lossNanoUsd } = chargeOf(actualNanoUsd, held.hold.estimateNanoUsd);
    const entry: Entry = {
      hid: held.hid,
      status: 'FINAL',
      chargeNanoUsd,
      lossNanoUsd,
      estimateNanoUsd: held.hold.estimateNanoUsd,
      lane: held.lane,
      chain: [held.chain.wallet.key, ...held.chain.limits.map((pot) => pot.key)],
      direct: held.hold.direct,
      atEpochMs: persistence.clock.now(),
      detail,
    };
    const { walletId, groupId, providerId, wallet, limits, direct } = held.chain;
    const terms = { chain: [wallet, ...limits], direct, walletId, groupId, providerId };
    try {
      const result = await settleWithEntry(store, persistence, entry, terms);
      if (result.kind === 'lost')
        reporter.error('late cost that no pot could pay', { hid: held.hid, requestId: detail.requestId });
      this.grants.dry.forget([wallet, ...limits]);
      this.statements.noteSettled({
        chain: held.chain,
        estimateNanoUsd: held.hold.estimateNanoUsd,
        chargeNanoUsd,
        heldAtEpochMs: held.heldAtEpochMs,
      });
      const lane = result.kind === 'settled' ? result.lane : undefined;
      if (lane !== undefined) this.book.note(lane, persistence.clock.now());
      return lane;
    } catch (error) {
      held.request.onLeftToKeeper?.();
      if (!isTransient(error)) throw error;
      reporter.error('settlement left to the keeper', { hid: held.hid, requestId: detail.requestId });
      return undefined;
    } finally {
      if (lossNanoUsd > 0n) {
        reporter.error('provider billed above the bound', { hid: held.hid, target: `${target.provider}/${target.model}` });
        await alerts.overage(policy, `${target.provider}/${target.model}`, held.hid, lossNanoUsd, held.hold.estimateNanoUsd);
      }
    }
  }

  /** After the answer: raise what this settlement crossed. Whatever fails here, the keeper's pass finds again. */
  private async watchSpend(held: Held, settledLane: LaneState | undefined): Promise<void> {
    const { store, persistence, alerts, reporter } = this.deps;
    const { policy } = held.request;
    const pots = [held.chain.wallet, ...held.chain.limits];
    try {
      if (settledLane !== undefined) await this.refill(held, settledLane);
      const lane = settledLane ?? (await store.readLane(held.lane, { consistent: true }));
      const now = persistence.clock.now();
      if (lane !== undefined) this.watch.noteLane(held.chain, lane, now);
      const unknown = this.watch.unknown(pots, now);
      if (unknown.length > 0) this.watch.notePots(await store.readPots(unknown), now);
      const crossed = this.watch.crossed(pots);
      for (const pot of crossed) {
        for (const id of this.watch.lanesToFlush(pot.key)) await this.flushLane(held.chain, id);
      }
      const checked = [...crossed, ...held.chain.direct];
      if (checked.length > 0) {
        const { states } = await alerts.check(policy, checked);
        // Read again: the check has set markers since, and a known marker spares the next check.
        this.watch.notePots(await store.readPots([...states.keys()]), persistence.clock.now());
      }
      if (lane === undefined) return;
      const chainAt = (epochMs: number): Chain => this.chain(held.request, held.chain.walletId, epochMs);
      await this.nextWindow.prepare(held.chain, lane, held.hold.estimateNanoUsd, chainAt);
    } catch (error) {
      reporter.warn('spend not checked for alerts; the keeper does', { reason: nameOf(error) });
    }
  }

  /** Best effort: without it the next call that finds the lane short fills it. */
  private async refill({ chain, hold }: Held, lane: LaneState): Promise<void> {
    try {
      await this.grants.refillAhead(chain, lane, hold.estimateNanoUsd);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }

  private async flushLane(chain: Chain, id: LaneId): Promise<void> {
    const { store, persistence } = this.deps;
    const lane = await store.readLane(id, { consistent: true });
    if (lane === undefined || lane.unflushedNanoUsd <= 0n) {
      this.watch.forgetAnywhere(id);
      return;
    }
    if (await persist(() => store.flush([{ lane, amountNanoUsd: lane.unflushedNanoUsd }]), persistence)) {
      this.watch.noteFlushed([chain.wallet, ...chain.limits], lane);
    }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

/** A request larger than the whole limit says nothing of the spend under it. */
function exceedsWhole(pot: Pot, boundNanoUsd: NanoUsd): boolean {
  return pot.hardLimitNanoUsd !== undefined && boundNanoUsd > pot.hardLimitNanoUsd;
}

function toHeld(
  request: PaymentRequest,
  chain: Chain,
  result: Extract<LaneHoldResult, { ok: true }>,
  heldAtEpochMs: number,
): Held {
  return { hid: result.hid, lane: result.lane, hold: result.hold, chain, request, heldAtEpochMs };
}
