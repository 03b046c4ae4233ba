/**
 * A chat completion from its checked request to its settled cost: the route, the bound on each target, the dispatch,
 * and the true cost of what came back, read from the provider's usage or, without one, from the bytes seen.
 */
import type { EntryDetail } from '../domain/entries.ts';
import { costFromBytes, estimate, outputCapTokens } from '../domain/estimate.ts';
import { type RequestText, forwardEdits } from '../domain/forwarded-request.ts';
import { applyEdits, byteGrowth } from '../domain/json-edits.ts';
import { type NanoUsd, minOf } from '../domain/money.ts';
import type { ConsumerGroup, Policy, Route } from '../domain/policy.ts';
import { type Usage, costNanoUsd, findPrice } from '../domain/prices.ts';
import type { ChatFields } from '../domain/request-fields.ts';
import { type RoundRobin, orderCandidates, resolveRoute } from '../domain/routing.ts';
import { generatedBytes, readUsage } from '../domain/usage.ts';
import type { AnswerLimits, PricedTarget } from './attempt.ts';
import {
  type Dispatch,
  type DispatchDeps,
  type DispatchFailure,
  type Won,
  detailOf,
  dispatch,
  settleSafely,
} from './dispatch.ts';
import type { Statement } from './payments.ts';
import { type ProviderBody, ProviderBodyError } from './ports-provider.ts';
import { EventTooLargeError, StreamMeter } from './stream-meter.ts';

export interface ChatRequest {
  readonly requestId: string;
  readonly policy: Policy;
  readonly group: ConsumerGroup;
  readonly userId: string;
  readonly keyId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly fields: ChatFields;
  readonly text: RequestText;
  /** The body as it came. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** What goes on of the caller's headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly startedEpochMs: number;
}

export interface ChatDeps extends DispatchDeps {
  readonly roundRobin: RoundRobin;
  readonly limits: AnswerLimits & { readonly eventBytes: number };
}

/** Where a stream's bytes go. A caller who has left takes everything and keeps nothing. */
export interface StreamSink {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Tells the caller, in the protocol's own way, that the stream broke. */
  fail(reason: 'timeout' | 'reset' | 'too_large' | 'internal'): void;
  end(): void;
}

export type ChatFailure =
  | DispatchFailure
  | { readonly code: 'model_not_found' | 'model_not_allowed' | 'price_unknown'; readonly model: string };

/** What the headers of an answer say. */
export interface ChatFacts {
  readonly route?: string;
  readonly provider?: string;
  readonly attempts: number;
  /** All attempts together; of a stream, only what the failed ones before it cost. */
  readonly costNanoUsd: NanoUsd;
  readonly reservedNanoUsd?: NanoUsd;
  /** There once something was sent. */
  readonly statement?: Promise<Statement | undefined>;
}

interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly facts: ChatFacts;
}

export type ChatResult =
  | (Answered & { readonly kind: 'whole'; readonly body: Uint8Array; readonly settled: Promise<void> })
  /** `pump` must be called, once: it reads the provider to its end and settles, whether the caller stays or not. */
  | (Answered & { readonly kind: 'stream'; readonly pump: (sink: StreamSink) => Promise<void> })
  | { readonly kind: 'failed'; readonly failure: ChatFailure; readonly facts: ChatFacts };

/** Figures in headers come from a snapshot at most this old. */
const STATEMENT_AGE_MS = 60_000;

/** Routes, pays for and sends a chat completion. */
export async function completeChat(deps: ChatDeps, request: ChatRequest): Promise<ChatResult> {
  const { policy, group, fields } = request;
  const resolved = resolveRoute(policy, group, fields.model);
  if (!resolved.ok) {
    const code = resolved.reason === 'not_found' ? 'model_not_found' : 'model_not_allowed';
    return { kind: 'failed', failure: { code, model: fields.model }, facts: { attempts: 0, costNanoUsd: 0n } };
  }
  const { route } = resolved;
  const priced = pricedTargets(request, route, deps.clock.now());
  if (priced.length === 0) {
    return {
      kind: 'failed',
      failure: { code: 'price_unknown', model: route.model },
      facts: { route: route.model, attempts: 0, costNanoUsd: 0n },
    };
  }
  let statement: Promise<Statement | undefined> | undefined;
  const job: Dispatch = {
    ...request,
    route,
    candidates: orderCandidates(route, priced, deps.roundRobin),
    wantsStream: fields.stream,
    path: '/chat/completions',
    detail: entryDetail(request, route),
    // Only now: figures for headers must not delay the call that they describe.
    onSent: () => {
      statement ??= readFigures(deps, request);
    },
    limits: deps.limits,
  };
  const { outcome, attempts, chargedNanoUsd, lastProvider } = await dispatch(deps, job);
  const facts = { route: route.model, provider: lastProvider, attempts, costNanoUsd: chargedNanoUsd, statement };
  if (!outcome.ok) return { kind: 'failed', failure: outcome.failure, facts };
  return answer(deps, request, job, outcome.won, facts);
}

async function readFigures(deps: ChatDeps, { policy, group, userId }: ChatRequest): Promise<Statement | undefined> {
  try {
    return await deps.payments.statement(policy, group, userId, STATEMENT_AGE_MS);
  } catch {
    return undefined;
  }
}

