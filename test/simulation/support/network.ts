/**
 * The network between a process and the store. It loses, delays and repeats messages; the store answers conflicts,
 * throttles, fails, and shows eventually consistent reads as they were before. A reserve is carried out at most
 * once, however late: the ledger rests on that.
 */
import type { MemoryLedgerStore } from '../../../lambdas/adapters/memory/ledger-store.ts';
import { type LedgerStore, NotAppliedError, UnknownOutcomeError } from '../../../lambdas/application/ports.ts';
import type { LaneId, LaneState, PotKey, PotState } from '../../../lambdas/domain/pots.ts';
import type { Engine } from './engine.ts';
import { type Items, itemsOf } from './items.ts';
import type { SimulatedProcess } from './process.ts';
import type { NetworkFaults } from './profile.ts';
import { type Trace, brief } from './trace.ts';

/** When a process gives up waiting for an answer. */
const PATIENCE_MS = 1_000;

export interface NetworkCounts {
  operations: number;
  lost: number;
  repeated: number;
  /** Carried out after the caller had given up. */
  late: number;
  notApplied: number;
  stale: number;
}

type Kind = 'read' | 'write' | 'once';

/** Told what was sent, what the store carried out, and what a sender was left in doubt of. */
export interface Observer {
  sent(operation: string, args: readonly unknown[]): void;
  carriedOut(operation: string, args: readonly unknown[], outcome: unknown): void;
  unknown(operation: string, args: readonly unknown[], process: SimulatedProcess): void;
}

/** The one store, and what all processes' networks share. */
export class SimulatedStore {
  readonly truth: MemoryLedgerStore;
  readonly items: Items;
  readonly counts: NetworkCounts = { operations: 0, lost: 0, repeated: 0, late: 0, notApplied: 0, stale: 0 };
  faults: NetworkFaults;
  readonly engine: Engine;
  readonly trace: Trace;
  private readonly observer: Observer;
  /** States of a moment ago, for reads that lag behind. */
  private recent: Snapshot;
  private older: Snapshot | undefined;
  private readonly createdAt = new Map<string, number>();

  constructor(truth: MemoryLedgerStore, engine: Engine, trace: Trace, faults: NetworkFaults, observer: Observer) {
    this.truth = truth;
    this.items = itemsOf(truth);
    this.engine = engine;
    this.trace = trace;
    this.faults = faults;
    this.observer = observer;
    this.recent = { at: engine.now, pots: new Map(), lanes: new Map() };
  }

  /** The store as one process reaches it. */
  seenBy(process: SimulatedProcess): LedgerStore {
    const methods: Record<string, unknown> = {};
    const { truth } = this;
    return new Proxy<LedgerStore>(truth, {
      get: (_target, name) => {
        if (typeof name !== 'string') return undefined;
        const known = methods[name];
        if (known !== undefined) return known;
        const method: unknown = Reflect.get(truth, name);
        if (typeof method !== 'function') return undefined;
        const bound = (...args: readonly unknown[]): Promise<unknown> => Reflect.apply(method, truth, args);
        if (name === 'readPots') {
          methods[name] = (keys: readonly PotKey[], options?: { readonly consistent?: boolean }) =>
            this.send(process, name, 'read', [keys, options], async () => this.pots(process, keys, options?.consistent === true));
        } else if (name === 'readLane') {
          methods[name] = (lane: LaneId, options?: { readonly consistent?: boolean }) =>
            this.send(process, name, 'read', [lane, options], async () => this.lane(process, lane, options?.consistent === true));
        } else if (name === 'readLanes') {
          methods[name] = (lanes: readonly LaneId[]) =>
            this.send(process, name, 'read', [lanes], async () =>
              [...new Map(lanes.map((lane) => [laneName(lane), lane])).values()]
                .map((lane) => this.lane(process, lane, false))
                .filter((lane) => lane !== undefined),
            );
        } else if (name === 'lanesOf') {
          methods[name] = (index: 'wallet' | 'group' | 'provider', id: string) =>
            this.send(process, name, 'read', [index, id], async () => this.indexed(process, await truth.lanesOf(index, id)));
        } else if (name === 'openLanes') {
          methods[name] = () => this.pages(process);
        } else {
          methods[name] = (...args: readonly unknown[]) => this.send(process, name, kindOf(name), args, () => bound(...args));
        }
        return methods[name];
      },
    });
  }

  private async *pages(process: SimulatedProcess): AsyncIterable<readonly LaneId[]> {
    const all = await this.send(process, 'openLanes', 'read', [], async () =>
      this.indexed(
        process,
        [...this.items.lanes.values()].map((lane) => lane.id),
      ),
    );
    for (let at = 0; at < all.length; at += 20) yield all.slice(at, at + 20);
  }

  /** One physical send, and what the network makes of it. */
  send<T>(
    process: SimulatedProcess,
    operation: string,
    kind: Kind,
    args: readonly unknown[],
    carryOut: () => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.passesAwait(operation)) return;
      const { faults, engine, trace, counts } = this;
      const { dice } = process;
      this.observer.sent(operation, args);
      let answered = false;
      const answer = (give: () => void): void => {
        if (answered || !process.alive) return;
        answered = true;
        give();
      };
      const fail = (why: string): void => {
        this.observer.unknown(operation, args, process);
        reject(new UnknownOutcomeError(`${operation}: ${why}`));
      };
      const giveUp = (ms: number, why: string): void => engine.after(ms, () => answer(() => fail(why)));
      const outwardMs = this.delay(process);
      const backMs = this.delay(process);
      process.mayCrashWithin(outwardMs + backMs, operation);

