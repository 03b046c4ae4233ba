/** How the simulated provider behaves, and what of it can be changed while it runs. */

/** How it behaves; all faults are off by default. */
export interface SimulatorOptions {
  /** Before the answer's head, milliseconds. */
  readonly latencyMs: number;
  /** Between two chunks of a stream, milliseconds. */
  readonly chunkDelayMs: number;
  /** Every nth request fails with `failStatus`; 0: none. */
  readonly failEvery: number;
  readonly failStatus: number;
  /** Sent with failures, seconds; 0: not. */
  readonly retryAfterSeconds: number;
  /** Leaves the usage out. */
  readonly dropUsage: boolean;
  /** Sends the usage chunk twice, the first one too low. */
  readonly repeatUsage: boolean;
  /** Reported usage is the true one times this. */
  readonly lieFactor: number;
  /** Cuts the connection after so many bytes of body; 0: never. */
  readonly dieAfterBytes: number;
  /** Takes the request and never answers. */
  readonly hang: boolean;
  /** After the first chunk of a stream, nothing more. */
  readonly stall: boolean;
  /** The whole body of answers that are not streams, as it is; for tests of byte-exactness. */
  readonly cannedBody: string;
  /** Most tokens of an answer; the request's cap may be lower. */
  readonly answerTokens: number;
}

/** Normal service. */
export const HONEST: SimulatorOptions = {
  latencyMs: 0,
  chunkDelayMs: 0,
  failEvery: 0,
  failStatus: 500,
  retryAfterSeconds: 0,
  dropUsage: false,
  repeatUsage: false,
  lieFactor: 1,
  dieAfterBytes: 0,
  hang: false,
  stall: false,
  cannedBody: '',
  answerTokens: 24,
};

/** Only the known options, each of the type of its default. */
export function readOptions(wanted: Readonly<Record<string, unknown>>): Partial<SimulatorOptions> {
  const known = Object.entries(HONEST).filter(([name, value]) => typeof wanted[name] === typeof value);
  return Object.fromEntries(known.map(([name]) => [name, wanted[name]]));
}
