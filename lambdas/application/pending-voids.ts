/**
 * Declares holds void that nobody was given: their reserve was never answered and nothing was sent for them. What the
 * store will not take now is kept here and tried again, so that a caller does not pay for an outage of the ledger.
 */
import { type Entry, holdExpiryEpochSeconds } from '../domain/entries.ts';
import type { Chain, Hold, LaneId } from '../domain/pots.ts';
import type { Reporter } from './alert-desk.ts';
import { type Patience, type Persistence, isTransient } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { type LateTerms, settleWithEntry } from './settlement.ts';

/** Tries of a void while its call waits. */
const TRIES_AT_ONCE = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** After its expiry the keeper has charged the hold, and the void gives the charge back: an outage may be that long. */
const KEPT_AFTER_EXPIRY_MS = 600_000;
/** A process that could write none of so many keeps no more of them. */
const MOST_PENDING = 1_000;

interface Pending {
  readonly entry: Entry;
  readonly terms: LateTerms;
}

export class PendingVoids {
  private readonly pending = new Map<string, Pending>();
  private trying: Promise<void> | undefined;
  private running = false;
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;
  private readonly reporter: Reporter;

  constructor(store: LedgerStore, persistence: Persistence, reporter: Reporter) {
    this.store = store;
    this.persistence = persistence;
    this.reporter = reporter;
  }

  get isEmpty(): boolean {
    return this.pending.size === 0;
  }

  /**
   * Declares a hold void: now, or when the store answers again.
   * @param patience how long the call waits for it
   * @returns whether it is done; otherwise the hold costs its bound for as long as nothing comes of it
   */
  async declare(chain: Chain, lane: LaneId, hid: string, hold: Hold, patience: Patience): Promise<boolean> {
    const { clock } = this.persistence;
    const { wallet, limits, direct, walletId, groupId, providerId } = chain;
    const entry: Entry = {
      hid,
      status: 'VOID',
      chargeNanoUsd: 0n,
      lossNanoUsd: 0n,
      estimateNanoUsd: hold.estimateNanoUsd,
      lane,
      chain: [wallet.key, ...limits.map((pot) => pot.key)],
      direct: hold.direct,
      atEpochMs: clock.now(),
      detail: { outcome: 'void', group: groupId, provider: providerId },
    };
    const one = { entry, terms: { chain: [wallet, ...limits], direct, walletId, groupId, providerId } };
    const isLate = clock.now() >= patience.silentUntilEpochMs;
    if (!isLate && (await this.tryOne(one, { tries: TRIES_AT_ONCE, ...patience }))) return true;
    if (this.pending.size >= MOST_PENDING) this.reporter.error('a hold that paid for nothing is left to the policy', { hid });
    else this.pending.set(hid, one);
    void this.keepTrying();
    return false;
  }

  /** Tries each once, and stops at the first that the store does not take. Joined by whoever asks meanwhile. */
  retry(): Promise<void> {
    this.trying ??= this.tryEach().finally(() => {
      this.trying = undefined;
    });
    return this.trying;
  }

  private async tryEach(): Promise<void> {
    for (const [hid, one] of this.pending) {
      if (await this.tryOne(one, { tries: 1 })) this.pending.delete(hid);
      else if (this.persistence.clock.now() < holdExpiryEpochSeconds(hid) * 1_000 + KEPT_AFTER_EXPIRY_MS) return;
      else {
        this.pending.delete(hid);
        this.reporter.error('a hold that paid for nothing is left to the policy', { hid });
      }
    }
  }

  /** Runs while something is pending. A Lambda is frozen meanwhile, so the next call tries as well. */
  private async keepTrying(): Promise<void> {
    if (this.running) return;
    this.running = true;
    const { clock, random } = this.persistence;
    for (let pauseMs = FIRST_PAUSE_MS; !this.isEmpty; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      await clock.sleep(Math.ceil((pauseMs * (1 + random.fraction())) / 2));
      await this.retry();
    }
    this.running = false;
  }

  /** The keeper may have decided the hold meanwhile: then what it charged is given back. */
  private async tryOne({ entry, terms }: Pending, bounds: Pick<Persistence, 'tries' | keyof Patience>): Promise<boolean> {
    try {
      await settleWithEntry(this.store, { ...this.persistence, ...bounds }, entry, terms);
      return true;
    } catch (error) {
      if (!isTransient(error))
        this.reporter.error('a void could not be written', {
          hid: entry.hid,
          reason: error instanceof Error ? error.name : 'unknown',
        });
      return false;
    }
  }
}
