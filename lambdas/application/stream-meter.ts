/**
 * Reads a provider's server-sent events on their way through: whole events leave as the bytes they came as, usage and
 * generated text are counted, and the chunk that only carries usage is kept back unless the caller asked for it.
 */
import { utf8Length } from '../domain/json-edits.ts';
import type { Usage } from '../domain/prices.ts';
import type { EventReader } from '../domain/protocols/api.ts';
import { largerUsage } from '../domain/usage.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
/** `data:` */
const DATA = [0x64, 0x61, 0x74, 0x61, 0x3a];
const DECODER = new TextDecoder();
/** For what stands inside a line, where a byte order mark is text. */
const LINE_DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

/** One event grew past the limit: no honest provider sends it. */
export class EventTooLargeError extends Error {
  constructor(limitBytes: number) {
    super(`an event of the stream is larger than ${limitBytes} bytes`);
    this.name = 'EventTooLargeError';
  }
}

/** The meter of one stream. Lines end with LF or CRLF; a lone CR ends no line (no known provider sends one). */
export class StreamMeter {
  private readonly reader: EventReader;
  private readonly maxEventBytes: number;
  private readonly oneByOne: boolean;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  /** The line being read holds nothing but perhaps a CR. */
  private lineIsEmpty = true;
  private reported: Usage | undefined;
  /** Bytes generated when the usage was reported. */
  private bytesAtReport = 0;
  private bytes = 0;
  private ended: 'whole' | 'failed' | undefined;

  /**
   * @param reader knows the events of the API that is streamed
   * @param oneByOne every event in a piece of its own, for who reads them; else those that came together leave together
   */
  constructor(reader: EventReader, maxEventBytes: number, oneByOne = false) {
    this.reader = reader;
    this.maxEventBytes = maxEventBytes;
    this.oneByOne = oneByOne;
  }

  /**
   * The usage reported, of several the larger counts. Text that came after it counts a byte a token, and makes it
   * an estimate; a report of no output beside text is none.
   */
  get reading(): { readonly usage: Usage; readonly estimated: boolean } | undefined {
    const { reported } = this;
    if (reported === undefined || (reported.outputTokens === 0 && this.outputBytes > 0)) return undefined;
    const later = this.outputBytes - this.bytesAtReport;
    if (later <= 0) return { usage: reported, estimated: false };
    return { usage: { ...reported, outputTokens: reported.outputTokens + later }, estimated: true };
  }

  /** Whether the provider has said that this was all, and nothing of a failure. */
  get isWhole(): boolean {
    return this.ended === 'whole';
  }

  /** UTF-8 bytes of the text generated so far, an event that is not whole yet included. */
  get outputBytes(): number {
    return this.bytes + this.pendingBytes;
  }

  /**
   * Takes bytes in and gives whole events out.
   * @throws EventTooLargeError when an event does not end in time
   */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const out: Uint8Array[] = [];
    let from = 0;
    let line = 0;
    /** Events from here on pass, and leave together: one write for what came in one read. */
    let passing = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, line)) {
      const isBlank = this.lineIsEmpty && isEmpty(chunk, line, end);
      line = end + 1;
      this.lineIsEmpty = true;
      if (!isBlank) continue;
      const began = this.pendingBytes > 0;
      const event = this.take(chunk.subarray(from, line));
      const passes = this.passes(event);
      if (began || !passes || this.oneByOne) {
        if (passing < from) out.push(chunk.subarray(passing, from));
        if (passes) out.push(event);
        passing = line;
      }
      from = line;
    }
    if (passing < from) out.push(chunk.subarray(passing, from));
    this.lineIsEmpty = this.lineIsEmpty && isEmpty(chunk, line, chunk.length);
    if (from < chunk.length) {
      this.pending.push(chunk.subarray(from));
      this.pendingBytes += chunk.length - from;
      if (this.pendingBytes > this.maxEventBytes) throw new EventTooLargeError(this.maxEventBytes);
    }
    return out;
  }

  /** What is left when the stream ends in the middle of an event. */
  end(): readonly Uint8Array[] {
    if (this.pendingBytes === 0) return [];
    const rest = this.take(new Uint8Array());
    return this.passes(rest) ? [rest] : [];
  }

  private take(last: Uint8Array): Uint8Array {
    if (this.pendingBytes === 0) return last;
    const event = new Uint8Array(this.pendingBytes + last.length);
    let at = 0;
    for (const piece of this.pending) {
      event.set(piece, at);
      at += piece.length;
    }
    event.set(last, at);
    this.pending = [];
    this.pendingBytes = 0;
    return event;
  }

  private passes(event: Uint8Array): boolean {
    const data = eventData(event);
    if (data === '[DONE]') {
      this.ended ??= 'whole';
      return true;
    }
    if (data === '') {
      this.bytes += this.strayBytes(event);
      return true;
    }
    let chunk: unknown;
    try {
      chunk = JSON.parse(data);
    } catch {
      this.bytes += utf8Length(data);
      return true;
    }
    const { generatedBytes, usage, hidden, end } = this.reader.read(chunk);
    this.bytes += generatedBytes;
    if (end === 'failed') this.ended = end;
    else this.ended ??= end;
    if (usage !== undefined) {
      if (usage.outputTokens >= (this.reported?.outputTokens ?? 0)) this.bytesAtReport = this.bytes;
      this.reported = largerUsage(this.reported, usage);
    }
    return !hidden;
  }

  /** Bytes of lines that are neither blank, comments nor fields of an event: nobody knows what they are. */
  private strayBytes(event: Uint8Array): number {
    const stray = DECODER.decode(event)
      .split(/\r?\n/)
      .filter((line) => line !== '' && !/^(:|data:|event:|id:|retry:)/.test(line));
    return stray.reduce((sum, line) => sum + utf8Length(line), 0);
  }
}

/** The `data` of an event: its data lines, joined. Empty when it has none. */
export function eventData(event: Uint8Array): string {
  const end = event.indexOf(LF);
  // The usual event: one line of data, and behind it nothing that could be another.
  if (startsWithData(event) && (end < 0 || event.length - end <= DATA.length)) {
    const start = event[DATA.length] === SPACE ? DATA.length + 1 : DATA.length;
    const stop = end < 0 ? event.length : event[end - 1] === CR ? end - 1 : end;
    return LINE_DECODER.decode(event.subarray(start, stop));
  }
  return DECODER.decode(event)
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line.startsWith('data: ') ? 6 : 5))
    .join('\n');
}

function startsWithData(event: Uint8Array): boolean {
  return DATA.every((byte, at) => event[at] === byte);
}

/** Whether a line holds nothing but perhaps CRs. */
function isEmpty(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== CR) return false;
  return true;
}
