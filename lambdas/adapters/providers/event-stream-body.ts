/**
 * Bedrock's stream of an Anthropic model as ordinary server-sent events. It comes in frames with checksums (AWS event stream), each
 * with one event of Anthropic's in base64. Imported when a policy has such a provider.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html (2026-11-24)
 */
import { EventStreamCodec } from '@smithy/core/event-streams';
import { type ProviderBody, ProviderBodyError } from '../../application/ports-provider.ts';

/** Of a frame, and so of an event. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;
/** Two lengths and their checksum. */
const PRELUDE_BYTES = 12;
/** The prelude and the frame's own checksum. */
const LEAST_FRAME_BYTES = 16;

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** Reads frames, gives events. A frame that is cut off, damaged or tells of an exception breaks the stream. */
export class EventStreamBody implements ProviderBody {
  private readonly inner: ProviderBody;
  private pending: Uint8Array = new Uint8Array();
  private broken: ProviderBodyError | undefined;

  constructor(inner: ProviderBody) {
    this.inner = inner;
  }

  /** The events of one read together. @throws ProviderBodyError */
  async next(): Promise<Uint8Array | undefined> {
    if (this.broken !== undefined) throw this.broken;
    for (;;) {
      const chunk = await this.inner.next();
      if (chunk === undefined) {
        if (this.pending.length > 0) throw this.break('reset');
        return undefined;
      }
      this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
      const events = this.takeEvents();
      // What is whole is given out first: it was generated, and is paid for.
      if (events !== '') return Buffer.from(events, 'utf8');
      if (this.broken !== undefined) throw this.broken;
    }
  }

  cancel(): void {
    this.inner.cancel();
  }

  private takeEvents(): string {
    let events = '';
    while (this.pending.length >= PRELUDE_BYTES) {
      const length = new DataView(this.pending.buffer, this.pending.byteOffset).getUint32(0);
      if (length > MAX_FRAME_BYTES || length < LEAST_FRAME_BYTES) {
        this.break(length > MAX_FRAME_BYTES ? 'too_large' : 'reset');
        break;
      }
      if (this.pending.length < length) break;
      const frame = this.pending.subarray(0, length);
      this.pending = this.pending.subarray(length);
      const event = eventOf(frame);
      if (event === undefined) {
        this.break('reset');
        break;
      }
      events += event;
    }
    return events;
  }

  private break(reason: 'reset' | 'too_large'): ProviderBodyError {
    this.broken = new ProviderBodyError(reason);
    this.inner.cancel();
    return this.broken;
  }
}

/** The server-sent event in a frame; empty when it has none, undefined when the stream is broken. */
function eventOf(frame: Uint8Array): string | undefined {
  try {
    const { headers, body } = codec.decode(frame);
    // An exception's words are the provider's; the caller gets the gateway's.
    if (headers[':message-type']?.value !== 'event') return undefined;
    if (headers[':event-type']?.value !== 'chunk') return '';
    const payload: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const bytes = memberOf(payload, 'bytes');
    if (bytes === undefined) return undefined;
    // Written anew: what is text for the event's line must not have lines of its own.
    const event: unknown = JSON.parse(Buffer.from(bytes, 'base64').toString('utf8'));
    const type = memberOf(event, 'type');
    if (type === undefined || !/^[a-z_]{1,64}$/.test(type)) return undefined;
    return `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): string | undefined {
  const member: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof member === 'string' ? member : undefined;
}