      if (dice.chance(faults.lostRequest)) {
        counts.lost += 1;
        trace.note(process.name, () => `${operation} ${brief(args)} → request lost`);
        giveUp(PATIENCE_MS, 'no answer');
        return;
      }
      if (dice.chance(faults.notApplied) && kind !== 'read') {
        counts.notApplied += 1;
        trace.note(process.name, () => `${operation} ${brief(args)} → not applied (conflict or throttling)`);
        engine.after(outwardMs, () => answer(() => reject(new NotAppliedError(`${operation}: conflict`))));
        return;
      }
      const loseReply = dice.chance(faults.lostReply);
      const failAfter = dice.chance(faults.serverError);
      if (outwardMs + backMs > PATIENCE_MS || loseReply) giveUp(PATIENCE_MS, 'no answer');
      const arrive = (repeat: boolean): void => {
        counts.operations += 1;
        const isLate = answered || !process.alive;
        if (isLate) counts.late += 1;
        const told = repeat ? 'REPEATED ' : isLate ? 'LATE ' : '';
        // The store changes in this turn; what it says arrives as a promise.
        this.remember();
        const fresh = this.newLane(operation, args);
        const done = carryOut();
        if (fresh !== undefined && this.items.lanes.has(fresh)) this.createdAt.set(fresh, engine.now);
        done.then(
          (value) => {
            this.observer.carriedOut(operation, args, value);
            trace.note(
              process.name,
              () => `${told}${operation} ${brief(args)} → ${brief(value)}${loseReply ? ' (reply lost)' : ''}`,
            );
            if (loseReply || repeat) return;
            engine.after(backMs, () =>
              answer(() => {
                if (failAfter) fail('server error');
                else resolve(value);
              }),
            );
          },
          (error: unknown) => {
            this.observer.carriedOut(operation, args, error);
            answer(() => reject(error instanceof Error ? error : new Error(String(error))));
          },
        );
      };
      engine.after(outwardMs, () => arrive(false));
      if (kind === 'write' && dice.chance(faults.duplicated)) {
        const laterMs = dice.chance(0.5) ? dice.between(0, 50) : dice.between(0, dice.chance(0.1) ? 660_000 : 20_000);
        engine.after(outwardMs + laterMs, () => {
          counts.repeated += 1;
          arrive(true);
        });
      }
    });
  }

  private delay(process: SimulatedProcess): number {
    const { dice } = process;
    if (dice.chance(this.faults.verySlow)) return dice.between(600_000, 660_000);
    if (dice.chance(this.faults.slow)) return dice.between(100, dice.chance(0.5) ? 3_000 : 20_000);
    return dice.between(1, 6);
  }

  private remember(): void {
    const { now } = this.engine;
    if (this.faults.stale === 0 || now - this.recent.at < SNAPSHOT_MS) return;
    this.older = this.recent;
    this.recent = { at: now, pots: new Map(this.items.pots), lanes: new Map(this.items.lanes) };
  }

  private snapshotFor(process: SimulatedProcess, consistent: boolean): Snapshot | undefined {
    if (consistent || !process.dice.chance(this.faults.stale)) return undefined;
    const found = [this.older, this.recent].find((snapshot) => snapshot && this.engine.now - snapshot.at < STALE_MS);
    if (found !== undefined) this.counts.stale += 1;
    return found;
  }

  private pots(process: SimulatedProcess, keys: readonly PotKey[], consistent: boolean): ReadonlyMap<PotKey, PotState> {
    const from = (this.snapshotFor(process, consistent) ?? this.items).pots;
    const found = new Map<PotKey, PotState>();
    for (const key of keys) {
      const state = from.get(key);
      if (state !== undefined) found.set(key, state);
    }
    return found;
  }

  private lane(process: SimulatedProcess, lane: LaneId, consistent: boolean): LaneState | undefined {
    return (this.snapshotFor(process, consistent) ?? this.items).lanes.get(laneName(lane));
  }

  /** The name of the lane that an operation may create, if it is not there yet. */
  private newLane(operation: string, args: readonly unknown[]): string | undefined {
    if (operation !== 'grant' && operation !== 'late') return undefined;
    const [request] = args as readonly [{ readonly lane: LaneId }];
    const name = laneName(request.lane);
    return this.items.lanes.has(name) ? undefined : name;
  }

  /** A lane enters the index a moment after it was made. */
  private indexed(process: SimulatedProcess, lanes: readonly LaneId[]): readonly LaneId[] {
    if (this.faults.indexLagMs === 0) return lanes;
    const lag = process.dice.between(0, this.faults.indexLagMs);
    return lanes.filter((lane) => this.engine.now - (this.createdAt.get(laneName(lane)) ?? 0) >= lag);
  }
}

interface Snapshot {
  readonly at: number;
  readonly pots: ReadonlyMap<PotKey, PotState>;
  readonly lanes: ReadonlyMap<string, LaneState>;
}

const SNAPSHOT_MS = 300;
const STALE_MS = 1_500;

function kindOf(operation: string): Kind {
  if (operation.startsWith('read')) return 'read';
  return operation === 'reserve' ? 'once' : 'write';
}

function laneName(lane: LaneId): string {
  return `${lane.chainHash}#${lane.n}`;
}
