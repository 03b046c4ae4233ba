/**
 * Midnight without a rush: in the last minute of a window each process fills the next window's lanes for the busy lanes it
 * uses, at a random moment of its own, so that not every lane asks the new pots at once.
 */
import type { NanoUsd } from '../domain/money.ts';
import type { Chain, LaneState } from '../domain/pots.ts';
import type { Grants } from './grants.ts';
import type { Persistence } from './persistence.ts';

const AHEAD_MS = 60_000;
/** A lane that is granted less than this many calls at a time gains nothing from being filled ahead. */
const LEAST_ESTIMATES = 8n;
const MOST_KNOWN = 10_000;

export class NextWindow {
  /** When each lane's turn is; undefined once it had it. */
  private readonly turns = new Map<string, number | undefined>();
  private readonly grants: Grants;
  private readonly persistence: Persistence;

  constructor(grants: Grants, persistence: Persistence) {
    this.grants = grants;
    this.persistence = persistence;
  }

  /**
   * Call it with every lane that was just used.
   * @param chainAt the same request's chain at another instant
   */
  async prepare(chain: Chain, lane: LaneState, estimateNanoUsd: NanoUsd, chainAt: (epochMs: number) => Chain): Promise<void> {
    const { clock, random } = this.persistence;
    const endsAtEpochMs = Math.min(...[chain.wallet, ...chain.limits].map((pot) => pot.window.endsAtEpochMs));
    const now = clock.now();
    if (now >= endsAtEpochMs || endsAtEpochMs - now > AHEAD_MS) return;
    if ((lane.lastGrantNanoUsd ?? 0n) < LEAST_ESTIMATES * estimateNanoUsd) return;
    const name = `${chain.hash}#${lane.id.n}`;
    if (!this.turns.has(name)) this.schedule(name, endsAtEpochMs - Math.floor(random.fraction() * (endsAtEpochMs - now)));
    const turn = this.turns.get(name);
    if (turn === undefined || now < turn) return;
    this.turns.set(name, undefined);
    await this.grants.grantAhead(chainAt(endsAtEpochMs), lane, estimateNanoUsd);
  }

  private schedule(name: string, atEpochMs: number): void {
    if (this.turns.size >= MOST_KNOWN) this.turns.clear();
    this.turns.set(name, atEpochMs);
  }
}
