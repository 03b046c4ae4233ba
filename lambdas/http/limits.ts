/** Every limit of the gateway's door, in one place. `docs/` states them; tests hold them. */
export const LIMITS = {
  /** A request's body, bytes. Lambda's own limit, kept everywhere so that both entries behave alike. */
  bodyBytes: 6 * 1024 * 1024,
  /** All request headers together, bytes. */
  headerBytes: 16 * 1024,
  /** Nesting of a request's JSON. */
  jsonDepth: 64,
  /** Calls open at once in one process; past it, 503. */
  openCalls: 1_024,
  /** A provider's whole answer, bytes. */
  answerBytes: 32 * 1024 * 1024,
  /** A provider's error body that is passed on, bytes. */
  errorBytes: 1024 * 1024,
  /** One server-sent event, bytes. */
  eventBytes: 8 * 1024 * 1024,
  /** Silence on a stream after which a comment line keeps the connection open. */
  keepAliveMs: 15_000,
  /** A caller who takes nothing for so long has left. */
  callerStallMs: 60_000,
  /** How long an answer waits for the figures of its headers, once the provider has answered. */
  figuresMs: 150,
  /** The same on a stream, where the first byte waits. */
  streamFiguresMs: 30,
  /** How long a key's look-up is believed, found or not. */
  keyAgeMs: 60_000,
  keysCached: 10_000,
  /** An Idempotency-Key, visible ASCII characters. */
  idempotencyKeyChars: 255,
  /** The largest answer that is kept for a repeat or in a cache, bytes. */
  keptAnswerBytes: 1024 * 1024,
  /** How long a repeat waits for the call that has its key, before it is a 429. */
  replayWaitMs: 10_000,
  userChars: 128,
  tags: 10,
  tagKeyChars: 32,
  tagValueChars: 64,
  tagsBytes: 400,
  /** The unlisted fields named in a header. */
  unlistedFields: 20,
} as const;

/** The limits that a deployment or a test may set. */
export type Limits = { readonly [name in keyof typeof LIMITS]: number };
