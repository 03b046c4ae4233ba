/**
 * Where nothing fails, a refusal must be right: at no moment of the call was there room for it, and it says
 * `funds_reserved` exactly when only holds in flight stood in the way. While other calls are under way, money on its way
 * between a pot and a lane counts as used: two calls may each take what the other one would have needed. And a refusal may
 * rest on what a recall found up to a second ago (the pot's dry mark). A further wallet pays only when there was such a moment
 * for each one before it.
 */
import type { MoneyRefusal } from '../../../lambdas/domain/refusals.ts';
import { type PotKey, heldNanoUsd } from '../../../lambdas/domain/pots.ts';
import type { Items } from './items.ts';

interface Use {
  readonly spent: bigint;
  /** Spent or held. */
  readonly used: bigint;
  /** Used, or idle in a lane. */
  readonly taken: bigint;
  /** Of a wallet. */
  readonly funded: bigint;
}

/** A call under way, with the most that was used of each pot since it began. */
export interface Watched {
  readonly before: ReadonlyMap<PotKey, Use>;
  readonly most: Map<PotKey, bigint>;
  readonly mostTaken: Map<PotKey, bigint>;
  /** The least that a wallet had beside what was used, and taken. */
  readonly leastFree: Map<PotKey, bigint>;
  readonly leastUntaken: Map<PotKey, bigint>;
  crowded: boolean;
  /** Something was moved or flushed since it began. */
  disturbed: boolean;
}

/** How long a pot's dry mark stands, and a little for the way there. */
const MARK_MS = 1_100;

export class Exactness {
  private readonly watched = new Set<Watched>();
  /** What was used in the last second, oldest first. */
  private history: { readonly atEpochMs: number; readonly uses: ReadonlyMap<PotKey, Use> }[] = [];
  private readonly items: () => Items;
  private readonly now: () => number;

  constructor(items: () => Items, now: () => number) {
    this.items = items;
    this.now = now;
  }

  begin(): Watched {
    this.forget();
    const call: Watched = {
      before: this.history[0]?.uses ?? new Map(),
      most: new Map(),
      mostTaken: new Map(),
      leastFree: new Map(),
      leastUntaken: new Map(),
      crowded: this.watched.size > 0,
      disturbed: false,
    };
    for (const { uses } of this.history) raise(call, uses);
    raise(call, this.uses());
    for (const other of this.watched) other.crowded = true;
    this.watched.add(call);
    return call;
  }

  end(call: Watched): void {
    this.watched.delete(call);
  }

  /** After the store carried something out. */
  moved(operation: string): void {
    const uses = this.uses();
    this.forget();
    this.history.push({ atEpochMs: this.now(), uses });
    for (const call of this.watched) {
      raise(call, uses);
      call.disturbed ||= operation === 'flush' || operation === 'grant';
    }
  }

  /** Keeps one state from before the last second: it stood until the next. */
  private forget(): void {
    const since = this.now() - MARK_MS;
    const first = this.history.findLastIndex(({ atEpochMs }) => atEpochMs <= since);
    if (first > 0) this.history = this.history.slice(first);
  }

  /** @returns what is wrong with a refusal; undefined when it is right */
  flaw(call: Watched, refusal: MoneyRefusal): string | undefined {
    const { limitedBy, limitNanoUsd, requestedNanoUsd: bound, code } = refusal;
    const now = this.uses();
    const key = [...now.keys()].find((candidate) => candidate.startsWith(`${limitedBy}#`));
    if (key === undefined) return bound <= limitNanoUsd ? `refused by ${limitedBy}, which nobody ever used` : undefined;
    const most = (call.crowded ? call.mostTaken : call.most).get(key) ?? 0n;
    if (most + bound <= limitNanoUsd) return `refused ${bound} by ${key}, of which at most ${most} of ${limitNanoUsd} was in use`;
    // Pots and lanes are read one after the other: a flush between them can make the code wrong, never the refusal.
    if (call.crowded || call.disturbed) return undefined;
    const fitsAtFirst = (call.before.get(key)?.spent ?? 0n) + bound <= limitNanoUsd;
    const fitsNow = (now.get(key)?.spent ?? 0n) + bound <= limitNanoUsd;
    if (code === 'funds_reserved' && !fitsAtFirst) return `${bound} never fits ${key} again, and the refusal said funds_reserved`;
    if (code !== 'funds_reserved' && fitsNow) return `${bound} fits ${key} once holds end, and the refusal said ${code}`;
    return undefined;
  }

  /** @returns what is wrong with a wallet that was passed by, since a later one paid; undefined when it could not pay */
  passedBy(call: Watched, key: PotKey, bound: bigint): string | undefined {
    const least = (call.crowded ? call.leastUntaken : call.leastFree).get(key) ?? 0n;
    return bound <= least ? `a later wallet paid ${bound}, although ${key} had at least ${least} all the while` : undefined;
  }

  private uses(): Map<PotKey, Use> {
    const { pots, lanes } = this.items();
    const uses = new Map<PotKey, Use>();
    for (const [key, { settledNanoUsd: settled, fundedNanoUsd: funded }] of pots) {
      uses.set(key, { spent: settled, used: settled, taken: settled, funded });
    }
    for (const lane of lanes.values()) {
      const held = heldNanoUsd(lane);
      for (const key of lane.chain) add(uses, key, lane.unflushedNanoUsd, held, lane.idleNanoUsd);
      for (const hold of lane.holds.values()) for (const key of hold.direct) add(uses, key, 0n, hold.estimateNanoUsd, 0n);
    }
    return uses;
  }
}

function raise(call: Watched, uses: ReadonlyMap<PotKey, Use>): void {
  for (const [key, { used, taken, funded }] of uses) {
    const free = call.leastFree.get(key);
    const untaken = call.leastUntaken.get(key);
    if (free === undefined || funded - used < free) call.leastFree.set(key, funded - used);
    if (untaken === undefined || funded - taken < untaken) call.leastUntaken.set(key, funded - taken);
    if (used > (call.most.get(key) ?? 0n)) call.most.set(key, used);
    if (taken > (call.mostTaken.get(key) ?? 0n)) call.mostTaken.set(key, taken);
  }
}

function add(uses: Map<PotKey, Use>, key: PotKey, spent: bigint, held: bigint, idle: bigint): void {
  const use = uses.get(key) ?? { spent: 0n, used: 0n, taken: 0n, funded: 0n };
  const used = spent + held;
  uses.set(key, { ...use, spent: use.spent + spent, used: use.used + used, taken: use.taken + used + idle });
}
