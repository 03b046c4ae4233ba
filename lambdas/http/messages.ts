/**
 * A request and its answer as the core knows them: plain values. WHATWG `Request`, `Headers`, `Response` and their streams cost
 * more than the rest of the HTTP work of a call, so only an entry that speaks them makes them.
 */
import type { CallerStream } from './caller-stream.ts';

/** Header look-up by lower-case name; a WHATWG `Headers` is one. */
export interface RequestHeaders {
  get(name: string): string | null;
  has(name: string): boolean;
  forEach(visit: (value: string, name: string) => void): void;
}

export interface GatewayRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: RequestHeaders;
  /**
   * Reads the body, once.
   * @returns undefined when it is larger, without reading on
   * @throws CallerLeftError when the caller breaks off
   */
  readBody(limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The caller broke off before the request was there: nobody reads what is answered. */
export class CallerLeftError extends Error {
  constructor(options?: ErrorOptions) {
    super('the caller broke off its request', options);
    this.name = 'CallerLeftError';
  }
}

export interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Map<string, string>;
  /** null: none, as for a 204. */
  readonly body: string | Uint8Array | CallerStream | null;
}

/** An answer, and what is still under way for it. */
export interface Handled {
  readonly answer: Answer;
  /** Resolves when its money is settled. */
  readonly done: Promise<void>;
}

/** An answer of JSON. */
export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, headers: new Map([['content-type', 'application/json']]), body: JSON.stringify(value) };
}

/** Joins pieces that were read one after the other. */
export function joinBytes(pieces: readonly Uint8Array[], lengthBytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(lengthBytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
