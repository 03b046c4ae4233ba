/**
 * One physical send: money held before it, what came of it, and the settlement of a send that failed. A failed send
 * costs nothing when nothing reached the provider or it answered with an error; where nobody knows, the policy decides.
 */
import type { EntryDetail } from '../domain/entries.ts';
import type { Bound } from '../domain/estimate.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { FallbackTrigger, Policy, Provider, Target } from '../domain/policy.ts';
import type { Price } from '../domain/prices.ts';
import type { Api, Translation } from '../domain/protocols/api.ts';
import type { ProviderBody, ProviderCall, ProviderClient, ProviderReply } from './ports-provider.ts';
import { ProviderBodyError } from './ports-provider.ts';

/** A target that could take the request, with its price, its bound and the body as it would be sent. */
export interface PricedTarget {
  readonly target: Target;
  readonly provider: Provider;
  readonly price: Price;
  readonly bound: Bound;
  readonly boundNanoUsd: NanoUsd;
  /** What the provider is asked, and how its answer becomes one of the API that the caller asked. */
  readonly upstream: Api;
  readonly translation?: Translation;
  /** Below the provider's base URL. */
  readonly path: string;
  readonly body: () => Uint8Array<ArrayBuffer>;
}

/** What a failed attempt tells the caller: who, and the status or the reason. Never the provider's words. */
export interface AttemptReport {
  readonly provider: string;
  readonly model: string;
  readonly status?: number;
  readonly reason?: string;
}

export type SendResult =
  /** The whole answer: a success, or a provider's refusal of the request itself (`free`). */
  | {
      readonly kind: 'whole';
      readonly status: number;
      readonly headers: ReadonlyMap<string, string>;
      readonly body: Uint8Array;
      readonly free: boolean;
    }
  /** A stream whose first bytes are there. */
  | {
      readonly kind: 'stream';
      readonly status: number;
      readonly headers: ReadonlyMap<string, string>;
      readonly first: Uint8Array | undefined;
      readonly body: ProviderBody;
    }
  | {
      readonly kind: 'failed';
      readonly report: AttemptReport;
      readonly trigger: FallbackTrigger;
      /** undefined: unknown whether it was billed. */
      readonly outcome: 'connect_failed' | 'refused_by_provider' | undefined;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
    };

/** How much of an answer is kept in memory. */
export interface AnswerLimits {
  readonly answerBytes: number;
  readonly errorBytes: number;
}

/** Sends to one target and waits for the answer, or for the first bytes of a stream. */
export async function send(
  client: ProviderClient,
  candidate: PricedTarget,
  call: Omit<ProviderCall, 'provider' | 'path' | 'body'>,
  wantsStream: boolean,
  limits: AnswerLimits,
): Promise<SendResult> {
  const reply = await client.send({ ...call, provider: candidate.provider, path: candidate.path, body: candidate.body() });
  if (reply.kind === 'failed') return lost(candidate, reply.reason, reply.sent);
  if (reply.status < 200 || reply.status > 299) return await refused(candidate, reply, limits);
  try {
    if (wantsStream && (reply.headers.get('content-type') ?? '').trimStart().toLowerCase().startsWith('text/event-stream')) {
      return { kind: 'stream', status: reply.status, headers: reply.headers, first: await reply.body.next(), body: reply.body };
    }
    const body = await readWhole(reply.body, limits.answerBytes);
    return { kind: 'whole', status: reply.status, headers: reply.headers, body, free: false };
  } catch (error) {
    reply.body.cancel();
    if (error instanceof ProviderBodyError) return lost(candidate, error.reason, true);
    throw error;
  }
}

/** The charge and the record of a failed send. */
export function failureCharge(
  policy: Policy,
  candidate: PricedTarget,
  failure: Extract<SendResult, { kind: 'failed' }>,
): { readonly nanoUsd: NanoUsd; readonly detail: Pick<EntryDetail, 'outcome' | 'estimated'> } {
  if (failure.outcome !== undefined) return { nanoUsd: 0n, detail: { outcome: failure.outcome } };
  return policy.costTracking.unknownOutcome === 'charge'
    ? { nanoUsd: candidate.boundNanoUsd, detail: { outcome: failure.reason, estimated: true } }
    : { nanoUsd: 0n, detail: { outcome: 'unaccounted' } };
}

function lost(candidate: PricedTarget, reason: string, sent: boolean): SendResult {
  return {
    kind: 'failed',
    report: { provider: candidate.target.provider, model: candidate.target.model, reason },
    trigger: reason === 'timeout' || reason === 'connect_timeout' ? 'timeout' : 'server_error',
    outcome: sent ? undefined : 'connect_failed',
    reason,
  };
}

async function refused(
  candidate: PricedTarget,
  reply: Extract<ProviderReply, { kind: 'answer' }>,
  limits: AnswerLimits,
): Promise<SendResult> {
  const { status, headers, scrub = (body: Uint8Array) => body } = reply;
  if (isAboutTheRequest(status)) {
    try {
      return { kind: 'whole', status, headers, body: scrub(await readWhole(reply.body, limits.errorBytes)), free: true };
    } catch (error) {
      if (!(error instanceof ProviderBodyError)) throw error;
    }
  }
  reply.body.cancel();
  return {
    kind: 'failed',
    report: { provider: candidate.target.provider, model: candidate.target.model, status },
    trigger: status === 429 ? 'rate_limit' : status === 408 ? 'timeout' : 'server_error',
    outcome: 'refused_by_provider',
    reason: `http_${status}`,
    retryAfterSeconds: status === 429 || status >= 500 ? retryAfterSeconds(headers.get('retry-after')) : undefined,
  };
}

/** A client error that another try or another provider cannot cure. 401, 402 and 403 are about our account there. */
function isAboutTheRequest(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 402, 403, 408, 409, 429].includes(status);
}

function retryAfterSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

async function readWhole(body: ProviderBody, limitBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
    length += piece.length;
    if (length > limitBytes) {
      body.cancel();
      throw new ProviderBodyError('too_large');
    }
    pieces.push(piece);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
