/** Records what a caller is sent on its way, up to a bound: a stream's events, without what only keeps its connection open. */
import type { StreamSink } from './complete-call.ts';

/** A sink before another one. */
export class Tape implements StreamSink {
  private readonly sink: StreamSink;
  private readonly mostBytes: number;
  private pieces: Uint8Array[] = [];
  private length = 0;
  private failed = false;

  constructor(sink: StreamSink, mostBytes: number) {
    this.sink = sink;
    this.mostBytes = mostBytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.length += bytes.length;
    if (this.length <= this.mostBytes) this.pieces.push(bytes);
    else this.pieces = [];
    return this.sink.write(bytes);
  }

  fail(reason: Parameters<StreamSink['fail']>[0]): void {
    this.failed = true;
    this.sink.fail(reason);
  }

  end(): void {
    this.sink.end();
  }

  /** All that was written; undefined when it was more than the bound, or broke. */
  bytes(): Uint8Array | undefined {
    if (this.failed || this.length > this.mostBytes) return undefined;
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}
