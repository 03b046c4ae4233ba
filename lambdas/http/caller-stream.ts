/**
 * The body of a streamed answer: bytes go out as they come in, with room asked for before more is read, a comment line when it
 * is silent, and a caller who leaves (or takes nothing for a minute) no longer counts.
 */
import type { StreamSink } from '../application/complete-call.ts';
import { GatewayError, type ErrorShape, errorBody } from './errors.ts';
import type { Limits } from './limits.ts';

/** Bytes that may wait for a slow caller. */
const HIGH_WATER_BYTES = 64 * 1024;
const KEEP_ALIVE = new TextEncoder().encode(': keep-alive\n\n');

const BROKEN: Readonly<Record<Parameters<StreamSink['fail']>[0], readonly [code: string, message: string]>> = {
  timeout: ['provider_timeout', 'The provider fell silent in the middle of the answer.'],
  reset: ['provider_disconnected', 'The provider ended the connection in the middle of the answer.'],
  too_large: ['provider_event_too_large', 'The provider sent an event that is too large.'],
  internal: ['internal_error', 'The answer could not be passed on to its end.'],
};

/** A sink and the stream that it fills. */
export class CallerStream implements StreamSink {
  readonly stream: ReadableStream<Uint8Array>;
  private readonly limits: Pick<Limits, 'keepAliveMs' | 'callerStallMs'>;
  private readonly shape: ErrorShape;
  private readonly requestId: string;
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  private roomFor: (() => void) | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private left = false;

  constructor(limits: Pick<Limits, 'keepAliveMs' | 'callerStallMs'>, shape: ErrorShape, requestId: string) {
    this.limits = limits;
    this.shape = shape;
    this.requestId = requestId;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => this.giveRoom(),
        cancel: () => this.leave(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
    this.armKeepAlive();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.left || this.controller === undefined || bytes.length === 0) return;
    this.controller.enqueue(bytes);
    this.armKeepAlive();
    if ((this.controller.desiredSize ?? 0) > 0) return;
    await new Promise<void>((resolve) => {
      const stalled = setTimeout(() => {
        this.controller?.error(new Error('the caller takes nothing'));
        this.leave();
      }, this.limits.callerStallMs);
      this.roomFor = () => {
        clearTimeout(stalled);
        resolve();
      };
    });
  }

  fail(reason: Parameters<StreamSink['fail']>[0]): void {
    if (this.left || this.controller === undefined) return;
    const [code, message] = BROKEN[reason];
    const error = new GatewayError({ status: 502, code, message: `${message} Request ${this.requestId}.` });
    const data = `data: ${errorBody(error, this.shape, this.requestId)}\n\n`;
    this.controller.enqueue(new TextEncoder().encode(this.shape === 'anthropic' ? `event: error\n${data}` : data));
  }

  end(): void {
    clearTimeout(this.keepAlive);
    if (this.left) return;
    this.left = true;
    this.controller?.close();
  }

  private leave(): void {
    this.left = true;
    clearTimeout(this.keepAlive);
    this.giveRoom();
  }

  private giveRoom(): void {
    this.roomFor?.();
    this.roomFor = undefined;
  }

  private armKeepAlive(): void {
    clearTimeout(this.keepAlive);
    this.keepAlive = setTimeout(() => {
      if (this.left || this.controller === undefined) return;
      if ((this.controller.desiredSize ?? 0) > 0) this.controller.enqueue(KEEP_ALIVE);
      this.armKeepAlive();
    }, this.limits.keepAliveMs);
  }
}
