/**
 * Virtual time: a queue of events in order of their instant. Between two events every promise that can go on has gone
 * on, so a run is decided by its seed alone. No real timer measures anything.
 */

interface Event {
  readonly at: number;
  /** Among events of one instant the first planned is the first to happen. */
  readonly order: number;
  readonly happen: () => void;
}

/** Events between two returns to the loop; microtasks are drained after each of them. */
const BATCH = 64;

export class Engine {
  /** Epoch ms, virtual. */
  now: number;
  events = 0;
  private readonly heap: Event[] = [];
  private planned = 0;

  constructor(startEpochMs: number) {
    this.now = startEpochMs;
  }

  after(ms: number, happen: () => void): void {
    this.planned += 1;
    this.push({ at: this.now + Math.max(0, ms), order: this.planned, happen });
  }

  get pending(): number {
    return this.heap.length;
  }

  /** Lets up to `most` events happen, none after `untilEpochMs`. Returns false when there was none left to happen. */
  run(most: number, untilEpochMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let left = most;
      let over = false;
      const one = (): void => {
        if (over) return;
        const next = this.heap[0];
        if (left <= 0 || next === undefined || next.at > untilEpochMs) {
          over = true;
          resolve(next !== undefined && next.at <= untilEpochMs);
          return;
        }
        left -= 1;
        this.pop();
        this.now = Math.max(this.now, next.at);
        this.events += 1;
        try {
          next.happen();
        } catch (error) {
          over = true;
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const batch = (): void => {
        // Node drains all microtasks between two immediates of one turn.
        for (let i = 0; i < BATCH; i += 1) setImmediate(one);
        setImmediate(() => {
          if (!over) batch();
        });
      };
      batch();
    });
  }

  private push(event: Event): void {
    const { heap } = this;
    heap.push(event);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
