/** One request and its answer on undici's dispatcher, under deadlines, with back pressure. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type ProviderBody, ProviderBodyError, type ProviderReply } from '../../application/ports-provider.ts';
import type { Timeouts } from '../../domain/policy.ts';

/** Chunks waiting for a slow reader above this many bytes pause the provider. */
const HIGH_WATER_BYTES = 256 * 1024;

type Ended =
  | { readonly kind: 'whole' }
  | { readonly kind: 'broken'; readonly reason: 'timeout' | 'reset' | 'too_large'; readonly overTotal: boolean };

/**
 * A single send. Its one timer stands for whichever deadline comes next, and is set anew only when that one is nearer than what it stands
 * at: chunks move a number.
 */
export class Exchange implements Dispatcher.DispatchHandler, ProviderBody {
  private readonly timeouts: Timeouts;
  private readonly onSent: (() => void) | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  private resolveReply: ((reply: ProviderReply) => void) | undefined;
  private waiting:
    | { readonly resolve: (chunk: Uint8Array | undefined) => void; readonly reject: (error: Error) => void }
    | undefined;
  private readonly chunks: Uint8Array[] = [];
  private chunkBytes = 0;
  private firstByteSeen = false;
  private firstByteByEpochMs = Number.POSITIVE_INFINITY;
  private sent = false;
  private ended: Ended | undefined;
  private timer: NodeJS.Timeout | undefined;
  private timerAtEpochMs = Number.POSITIVE_INFINITY;
  private dueEpochMs: number;
  /** When the whole call must be over. */
  private readonly deadlineEpochMs: number;

  constructor(timeouts: Timeouts, deadlineEpochMs: number, onSent: (() => void) | undefined) {
    this.timeouts = timeouts;
    this.onSent = onSent;
    this.deadlineEpochMs = deadlineEpochMs;
    this.dueEpochMs = deadlineEpochMs;
  }

  /** Sends, and resolves with the answer's head or with what went wrong before it. */
  run(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions): Promise<ProviderReply> {
    return new Promise((resolve) => {
      this.resolveReply = resolve;
      this.arm(this.timeouts.connect);
      try {
        dispatcher.dispatch(options, this);
      } catch {
        this.break('reset');
      }
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.ended !== undefined) {
      controller.abort(new ProviderBodyError('timeout'));
      return;
    }
    this.sent = true;
    this.firstByteByEpochMs = Date.now() + this.timeouts.firstByte;
    this.arm(this.timeouts.firstByte);
    if (this.onSent !== undefined) setImmediate(this.onSent);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.disarm();
    const named = new Map<string, string>();
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) named.set(name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value);
    }
    this.reply({ kind: 'answer', status, headers: named, body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.firstByteSeen = true;
    if (this.waiting !== undefined) {
      this.disarm();
      this.waiting.resolve(chunk);
      this.waiting = undefined;
      return;
    }
    this.chunks.push(chunk);
    this.chunkBytes += chunk.length;
    if (this.chunkBytes > HIGH_WATER_BYTES) controller.pause();
  }

  onResponseEnd(): void {
    this.finish({ kind: 'whole' });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const reason = error instanceof ProviderBodyError ? error.reason : 'reset';
    this.finish({ kind: 'broken', reason, overTotal: false }, isConnectTimeout(error));
  }

  next(): Promise<Uint8Array | undefined> {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) {
      this.chunkBytes -= chunk.length;
      if (this.chunkBytes <= HIGH_WATER_BYTES && this.controller?.paused === true) this.controller.resume();
      return Promise.resolve(chunk);
    }
    if (this.ended?.kind === 'whole') return Promise.resolve(undefined);
    if (this.ended?.kind === 'broken') return Promise.reject(new ProviderBodyError(this.ended.reason, this.ended.overTotal));
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.arm(this.firstByteSeen ? this.timeouts.idle : Math.max(0, this.firstByteByEpochMs - Date.now()));
    });
  }

  cancel(): void {
    this.break('reset');
  }

  private break(reason: 'timeout' | 'reset' | 'too_large', overTotal = false): void {
    if (this.ended !== undefined) return;
    this.finish({ kind: 'broken', reason, overTotal }, reason === 'timeout');
    this.controller?.abort(new ProviderBodyError(reason));
  }

  private finish(ended: Ended, timedOut = false): void {
    if (this.ended !== undefined) return;
    this.ended = ended;
    clearTimeout(this.timer);
    if (this.resolveReply !== undefined) {
      const reason = ended.kind === 'whole' ? 'reset' : ended.reason;
      const unsent = timedOut ? 'connect_timeout' : 'connect_failed';
      this.reply({ kind: 'failed', reason: this.sent ? reason : unsent, sent: this.sent });
    }
    if (this.waiting === undefined) return;
    if (ended.kind === 'whole') this.waiting.resolve(undefined);
    else this.waiting.reject(new ProviderBodyError(ended.reason, ended.overTotal));
    this.waiting = undefined;
  }

  private reply(reply: ProviderReply): void {
    this.resolveReply?.(reply);
    this.resolveReply = undefined;
  }

  /** The next deadline is so far away, or the whole call's. */
  private arm(ms: number): void {
    this.dueEpochMs = Math.min(Date.now() + ms, this.deadlineEpochMs);
    if (this.dueEpochMs < this.timerAtEpochMs) this.setTimer();
  }

  private disarm(): void {
    this.dueEpochMs = this.deadlineEpochMs;
  }

  private setTimer(): void {
    clearTimeout(this.timer);
    this.timerAtEpochMs = this.dueEpochMs;
    this.timer = setTimeout(() => this.ring(), Math.max(0, this.dueEpochMs - Date.now()));
  }

  private ring(): void {
    const now = Date.now();
    if (now >= this.dueEpochMs) this.break('timeout', now >= this.deadlineEpochMs);
    else this.setTimer();
  }
}

function isConnectTimeout(error: Error): boolean {
  return 'code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT';
}
