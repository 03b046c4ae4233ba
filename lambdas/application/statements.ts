/**
 * Figures for people: spent, held and left of a caller's wallets and budgets. Read off the paid path, kept for at most
 * a minute, and moved on by what this process charges meanwhile.
 */
import { callerPots } from '../domain/chains.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import type { Chain, Hold, Pot, PotKey, PotState } from '../domain/pots.ts';
import type { PotStatement, Statement } from './payments.ts';
import { type Persistence, isTransient } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { type LaneSums, lanesOfPot, sumLanes } from './recall.ts';

const MOST_KEPT = 10_000;
const NOTHING: LaneSums = { idleNanoUsd: 0n, heldNanoUsd: 0n, unflushedNanoUsd: 0n };

interface Kept {
  readonly policy: Policy;
  readonly statement: Statement;
  readonly pots: ReadonlyMap<string, PotKey>;
}

export class Statements {
  private readonly kept = new Map<string, Kept>();
  private readonly reading = new Map<string, Promise<Statement | undefined>>();
  private readonly charged = new Map<PotKey, NanoUsd>();
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;

  constructor(store: LedgerStore, persistence: Persistence) {
    this.store = store;
    this.persistence = persistence;
  }

  /** @returns undefined when the store does not answer */
  async find(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Promise<Statement | undefined> {
    const name = `${group.name}\n${userId}`;
    const kept = this.kept.get(name);
    const now = this.persistence.clock.now();
    const current =
      kept !== undefined &&
      kept.policy === policy &&
      now - kept.statement.atEpochMs <= maxAgeMs &&
      !hasEnded(kept.statement, now);
    if (current) return this.movedOn(kept);
    const reading = this.reading.get(name);
    if (reading !== undefined) return reading;
    const started = this.read(policy, group, userId, name).finally(() => this.reading.delete(name));
    this.reading.set(name, started);
    return started;
  }

  /** A charge of this process moves kept figures on until they are read again. */
  noteCharge(chain: Pick<Chain, 'wallet' | 'limits'>, hold: Hold, chargeNanoUsd: NanoUsd): void {
    for (const key of [chain.wallet.key, ...chain.limits.map((pot) => pot.key), ...hold.direct]) {
      const before = this.charged.get(key);
      if (before !== undefined) this.charged.set(key, before + chargeNanoUsd);
    }
  }

  private async read(policy: Policy, group: ConsumerGroup, userId: string, name: string): Promise<Statement | undefined> {
    const now = this.persistence.clock.now();
    const { wallets, budgets } = callerPots(policy, group, userId, now);
    const pots = [...wallets, ...budgets];
    try {
      const states = await this.store.readPots(
        pots.map((pot) => pot.key),
        { consistent: true },
      );
      const views = await Promise.all(pots.map((pot) => this.view(pot, states.get(pot.key), group.name)));
      const statement: Statement = {
        wallets: views.slice(0, wallets.length),
        budgets: views.slice(wallets.length),
        atEpochMs: now,
      };
      this.keep(name, { policy, statement, pots: new Map(pots.map((pot) => [pot.scope, pot.key])) });
      return statement;
    } catch (error) {
      if (isTransient(error)) return undefined;
      throw error;
    }
  }

  private keep(name: string, kept: Kept): void {
    if (this.kept.size >= MOST_KEPT) {
      this.kept.clear();
      this.charged.clear();
    }
    this.kept.set(name, kept);
    for (const key of kept.pots.values()) this.charged.set(key, 0n);
  }

  private async view(pot: Pot, state: PotState | undefined, groupId: string): Promise<PotStatement> {
    return viewOf(pot, state, await this.sums(pot, state, groupId));
  }

  private async sums(pot: Pot, state: PotState | undefined, groupId: string): Promise<LaneSums> {
    if (state === undefined) return NOTHING;
    if (pot.owner === 'user') return { ...NOTHING, heldNanoUsd: state.committedNanoUsd - state.settledNanoUsd };
    const walletId = pot.scope.slice(pot.scope.indexOf('/') + 1);
    return sumLanes(await lanesOfPot(this.store, pot, { walletId, groupId, providerId: walletId }));
  }

  private movedOn({ statement, pots }: Kept): Statement {
    const move = (view: PotStatement): PotStatement => {
      const key = pots.get(view.scope);
      const charged = key === undefined ? 0n : (this.charged.get(key) ?? 0n);
      return charged === 0n
        ? view
        : { ...view, spentNanoUsd: view.spentNanoUsd + charged, leftNanoUsd: view.leftNanoUsd - charged };
    };
    return { ...statement, wallets: statement.wallets.map(move), budgets: statement.budgets.map(move) };
  }
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
    heldNanoUsd: sums.heldNanoUsd,
    leftNanoUsd: usableNanoUsd - spentNanoUsd - sums.heldNanoUsd,
    hard: pot.enforced,
    resetsAtEpochMs: Number.isFinite(pot.window.endsAtEpochMs) ? pot.window.endsAtEpochMs : undefined,
  };
}

function hasEnded(statement: Statement, now: number): boolean {
  return statement.budgets.some((view) => view.resetsAtEpochMs !== undefined && view.resetsAtEpochMs <= now);
}
