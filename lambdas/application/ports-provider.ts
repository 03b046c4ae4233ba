/** What the application asks of a provider's client: one physical send, and an honest word on how it ended. */
import type { Provider } from '../domain/policy.ts';

export interface ProviderCall {
  readonly provider: Provider;
  /** Below the provider's base URL, such as `/chat/completions`. */
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** What goes on of the caller's headers; the client adds the credential and the content type. */
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch ms at which the whole call must be over, earlier attempts included. */
  readonly deadlineEpochMs: number;
  /** Called once the request is on its way. */
  readonly onSent?: () => void;
}

/** Why no (whole) answer came. Only `timeout` and `reset` leave open whether the provider did the work. */
export type ProviderFailure = 'connect_failed' | 'connect_timeout' | 'credential_missing' | 'too_large' | 'timeout' | 'reset';

export type ProviderReply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: ReadonlyMap<string, string>;
      readonly body: ProviderBody;
      /** Takes our credential out of an error body, in case that the provider repeats it. */
      readonly scrub?: (body: Uint8Array) => Uint8Array;
    }
  /** `sent` false: nothing reached the provider, so nothing can have been billed. */
  | { readonly kind: 'failed'; readonly reason: ProviderFailure; readonly sent: boolean };

/** The answer's bytes as they come, under the deadlines for the first byte, for silence and for the whole. */
export interface ProviderBody {
  /** Undefined at the end. @throws ProviderBodyError when it ends too early */
  next(): Promise<Uint8Array | undefined>;
  /** Stops reading and lets the connection go. */
  cancel(): void;
}

export class ProviderBodyError extends Error {
  readonly reason: 'timeout' | 'reset' | 'too_large';
  /** Of a timeout: the whole call's time was over, whether bytes came or not. */
  readonly overTotal: boolean;
  constructor(reason: 'timeout' | 'reset' | 'too_large', overTotal = false) {
    super(`the provider's answer ended early: ${reason}`);
    this.name = 'ProviderBodyError';
    this.reason = reason;
    this.overTotal = overTotal;
  }
}

export interface ProviderClient {
  /** Never throws: what went wrong is a reply. */
  send(call: ProviderCall): Promise<ProviderReply>;
}

/** Structured logs: ids and codes only, never prompts, keys or whole events. */
export interface Log {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}
