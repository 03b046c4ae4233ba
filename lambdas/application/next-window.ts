/**
 * Midnight without a rush: in the last minute of a window the next window's lanes are filled for the busy lanes in use. Each lane has
 * its own moment, the same for all processes: spread over them by chance, the first of many would all come at once.
 */
import type { NanoUsd } from '../domain/money.ts';
import type { Chain, LaneState } from '../domain/pots.ts';
import { GRANTS_A_SECOND, LEAST_ESTIMATES_AHEAD } from './chunks.ts';
import type { Grants } from './grants.ts';
import type { LaneBook } from './lane-book.ts';
import { type Persistence, isTransient } from './persistence.ts';

const AHEAD_MS = 60_000;
const MOST_KNOWN = 10_000;
/** Multiples of it, modulo 1, spread any number of lanes evenly. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

export class NextWindow {
  /** Lanes that had their turn. */
  private readonly done = new Set<string>();
  private readonly grants: Grants;
  private readonly persistence: Persistence;
  private readonly book: LaneBook;

  constructor(grants: Grants, persistence: Persistence, book: LaneBook) {
    this.grants = grants;
    this.persistence = persistence;
    this.book = book;
  }

  /**
   * Call it with every lane that was just used.
   * @param chainAt the same request's chain at another instant
   */
  async prepare(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd, chainAt: (epochMs: number) => Chain): Promise<void> {
    const endsAtEpochMs = Math.min(...[chain.wallet, ...chain.limits].map((pot) => pot.window.endsAtEpochMs));
    const now = this.persistence.clock.now();
    if (now >= endsAtEpochMs) return;
    // Many lanes take longer, so that the pots are not asked more often than for refills.
    const aheadMs = Math.max(AHEAD_MS, (this.book.countOf(chain.hash) * 1_000) / GRANTS_A_SECOND);
    if (now < endsAtEpochMs - aheadMs * momentOf(lane)) return;
    if ((lane.lastGrantNanoUsd ?? 0n) < LEAST_ESTIMATES_AHEAD * estimateNanoUsd) return;
    const name = `${chain.hash}#${lane.id.n}`;
    if (this.done.has(name)) return;
    if (this.done.size >= MOST_KNOWN) this.done.clear();
    this.done.add(name);
    const next = chainAt(endsAtEpochMs);
    // The next window has as many lanes, and whoever knows it need not find out.
    this.book.learnCount(next.hash, this.book.countOf(chain.hash));
    try {
      await this.grants.grantAhead(next, lane, estimateNanoUsd);
    } catch (error) {
      // Somebody was in the way: the lane's next call tries again.
      if (isTransient(error)) this.done.delete(name);
      throw error;
    }
  }
}

/** Where in the last minute a lane's moment is, in (0, 1]: 1 is its beginning. */
function momentOf({ id }: LaneState): number {
  let offset = 0;
  for (let at = 0; at < id.chainHash.length; at += 1) offset = (offset * 31 + id.chainHash.charCodeAt(at)) % 1_009;
  return 1 - ((offset / 1_009 + id.n * GOLDEN) % 1);
}
