/**
 * How much a lane draws from its pots at a time. Chunks grow from what the call needs, as fast as the lane is used, and further where
 * the pots of the chain would otherwise be asked too often: each draw is a transaction on the same few items.
 */
import { type NanoUsd, maxOf, minOf } from '../domain/money.ts';
import type { Chain, LaneId, LaneState } from '../domain/pots.ts';
import { BUSY_LANES, type LaneBook } from './lane-book.ts';
import type { Clock } from './ports.ts';

const QUICK_REFILL_MS = 60_000;
const SLOW_REFILL_MS = 300_000;
const MOST_ESTIMATES_A_CHUNK = 50n;
/** How often the lanes of a chain may ask its pots together, a second. One pot takes about 20 transactions a second in comfort. */
export const GRANTS_A_SECOND = 8;
/** A chunk grows eightfold at most. */
const MOST_GROWTH = 8n;
/** A lane that is granted less than this many calls at a time gains nothing from being filled ahead. */
export const LEAST_ESTIMATES_AHEAD = 8n;

interface Chunk {
  readonly amountNanoUsd: NanoUsd;
  readonly atEpochMs: number;
}

/** What a grant is for. */
export interface Draw {
  readonly chain: Chain;
  readonly laneId: LaneId;
  /** The lane as last seen; undefined when there was none. */
  readonly lane: LaneState | undefined;
  readonly needNanoUsd: NanoUsd;
  readonly estimateNanoUsd: NanoUsd;
  /** Of the tightest pot; undefined without a hard limit. */
  readonly roomNanoUsd: NanoUsd | undefined;
  /** The grant met another transaction. */
  readonly contended: boolean;
}

export class Chunks {
  /** Chunk of the last grant by line and lane number: what the next window's first grant starts from. */
  private readonly last = new Map<string, Chunk>();
  private readonly book: LaneBook;
  private readonly clock: Clock;

  constructor(book: LaneBook, clock: Clock) {
    this.book = book;
    this.clock = clock;
  }

  /** How much to draw: at least what is needed. */
  of({ chain, laneId, lane, needNanoUsd, estimateNanoUsd, roomNanoUsd, contended }: Draw): NanoUsd {
    const now = this.clock.now();
    const lanes = this.book.countOf(chain.hash);
    const inherited = lane?.lastGrantNanoUsd === undefined ? this.inherited(chain, laneId, lanes, now) : undefined;
    if (inherited !== undefined) return maxOf(needNanoUsd, withinShare(inherited, roomNanoUsd, lanes));
    const askers = lanes < BUSY_LANES ? lanes : this.book.askersOf(chain.hash, now);
    return chunkNanoUsd({ needNanoUsd, estimateNanoUsd, roomNanoUsd, lane, lanes, askers, contended }, now);
  }

  remember(chain: Chain, laneId: LaneId, amountNanoUsd: NanoUsd): void {
    if (amountNanoUsd === 0n) return;
    if (this.last.size >= 10_000) this.last.clear();
    this.last.set(`${chain.line}#${laneId.n}`, { amountNanoUsd, atEpochMs: this.clock.now() });
  }

  /**
   * A lane without a grant of its own starts where the same lane of the last window stood, and in a busy chain where its
   * sisters stand, and not from the bottom.
   */
  private inherited(chain: Chain, laneId: LaneId, lanes: number, now: number): NanoUsd | undefined {
    const before = this.last.get(`${chain.line}#${laneId.n}`);
    if (before !== undefined && now - before.atEpochMs < SLOW_REFILL_MS) return before.amountNanoUsd;
    return lanes >= BUSY_LANES ? this.book.lastGrantOf(chain.hash) : undefined;
  }
}

/**
 * What one lane may take at most, so that the lanes of a chain never have all of a pot at once: a quarter of the room shared by
 * them. In a busy chain the whole room shared by them: its calls find the money in whatever lane it lies, and a pot that is asked
 * for crumbs by hundreds of lanes answers none of them.
 */
export function withinShare(amount: NanoUsd, room: NanoUsd | undefined, lanes: number): NanoUsd {
  if (room === undefined) return amount;
  return minOf(amount, room / (lanes < BUSY_LANES ? 4n * BigInt(Math.max(1, lanes)) : BigInt(lanes)));
}

/** What a chunk follows from. */
export interface ChunkTerms extends Omit<Draw, 'chain' | 'laneId' | 'lane'> {
  readonly lane: Pick<LaneState, 'lastGrantNanoUsd' | 'lastGrantEpochMs'> | undefined;
  /** How many the chain has. */
  readonly lanes: number;
  /** How many lanes ask its pots, those of other chains too. */
  readonly askers: number;
}

/**
 * What is needed, or a chunk that doubles when the last one lasted less than a minute, at most 50 estimates, within a share of
 * the room. A busy chain's lane takes what it uses until all lanes that ask its pots have had their turn, and whoever meets
 * another transaction nevertheless takes twice as much: somebody asks them whom this process does not know.
 */
export function chunkNanoUsd(terms: ChunkTerms, nowEpochMs: number): NanoUsd {
  const { needNanoUsd: need, estimateNanoUsd: estimate, roomNanoUsd: room, lane, lanes, askers, contended } = terms;
  const last = lane?.lastGrantNanoUsd;
  if (lane === undefined || last === undefined) return need;
  const sinceMs = Math.max(0, nowEpochMs - (lane.lastGrantEpochMs ?? nowEpochMs));
  const most = MOST_ESTIMATES_A_CHUNK * estimate;
  const chunk = sinceMs < QUICK_REFILL_MS ? last * 2n : sinceMs > SLOW_REFILL_MS ? last / 2n : last;
  const wanted = lanes < BUSY_LANES ? minOf(chunk, most) : busyChunk(last, minOf(chunk, most), sinceMs, askers, contended);
  return maxOf(need, withinShare(wanted, room, lanes));
}

function busyChunk(last: NanoUsd, usual: NanoUsd, sinceMs: number, askers: number, contended: boolean): NanoUsd {
  const turnMs = Math.ceil((askers * 1_000) / GRANTS_A_SECOND);
  if (sinceMs < turnMs) return maxOf(usual, minOf(last * MOST_GROWTH, (last * BigInt(turnMs)) / BigInt(sinceMs + 1)));
  if (sinceMs > Math.max(SLOW_REFILL_MS, 2 * turnMs)) return maxOf(usual, last / 2n);
  return maxOf(usual, contended ? last * 2n : last);
}
