/**
 * What the application asks of the store of answers: the claim of a client's key, which only one request ever wins, and the
 * answers that are kept for a repeat of it or for the same request again. It knows nothing of money.
 */
import type { NanoUsd } from '../domain/money.ts';

/** SHA-256 of bytes, as 64 hex digits. */
export type Sha256 = (bytes: Uint8Array) => string;

/** Names what is kept. Neither a client's key nor a request is ever stored, only its hash. */
export interface AnswerKey {
  /** `once`: an answer kept under a client's Idempotency-Key. `cache`: one kept under the request itself. */
  readonly kind: 'once' | 'cache';
  readonly groupId: string;
  readonly sha256: string;
}

/** An answer exactly as the caller got it, and what its headers said. */
export interface StoredAnswer {
  readonly status: number;
  /** The type and the encoding of the body. */
  readonly headers: ReadonlyMap<string, string>;
  readonly stream: boolean;
  /** Of a stream, the bytes of its events. */
  readonly body: Uint8Array;
  readonly route?: string;
  readonly provider?: string;
  /** What it cost when it was made. */
  readonly costNanoUsd: NanoUsd;
  readonly atEpochMs: number;
}

export interface ClaimRequest {
  readonly key: AnswerKey;
  /** Of the body: the same key with another one is a mistake of the client. */
  readonly requestSha256: string;
  /** Of this claim alone, 16 random characters: a repeat of a lost write finds its own. */
  readonly owner: string;
  readonly nowEpochMs: number;
  /** By then the call is over, or its process is gone. */
  readonly leaseUntilEpochMs: number;
  /** From then on the key is free again. */
  readonly expiresAtEpochMs: number;
}

export type ClaimOutcome =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'open'; readonly requestSha256: string; readonly leaseUntilEpochMs: number }
  | { readonly kind: 'done'; readonly requestSha256: string; readonly answer: StoredAnswer }
  /** It was or may have been charged, and there is no answer to give. */
  | { readonly kind: 'lost'; readonly requestSha256: string };

/** Throws NotAppliedError and UnknownOutcomeError as the ledger's store does. */
export interface AnswerStore {
  /** Takes the key if nobody has it, it was given back, or it has expired. Otherwise tells how it stands, strongly consistent. */
  claimAnswer(claim: ClaimRequest): Promise<ClaimOutcome>;
  /** Gives an open claim of this owner back: nothing was charged. Does nothing to any other. */
  releaseClaim(claim: ClaimRequest): Promise<void>;
  /** Ends an open claim of this owner, with the answer or without one. Does nothing to any other. */
  endClaim(claim: ClaimRequest, answer: StoredAnswer | undefined): Promise<void>;
  /** Undefined: there is none, it has expired, or part of it is gone. */
  findAnswer(key: AnswerKey, nowEpochMs: number): Promise<StoredAnswer | undefined>;
  /** @param version 16 random characters: two writers at once never mix their answers; the last one stands */
  keepAnswer(key: AnswerKey, answer: StoredAnswer, version: string, expiresAtEpochMs: number): Promise<void>;
}
