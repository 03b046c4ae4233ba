/**
 * Figures for people: spent, held and left of a caller's wallets and budgets. Read off the paid path, kept a pot at a
 * time for at most a minute, and moved on by what this process settles meanwhile.
 */
import { callerPots } from '../domain/chains.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import type { Chain, LaneState, Pot, PotKey, PotState } from '../domain/pots.ts';
import type { PotStatement, Statement } from './payments.ts';
import { type Persistence, isTransient } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { type LaneSums, sumLanes } from './recall.ts';

const MOST_KEPT = 10_000;
/** A reader who asks for figures this fresh is a person who has just made a call: what a settlement touched is read anew. */
const FRESH_MS = 5_000;

interface KeptView {
  readonly policy: Policy;
  readonly view: PotStatement;
  readonly readAtEpochMs: number;
  /** Settled on by this process since it was read. */
  readonly touched: boolean;
}

/** A settlement as the figures need it. */
export interface Settled {
  readonly chain: Pick<Chain, 'wallet' | 'limits' | 'direct'>;
  readonly estimateNanoUsd: NanoUsd;
  readonly chargeNanoUsd: NanoUsd;
  /** When the money was held: figures read later have the hold in them. */
  readonly heldAtEpochMs: number;
}

export class Statements {
  private readonly kept = new Map<PotKey, KeptView>();
  private readonly reading = new Map<string, Promise<Statement | undefined>>();
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;

  constructor(store: LedgerStore, persistence: Persistence) {
    this.store = store;
    this.persistence = persistence;
  }