function answer(deps: ChatDeps, request: ChatRequest, job: Dispatch, won: Won, facts: ChatFacts): ChatResult {
  const { held, candidate, result } = won;
  const detail = detailOf(job, candidate, won.attempt);
  const { status, headers } = result;
  if (result.kind === 'stream') {
    return {
      kind: 'stream',
      status,
      headers,
      facts: { ...facts, reservedNanoUsd: candidate.boundNanoUsd },
      pump: (sink) => pump(deps, request, won, result, detail, sink),
    };
  }
  if (result.free) {
    const settled = settleSafely(deps, held, 0n, { ...detail, outcome: 'refused_by_provider' });
    return { kind: 'whole', status, headers, body: result.body, facts, settled };
  }
  const cost = isEncoded(headers) ? costOfBound(candidate) : costOfAnswer(candidate, result.body);
  const settled = settleSafely(deps, held, cost.nanoUsd, {
    ...detail,
    usage: cost.usage,
    estimated: cost.estimated,
    outcome: 'ok',
  });
  const charged = minOf(cost.nanoUsd, candidate.boundNanoUsd);
  return {
    kind: 'whole',
    status,
    headers,
    body: result.body,
    facts: { ...facts, costNanoUsd: facts.costNanoUsd + charged },
    settled,
  };
}

async function pump(
  deps: ChatDeps,
  request: ChatRequest,
  won: Won,
  stream: { readonly first: Uint8Array | undefined; readonly body: ProviderBody },
  detail: EntryDetail,
  sink: StreamSink,
): Promise<void> {
  const encoded = isEncoded(won.result.headers);
  const meter = new StreamMeter(request.fields.includeUsage, deps.limits.eventBytes);
  let outcome: 'ok' | Parameters<StreamSink['fail']>[0] = 'ok';
  try {
    for (let chunk = stream.first; chunk !== undefined; chunk = await stream.body.next()) {
      if (encoded) await sink.write(chunk);
      else for (const event of meter.push(chunk)) await sink.write(event);
    }
    for (const rest of meter.end()) await sink.write(rest);
  } catch (error) {
    stream.body.cancel();
    outcome = error instanceof ProviderBodyError ? error.reason : error instanceof EventTooLargeError ? 'too_large' : 'internal';
    deps.log.warn('stream broke', { requestId: request.requestId, provider: detail.provider, reason: outcome });
  }
  // The cost is known before the caller's end: a sink that fails must not cost the books.
  const cost = encoded ? costOfBound(won.candidate) : costOf(won.candidate, meter.reading, meter.outputBytes);
  try {
    if (outcome !== 'ok') sink.fail(outcome);
    sink.end();
  } finally {
    await settleSafely(deps, won.held, cost.nanoUsd, { ...detail, usage: cost.usage, estimated: cost.estimated, outcome });
  }
}

interface Cost {
  readonly nanoUsd: NanoUsd;
  readonly usage: Usage;
  readonly estimated?: boolean;
}

type Priced = Pick<PricedTarget, 'price' | 'bound'>;

function costOf(
  candidate: Priced,
  reading: { readonly usage: Usage; readonly estimated: boolean } | undefined,
  outputBytes: number,
): Cost {
  if (reading === undefined) return { ...costFromBytes(candidate.price, candidate.bound, outputBytes), estimated: true };
  const { usage, estimated } = reading;
  const nanoUsd = costNanoUsd(candidate.price, usage);
  // Only what a provider reports can be overage; what we add to it by estimate stays within the bound.
  return estimated ? { usage, nanoUsd: minOf(nanoUsd, candidate.bound.nanoUsd), estimated } : { usage, nanoUsd };
}

/** What a whole answer cost; what is not JSON counts in full. */
function costOfAnswer(candidate: Priced, body: Uint8Array): Cost {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    const bytes = generatedBytes(parsed);
    const usage = readUsage(parsed, bytes);
    return costOf(candidate, usage && { usage, estimated: false }, bytes);
  } catch {
    return costOf(candidate, undefined, body.length);
  }
}

/** An answer that was compressed without being asked for cannot be read on its way: it costs the most that it can. */
function costOfBound({ bound }: Priced): Cost {
  const { inputTokens, outputTokens, nanoUsd } = bound;
  return { nanoUsd, usage: { inputTokens, cachedInputTokens: 0, outputTokens }, estimated: true };
}

function isEncoded(headers: ReadonlyMap<string, string>): boolean {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  return encoding !== '' && encoding !== 'identity';
}

/** The route's targets that have a price now, each with the bound of this request as it would be sent there. */
function pricedTargets(request: ChatRequest, route: Route, nowEpochMs: number): readonly PricedTarget[] {
  const { policy, fields, text } = request;
  const cap = outputCapTokens(fields.requestedOutputTokens, request.group.maxOutputTokens);
  return route.targets.flatMap((target) => {
    const provider = policy.providers.find((candidate) => candidate.name === target.provider);
    const price = findPrice(policy.prices, target.provider, target.model, nowEpochMs);
    if (provider === undefined || price === undefined) return [];
    const edits = forwardEdits(text, fields, {
      model: target.model,
      outputCapField: provider.outputCapField,
      outputCapTokens: cap,
    });
    const bound = estimate(price, request.body.length + byteGrowth(text.text, edits), cap, fields.answers);
    const body = (): Uint8Array<ArrayBuffer> =>
      edits.length === 0 ? request.body : new TextEncoder().encode(applyEdits(text.text, edits));
    return [{ target, provider, price, bound, boundNanoUsd: bound.nanoUsd, body }];
  });
}

function entryDetail(request: ChatRequest, route: Route): EntryDetail {
  const { unlisted } = request.fields;
  return {
    requestId: request.requestId,
    group: request.group.name,
    user: request.userId,
    keyId: request.keyId,
    route: route.model,
    purpose: 'traffic',
    tags: request.tags,
    unlistedFields: unlisted.length > 0 ? unlisted.slice(0, 20) : undefined,
  };
}
