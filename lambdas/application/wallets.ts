/** Money into and out of wallets, once per id, and what is in them. */
import type { NanoUsd } from '../domain/money.ts';
import { potOfKey } from '../domain/chains.ts';
import type { Policy } from '../domain/policy.ts';
import type { Pot } from '../domain/pots.ts';
import type { AlertDesk } from './alert-desk.ts';
import type { PotStatement } from './payments.ts';
import { type Persistence, persist } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { lanesOfPot, recall, sumLanes } from './recall.ts';
import { viewOf } from './statements.ts';

export class UnknownWalletError extends Error {
  readonly code = 'unknown_wallet';
  constructor(walletId: string, policy: Policy) {
    const known = policy.wallets.map((wallet) => wallet.teamId).join(', ');
    super(`stage ${policy.stage} has no wallet '${walletId}'. Its wallets: ${known || 'none'}`);
    this.name = 'UnknownWalletError';
  }
}

/** The same id was used for another amount or wallet: nothing was moved. */
export class TopUpMismatchError extends Error {
  readonly code = 'top_up_mismatch';
  constructor(id: string, was: string) {
    super(`id '${id}' was used before, for ${was}. Nothing was moved; take another id`);
    this.name = 'TopUpMismatchError';
  }
}

/** Less than that is free: the rest is spent or held by calls in flight. */
export class WithdrawalTooLargeError extends Error {
  readonly code = 'withdrawal_too_large';
  readonly availableNanoUsd: NanoUsd;
  constructor(availableNanoUsd: NanoUsd, message: string) {
    super(message);
    this.name = 'WithdrawalTooLargeError';
    this.availableNanoUsd = availableNanoUsd;
  }
}

export interface WalletsDeps {
  readonly store: LedgerStore;
  readonly alerts: AlertDesk;
  readonly persistence: Persistence;
  readonly formatUsd: (amount: NanoUsd) => string;
}

export class Wallets {
  private readonly deps: WalletsDeps;

  constructor(deps: WalletsDeps) {
    this.deps = deps;
  }

  /** @throws UnknownWalletError */
  async show(policy: Policy, walletId: string): Promise<PotStatement> {
    const pot = this.potOf(policy, walletId);
    const [states, lanes] = await Promise.all([
      this.deps.store.readPots([pot.key], { consistent: true }),
      lanesOfPot(this.deps.store, pot, { walletId, groupId: '', providerId: '' }),
    ]);
    return viewOf(pot, states.get(pot.key), sumLanes(lanes));
  }

  /**
   * Adds money. The same id with the same wallet and amount is one top-up, however often it is asked for.
   * @returns whether money moved now
   * @throws UnknownWalletError, TopUpMismatchError
   */
  async fund(policy: Policy, walletId: string, amountNanoUsd: NanoUsd, id: string): Promise<boolean> {
    this.potOf(policy, walletId);
    return this.move(walletId, amountNanoUsd, id);
  }

  /**
   * Takes free money out, after calling idle escrow home.
   * @returns whether money moved now
   * @throws UnknownWalletError, TopUpMismatchError, WithdrawalTooLargeError
   */
  async withdraw(policy: Policy, walletId: string, amountNanoUsd: NanoUsd, id: string): Promise<boolean> {
    const { store, persistence, alerts } = this.deps;
    const pot = this.potOf(policy, walletId);
    const state = (await store.readPots([pot.key], { consistent: true })).get(pot.key);
    const short = amountNanoUsd - (state?.availableNanoUsd ?? 0n);
    if (short > 0n) await recall(store, persistence, pot, walletChain(pot, walletId), undefined, short);
    const moved = await this.move(walletId, -amountNanoUsd, id);
    if (moved) await alerts.check(policy, [pot]);
    return moved;
  }

  private async move(walletId: string, amountNanoUsd: NanoUsd, id: string): Promise<boolean> {
    const { store, persistence, formatUsd } = this.deps;
    let tries = 0;
    const outcome = await persist(() => {
      tries += 1;
      return store.topUp({ id, walletId, amountNanoUsd, atEpochMs: persistence.clock.now() });
    }, persistence);
    if (outcome.applied) return true;
    if (outcome.reason === 'short') {
      const free = formatUsd(outcome.availableNanoUsd);
      throw new WithdrawalTooLargeError(
        outcome.availableNanoUsd,
        `wallet ${walletId} has $${free} free; $${formatUsd(-amountNanoUsd)} was asked for`,
      );
    }
    if (outcome.amountNanoUsd !== amountNanoUsd || outcome.walletId !== walletId) {
      throw new TopUpMismatchError(id, `$${formatUsd(outcome.amountNanoUsd)} of wallet ${outcome.walletId}`);
    }
    // On a repeat whose first reply was lost, the marker is this call's own.
    return tries > 1;
  }

  private potOf(policy: Policy, walletId: string): Pot {
    const pot = potOfKey(policy, `wallet/${walletId}#life`);
    if (pot === undefined) throw new UnknownWalletError(walletId, policy);
    return pot;
  }
}

function walletChain(wallet: Pot, walletId: string) {
  return { hash: '', line: '', wallet, limits: [], direct: [], walletId, groupId: '', providerId: '', userId: '' };
}
