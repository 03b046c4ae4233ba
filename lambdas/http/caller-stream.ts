/**
 * The body of a streamed answer: bytes go out as they come in, with room asked for before more is read, a comment line when it
 * is silent, and a caller who leaves (or takes nothing for a minute) no longer counts. Where they go is the entry's: until it
 * opens its outlet, what comes is kept.
 */
import type { StreamSink } from '../application/complete-call.ts';
import type { Api } from '../domain/protocols/api.ts';
import { GatewayError, errorEvent } from './errors.ts';
import type { Limits } from './limits.ts';

/** Bytes that may wait for the outlet to open. */
const HIGH_WATER_BYTES = 64 * 1024;
const KEEP_ALIVE = new TextEncoder().encode(': keep-alive\n\n');

const BROKEN: Readonly<Record<Parameters<StreamSink['fail']>[0], readonly [code: string, message: string]>> = {
  timeout: ['provider_timeout', 'The provider fell silent in the middle of the answer.'],
  total_timeout: ['provider_timeout', 'The time for the whole answer was over before the provider had ended it.'],
  reset: ['provider_disconnected', 'The provider ended the connection in the middle of the answer.'],
  too_large: ['provider_event_too_large', 'The provider sent an event that is too large.'],
  internal: ['internal_error', 'The answer could not be passed on to its end.'],
};

/** Where an entry lets the bytes out. */
export interface Outlet {
  /** Whether there is room for more; where not, `room()` is to be called once there is. */
  write(bytes: Uint8Array): boolean;
  end(): void;
  /** The caller takes nothing: cut it off. */
  abort(): void;
}

/** A sink, and the answer's body that it fills. */
export class CallerStream implements StreamSink {
  private readonly limits: Pick<Limits, 'keepAliveMs' | 'callerStallMs'>;
  private readonly api: Pick<Api, 'name' | 'protocol'>;
  private readonly requestId: string;
  private outlet: Outlet | undefined;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;
  private full = false;
  private ended = false;
  private left = false;
  private roomFor: (() => void) | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private readonly isCompressed: boolean;

  /** @param isCompressed its bytes are not text, so that no words of ours may stand among them */
  constructor(
    limits: Pick<Limits, 'keepAliveMs' | 'callerStallMs'>,
    api: Pick<Api, 'name' | 'protocol'>,
    requestId: string,
    isCompressed = false,
  ) {
    this.isCompressed = isCompressed;
    this.limits = limits;
    this.api = api;
    this.requestId = requestId;
    if (!isCompressed) this.keepAlive = setTimeout(() => this.silent(), limits.keepAliveMs);
  }

  /** What was kept goes out, and from now on everything as it comes. */
  open(outlet: Outlet): void {
    if (this.left) {
      outlet.abort();
      return;
    }
    this.outlet = outlet;
    this.full = false;
    for (const bytes of this.kept) this.full = !outlet.write(bytes);
    this.kept = [];
    if (!this.full) this.room();
    if (this.ended) outlet.end();
  }

  /** The outlet has room again. */
  room(): void {
    this.full = false;
    this.roomFor?.();
    this.roomFor = undefined;
  }

  /** The caller is gone: what still comes is dropped. */
  leave(): void {
    this.left = true;
    this.kept = [];
    clearTimeout(this.keepAlive);
    this.room();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.left || bytes.length === 0) return;
    this.keepAlive?.refresh();
    this.put(bytes);
    if (this.full) await this.hasRoom();
  }

  fail(reason: Parameters<StreamSink['fail']>[0]): void {
    if (this.left) return;
    if (this.isCompressed) {
      this.outlet?.abort();
      this.leave();
      return;
    }
    const [code, message] = BROKEN[reason];
    const error = new GatewayError({ status: 502, code, message: `${message} Request ${this.requestId}.` });
    this.put(new TextEncoder().encode(errorEvent(error, this.api, this.requestId)));
  }

  end(): void {
    clearTimeout(this.keepAlive);
    if (this.left || this.ended) return;
    this.ended = true;
    this.outlet?.end();
  }

  private put(bytes: Uint8Array): void {
    if (this.outlet !== undefined) {
      this.full = !this.outlet.write(bytes);
      return;
    }
    this.kept.push(bytes);
    this.keptBytes += bytes.length;
    this.full = this.keptBytes >= HIGH_WATER_BYTES;
  }

  private hasRoom(): Promise<void> {
    return new Promise((resolve) => {
      const stalled = setTimeout(() => {
        this.outlet?.abort();
        this.leave();
      }, this.limits.callerStallMs);
      this.roomFor = () => {
        clearTimeout(stalled);
        resolve();
      };
    });
  }

  private silent(): void {
    if (this.left || this.ended) return;
    if (!this.full) this.put(KEEP_ALIVE);
    this.keepAlive?.refresh();
  }
}
