/**
 * What is known of pots that had nothing to give: a look through the lanes of a pot is believed for a second, by the
 * process that took it and, through a mark on the pot, by all others, while the pot's own figures say that nothing moved.
 */
import type { NanoUsd } from '../domain/money.ts';
import { type Chain, type DryMark, type Pot, type PotKey, type PotState, escrowNanoUsd, roomNanoUsd } from '../domain/pots.ts';
import { type Persistence, isTransient } from './persistence.ts';
import type { LedgerStore } from './ports.ts';
import { type LaneSums, lanesOfPot, sumLanes } from './recall.ts';

/** How long a look is believed. */
export const DRY_MS = 1_000;
/**
 * Without holds nothing in the lanes can become free that the pot's figures do not tell, so these alone renew a look. Not
 * for ever: figures can come back to what they were.
 */
const RENEWED_BY_FIGURES_MS = 60_000;
const MOST_KNOWN = 1_000;

interface Known {
  readonly mark: DryMark;
  /** What the pot itself had left. */
  readonly roomNanoUsd: NanoUsd;
  readonly lookedAtEpochMs: number;
}

export class DryPots {
  private readonly known = new Map<PotKey, Known>();
  private readonly renewing = new Map<PotKey, Promise<Known | undefined>>();
  /** Marks made until then are not believed: of one pot, and of all. */
  private readonly distrusted = new Map<PotKey, number>();
  private allDistrusted = Number.NEGATIVE_INFINITY;
  private readonly store: LedgerStore;
  private readonly persistence: Persistence;

  constructor(store: LedgerStore, persistence: Persistence) {
    this.store = store;
    this.persistence = persistence;
  }

  /**
   * What a look that is still true has found, when it leaves less than `neededNanoUsd`.
   * @param state the pot as just read
   */
  find(pot: Pot, state: PotState | undefined, neededNanoUsd: NanoUsd): LaneSums | undefined {
    const now = this.persistence.clock.now();
    const roomNow = roomNanoUsd(pot, state) ?? 0n;
    const mark = [this.known.get(pot.key)?.mark, state?.dry].find(
      (candidate) =>
        candidate !== undefined &&
        neededNanoUsd > roomNow + candidate.idleNanoUsd &&
        this.isYoung(pot.key, candidate, now) &&
        isUnmoved(candidate, state),
    );
    if (mark !== undefined && !this.known.has(pot.key)) this.know(pot.key, { mark, roomNanoUsd: roomNow, lookedAtEpochMs: now });
    return mark;
  }

  /**
   * Remembers a look that is still true, and tells it to other processes. Best effort: without the mark each of them
   * looks once a second for itself.
   * @param settledNanoUsd of the pot before the look
   * @param state the pot after it
   */
  async note(
    pot: Pot,
    sums: LaneSums,
    settledNanoUsd: NanoUsd,
    lookedAtEpochMs: number,
    state: PotState | undefined,
  ): Promise<void> {
    const mark = markOf(sums, settledNanoUsd, lookedAtEpochMs);
    // Money moved while the lanes were read: what they add up to says nothing.
    if (!isUnmoved(mark, state)) return;
    this.know(pot.key, { mark, roomNanoUsd: roomNanoUsd(pot, state) ?? 0n, lookedAtEpochMs });
    if (state === undefined || !this.isYoung(pot.key, mark, lookedAtEpochMs)) return;
    try {
      await this.store.markDry(pot.key, mark);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }

  /**
   * Whether a wallet is known to have less than that: by a look of the last second, or by one that the wallet's figures,
   * read again at most once a second, still bear out. False: nobody knows, so ask it.
   */
  async cannotPay(chain: Chain, boundNanoUsd: NanoUsd): Promise<boolean> {
    const { wallet } = chain;
    let known = this.known.get(wallet.key);
    if (known === undefined || !wallet.enforced) return false;
    if (known.mark.untilEpochMs <= this.persistence.clock.now()) {
      const renewing = this.renewing.get(wallet.key) ?? this.renew(chain, known).finally(() => this.renewing.delete(wallet.key));
      this.renewing.set(wallet.key, renewing);
      known = await renewing;
    }
    return known !== undefined && boundNanoUsd > known.roomNanoUsd + known.mark.idleNanoUsd;
  }

  /** A settlement of this process may have made room, and turned held money into spent: earlier looks tell neither. */
  forget(pots: readonly Pot[]): void {
    if (this.distrusted.size + pots.length > MOST_KNOWN) {
      this.distrusted.clear();
      this.forgetAll();
    }
    for (const { key } of pots) {
      this.known.delete(key);
      this.distrusted.set(key, this.persistence.clock.now());
    }
  }

  forgetAll(): void {
    this.known.clear();
    this.allDistrusted = this.persistence.clock.now();
  }

  /** Looks at the figures again, and into the lanes where those alone do not say it. Undefined: the earlier look is over. */
  private async renew(chain: Chain, known: Known): Promise<Known | undefined> {
    const { wallet } = chain;
    const now = this.persistence.clock.now();
    try {
      const state = (await this.store.readPots([wallet.key], { consistent: true })).get(wallet.key);
      let { mark, lookedAtEpochMs } = known;
      if (mark.heldNanoUsd > 0n || now - lookedAtEpochMs > RENEWED_BY_FIGURES_MS || !isUnmoved(mark, state)) {
        mark = markOf(sumLanes(await lanesOfPot(this.store, wallet, chain)), state?.settledNanoUsd ?? 0n, now);
        lookedAtEpochMs = now;
      }
      // What was settled here meanwhile, or does not add up, is for a call to find out.
      if (this.known.get(wallet.key) !== known || !isUnmoved(mark, state)) return this.drop(wallet.key, known);
      const untilEpochMs = now + DRY_MS;
      const renewed = { mark: { ...mark, untilEpochMs }, roomNanoUsd: roomNanoUsd(wallet, state) ?? 0n, lookedAtEpochMs };
      this.known.set(wallet.key, renewed);
      return renewed;
    } catch (error) {
      if (!isTransient(error)) throw error;
      return this.drop(wallet.key, known);
    }
  }

  private drop(key: PotKey, known: Known): undefined {
    if (this.known.get(key) === known) this.known.delete(key);
    return undefined;
  }

  private know(key: PotKey, known: Known): void {
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(key, known);
  }

  private isYoung(key: PotKey, mark: DryMark, now: number): boolean {
    const markedAtEpochMs = mark.untilEpochMs - DRY_MS;
    const distrusted = Math.max(this.allDistrusted, this.distrusted.get(key) ?? Number.NEGATIVE_INFINITY);
    // A mark from the future is from another clock: nobody knows how old it is.
    return mark.untilEpochMs > now && markedAtEpochMs <= now && markedAtEpochMs > distrusted;
  }
}

function markOf(sums: LaneSums, settledNanoUsd: NanoUsd, nowEpochMs: number): DryMark {
  const { idleNanoUsd, heldNanoUsd, unflushedNanoUsd } = sums;
  return { untilEpochMs: nowEpochMs + DRY_MS, idleNanoUsd, heldNanoUsd, unflushedNanoUsd, settledNanoUsd };
}

/** Once the pot tells of a flush since, or that its lanes have another sum, the mark is out of date. */
function isUnmoved(mark: DryMark, state: PotState | undefined): boolean {
  const sum = mark.idleNanoUsd + mark.heldNanoUsd + mark.unflushedNanoUsd;
  return mark.settledNanoUsd === (state?.settledNanoUsd ?? 0n) && sum === escrowNanoUsd(state);
}