  /** @returns undefined when the store does not answer */
  async find(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Promise<Statement | undefined> {
    const now = this.persistence.clock.now();
    const { wallets, budgets } = callerPots(policy, group, userId, now);
    const kept = this.keptStatement(policy, wallets, budgets, now, maxAgeMs);
    if (kept !== undefined) return kept;
    const name = `${group.name}\n${userId}`;
    const reading = this.reading.get(name);
    if (reading !== undefined) return reading;
    const started = this.read(policy, group, wallets, budgets).finally(() => this.reading.delete(name));
    this.reading.set(name, started);
    return started;
  }

  /** What is kept and at most so old, without a read. */
  peek(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Statement | undefined {
    const now = this.persistence.clock.now();
    const { wallets, budgets } = callerPots(policy, group, userId, now);
    return this.keptStatement(policy, wallets, budgets, now, maxAgeMs);
  }

  private keptStatement(
    policy: Policy,
    wallets: readonly Pot[],
    budgets: readonly Pot[],
    now: number,
    maxAgeMs: number,
  ): Statement | undefined {
    const known = (pots: readonly Pot[]): readonly KeptView[] =>
      pots
        .map((pot) => this.kept.get(pot.key))
        .filter((kept) => kept !== undefined)
        .filter((kept) => isCurrent(kept, policy, now, maxAgeMs));
    const [keptWallets, keptBudgets] = [known(wallets), known(budgets)];
    if (keptWallets.length < wallets.length || keptBudgets.length < budgets.length) return undefined;
    const readAt = [...keptWallets, ...keptBudgets].map((kept) => kept.readAtEpochMs);
    return { wallets: keptWallets.map(viewIn), budgets: keptBudgets.map(viewIn), atEpochMs: Math.min(now, ...readAt) };
  }

  /** A settlement of this process moves kept figures on until they are read again. */
  noteSettled({ chain, estimateNanoUsd, chargeNanoUsd, heldAtEpochMs }: Settled): void {
    for (const pot of [chain.wallet, ...chain.limits, ...chain.direct]) {
      const kept = this.kept.get(pot.key);
      if (kept === undefined) continue;
      const { view } = kept;
      const released = heldAtEpochMs <= kept.readAtEpochMs && view.heldNanoUsd >= estimateNanoUsd ? estimateNanoUsd : 0n;
      this.kept.set(pot.key, {
        ...kept,
        touched: true,
        view: {
          ...view,
          spentNanoUsd: view.spentNanoUsd + chargeNanoUsd,
          heldNanoUsd: view.heldNanoUsd - released,
          leftNanoUsd: view.leftNanoUsd - chargeNanoUsd + released,
        },
      });
    }
  }

  private async read(
    policy: Policy,
    group: ConsumerGroup,
    wallets: readonly Pot[],
    budgets: readonly Pot[],
  ): Promise<Statement | undefined> {
    const readAtEpochMs = this.persistence.clock.now();
    const pots = [...wallets, ...budgets];
    try {
      const [states, ...lanes] = await Promise.all([
        this.store.readPots(
          pots.map((pot) => pot.key),
          { consistent: true },
        ),
        this.lanes('group', group.name),
        ...wallets.map((wallet) => this.lanes('wallet', walletIdOf(wallet))),
      ]);
      const open = [...new Map(lanes.flat().map((lane) => [`${lane.id.chainHash}#${lane.id.n}`, lane])).values()];
      const views = pots.map((pot) => viewOf(pot, states.get(pot.key), sumsOf(pot, states.get(pot.key), open)));
      this.keep(policy, pots, views, readAtEpochMs);
      return { wallets: views.slice(0, wallets.length), budgets: views.slice(wallets.length), atEpochMs: readAtEpochMs };
    } catch (error) {
      if (isTransient(error)) return undefined;
      throw error;
    }
  }

  private async lanes(index: 'group' | 'wallet', id: string): Promise<readonly LaneState[]> {
    return this.store.readLanes(await this.store.lanesOf(index, id));
  }

  private keep(policy: Policy, pots: readonly Pot[], views: readonly PotStatement[], readAtEpochMs: number): void {
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    for (const [at, pot] of pots.entries()) {
      const view = views[at];
      if (view !== undefined) this.kept.set(pot.key, { policy, view, readAtEpochMs, touched: false });
    }
  }
}

function isCurrent(kept: KeptView, policy: Policy, now: number, maxAgeMs: number): boolean {
  if (kept.policy !== policy || now - kept.readAtEpochMs > maxAgeMs) return false;
  return !(kept.touched && maxAgeMs <= FRESH_MS);
}

function viewIn(kept: KeptView): PotStatement {
  return kept.view;
}

function walletIdOf(pot: Pot): string {
  return pot.scope.slice('wallet/'.length);
}

/** What is out in lanes of a pot. A user's pot is in no lane: what it committed and has not settled is held. */
function sumsOf(pot: Pot, state: PotState | undefined, lanes: readonly LaneState[]): LaneSums {
  if (pot.owner !== 'user') return sumLanes(lanes.filter((lane) => lane.chain.includes(pot.key)));
  const heldNanoUsd = (state?.committedNanoUsd ?? 0n) - (state?.settledNanoUsd ?? 0n);
  return { idleNanoUsd: 0n, heldNanoUsd, unflushedNanoUsd: 0n };
}

/** Idle escrow counts as left: nobody has spent it and a recall frees it. */
export function viewOf(pot: Pot, state: PotState | undefined, sums: LaneSums): PotStatement {
  const spentNanoUsd = (state?.settledNanoUsd ?? 0n) + sums.unflushedNanoUsd;
  const limitNanoUsd = pot.kind === 'wallet' ? (state?.fundedNanoUsd ?? 0n) : (pot.limitNanoUsd ?? 0n);
  const usableNanoUsd = pot.kind === 'wallet' ? limitNanoUsd : (pot.hardLimitNanoUsd ?? limitNanoUsd);
  return {
    scope: pot.scope,
    kind: pot.kind,
    window: pot.window.kind,
    limitNanoUsd,
    spentNanoUsd,
    ...(pot.kind === 'wallet' ? { baseNanoUsd: state?.baseNanoUsd ?? 0n } : {}),
    heldNanoUsd: sums.heldNanoUsd,
    leftNanoUsd: usableNanoUsd - spentNanoUsd - sums.heldNanoUsd,
    hard: pot.enforced,
    resetsAtEpochMs: Number.isFinite(pot.window.endsAtEpochMs) ? pot.window.endsAtEpochMs : undefined,
  };
}
