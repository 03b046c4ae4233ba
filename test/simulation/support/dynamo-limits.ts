/**
 * What DynamoDB's limits make of the ledger's operations, in virtual time: a transaction holds its items for a while and whoever
 * meets it is refused; partitions, indexes and the table have so many units a second. Beneath it is the in-memory
 * store, so an operation that gets through does exactly what it does everywhere else.
 *
 * Sources, read 2026-11-24:
 * - a write on an item of a running transaction is rejected, the later of two transactions is cancelled: Amazon DynamoDB Developer
 *   Guide, "Amazon DynamoDB Transactions: How it works", section "Transaction conflict handling in DynamoDB" (transaction-apis.html)
 * - 1,000 write and 3,000 read units a second of one partition, of an index too: "Understanding DynamoDB warm throughput in
 *   different scenarios" (warm-throughput-scenarios.html)
 * - 4,000 write and 12,000 read units a second of a new on-demand table: the same page; 40,000 of each by the default
 *   quota of one table: "Quotas in Amazon DynamoDB" (ServiceQuotas.html)
 * - 15.7 ms a transaction: calculated, docs/decisions/0001. Nobody publishes it
 * - single calls: an assumption, see `callMs`; the Developer Guide promises single-digit milliseconds
 */
import type { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import { type LedgerStore, NotAppliedError } from '../../../lambdas/application/ports.ts';
import type { Dice } from './dice.ts';
import type { Engine } from './engine.ts';
import { type Items, itemsOf } from './items.ts';
import { type Touch, touchOf } from './touches.ts';

/** Limits of the modelled database. */
export interface DynamoLimits {
  /** How long a transaction keeps others from its items, ms. */
  readonly transactionMs: number;
  /** Units a second of one partition key, of the table or of an index. */
  readonly partition: { readonly writes: number; readonly reads: number };
  /** Units a second of the whole table. */
  readonly table: { readonly writes: number; readonly reads: number };
}

const PARTITION = { writes: 1_000, reads: 3_000 };
/** An on-demand table on its first day. */
export const NEW_TABLE: DynamoLimits = { transactionMs: 15.7, partition: PARTITION, table: { writes: 4_000, reads: 12_000 } };
/** The same table with warm throughput set to the default quota of a table. */
export const WARM_TABLE: DynamoLimits = { ...NEW_TABLE, table: { writes: 40_000, reads: 40_000 } };

/** Of a single call, there and back: lognormal, median 4.5 ms, 99th percentile 12.8 ms. */
const MEDIAN_MS = 4.5;
const SPREAD = 0.45;

/** Units and refusals since the last reset. */
export interface DynamoCounts {
  writes: number;
  indexWrites: number;
  reads: number;
  transactions: number;
  /** Transactions that met another one. */
  cancelled: number;
  /** Single writes that met a transaction. */
  rejected: number;
  throttled: number;
  operations: number;
}

const NOTHING: DynamoCounts = {
  writes: 0,
  indexWrites: 0,
  reads: 0,
  transactions: 0,
  cancelled: 0,
  rejected: 0,
  throttled: 0,
  operations: 0,
};

/** So many units a second, with one second's worth in store: DynamoDB's longer bursts are not promised, so they are not modelled. */
class Bucket {
  private level: number;
  private at: number;
  private readonly perSecond: number;

  constructor(perSecond: number, nowMs: number) {
    this.perSecond = perSecond;
    this.level = perSecond;
    this.at = nowMs;
  }

  has(units: number, nowMs: number): boolean {
    this.level = Math.min(this.perSecond, this.level + ((nowMs - this.at) / 1_000) * this.perSecond);
    this.at = nowMs;
    return this.level >= units;
  }

  take(units: number): void {
    this.level -= units;
  }
}

export class DynamoStore {
  readonly truth: MemoryLedgerStore;
  readonly items: Items;
  counts: DynamoCounts = { ...NOTHING };
  /** Successful and cancelled transactions on each pot, by whole second since the last reset. */
  readonly potSeconds = new Map<string, number[]>();
  /** Calls by name since the last reset. */
  readonly byOperation = new Map<string, number>();
  private readonly engine: Engine;
  private readonly dice: Dice;
  private readonly limits: DynamoLimits;
  /** Until when a transaction holds an item, epoch ms. */
  private readonly held = new Map<string, number>();
  private readonly buckets = new Map<string, Bucket>();
  private resetAt: number;

  constructor(truth: MemoryLedgerStore, engine: Engine, dice: Dice, limits: DynamoLimits) {
    this.truth = truth;
    this.items = itemsOf(truth);
    this.engine = engine;
    this.dice = dice;
    this.limits = limits;
    this.resetAt = engine.now;
  }

  /** Begins to count anew. */
  reset(): void {
    this.counts = { ...NOTHING };
    this.potSeconds.clear();
    this.byOperation.clear();
    this.resetAt = this.engine.now;
  }

  /** The store as a process reaches it. */
  client(): LedgerStore {
    const methods = new Map<string, unknown>();
    const { truth } = this;
    return new Proxy<LedgerStore>(truth, {
      get: (_target, name) => {
        if (typeof name !== 'string') return undefined;
        const known = methods.get(name);
        if (known !== undefined) return known;
        const method: unknown = Reflect.get(truth, name);
        if (typeof method !== 'function') return undefined;
        const carryOut = (args: readonly unknown[]): Promise<unknown> => Reflect.apply(method, truth, args);
        const made =
          name === 'openLanes'
            ? () => this.openLanes()
            : (...args: readonly unknown[]) => this.call(name, args, () => carryOut(args));
        methods.set(name, made);
        return made;
      },
    });
  }

  private async *openLanes(): AsyncIterable<readonly unknown[]> {
    const page = await this.call('openLanes', [], async () => [...this.items.lanes.values()].map((lane) => lane.id));
    if (page.length > 0) yield page;
  }

  private call<T>(operation: string, args: readonly unknown[], carryOut: () => Promise<T>): Promise<T> {
    const outwardMs = this.callMs() / 2;
    const backMs = this.callMs() / 2;
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => this.engine.after(backMs, () => reject(new NotAppliedError(`${operation}: ${why}`)));
      const answer = (): void => {
        carryOut().then(
          (value) => this.engine.after(backMs, () => resolve(value)),
          (error: unknown) => this.engine.after(backMs, () => reject(error instanceof Error ? error : new Error(String(error)))),
        );
      };
      this.engine.after(outwardMs, () => {
        const touch = touchOf(operation, args, this.items);
        if (!this.admits(touch)) {
          this.counts.throttled += 1;
          refuse('throttled');
          return;
        }
        this.pay(operation, touch);
        const meets = touch.writes.some(({ item }) => (this.held.get(item) ?? 0) > this.engine.now);
        if (touch.transaction) this.notePots(touch);
        if (meets) {
          if (touch.transaction) this.counts.cancelled += 1;
          else this.counts.rejected += 1;
          refuse('another transaction is on an item of it');
        } else if (touch.transaction) {
          this.counts.transactions += 1;
          const until = this.engine.now + this.limits.transactionMs;
          for (const { item } of touch.writes) this.held.set(item, until);
          // Until it is through, everybody reads what was before.
          this.engine.after(this.limits.transactionMs, answer);
        } else answer();
      });
    });
  }

  /** Whether every partition, index and the table have the units. */
  private admits(touch: Touch): boolean {
    const { partition, table } = this.limits;
    const wanted = new Map<string, { units: number; limit: number }>();
    const want = (name: string, units: number, limit: number): void => {
      if (units > 0) wanted.set(name, { units: (wanted.get(name)?.units ?? 0) + units, limit });
    };
    for (const { partition: name, units, index } of touch.writes) {
      want(`w ${name}`, units, partition.writes);
      want('w table', units, table.writes);
      for (const key of index) want(`w ${key}`, 1, partition.writes);
    }
    for (const { partition: name, units } of touch.reads) {
      want(`r ${name}`, units, partition.reads);
      want('r table', units, table.reads);
    }
    const { now } = this.engine;
    const buckets = [...wanted].map(([name, { units, limit }]) => {
      let bucket = this.buckets.get(name);
      if (bucket === undefined) {
        bucket = new Bucket(limit, now);
        this.buckets.set(name, bucket);
      }
      return { bucket, units };
    });
    if (!buckets.every(({ bucket, units }) => bucket.has(units, now))) return false;
    for (const { bucket, units } of buckets) bucket.take(units);
    return true;
  }

  private pay(operation: string, touch: Touch): void {
    this.counts.operations += 1;
    this.byOperation.set(operation, (this.byOperation.get(operation) ?? 0) + 1);
    for (const { units, index } of touch.writes) {
      this.counts.writes += units;
      this.counts.indexWrites += index.length;
    }
    for (const { units } of touch.reads) this.counts.reads += units;
  }

  private notePots(touch: Touch): void {
    const second = Math.floor((this.engine.now - this.resetAt) / 1_000);
    for (const { item } of touch.writes) {
      if (!item.startsWith('POT#')) continue;
      const seconds = this.potSeconds.get(item) ?? [];
      seconds[second] = (seconds[second] ?? 0) + 1;
      this.potSeconds.set(item, seconds);
    }
  }

  private callMs(): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.dice.fraction())) * Math.cos(2 * Math.PI * this.dice.fraction());
    return MEDIAN_MS * Math.exp(SPREAD * normal);
  }
}
