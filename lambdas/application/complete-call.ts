/**
 * A paid call of any API, from its checked request to its settled cost: the route, the bound on each target, the dispatch,
 * and the true cost of what came back, read from the provider's usage or, without one, from the bytes seen.
 */
import type { EntryDetail } from '../domain/entries.ts';
import type { FieldProblem } from '../domain/field-checks.ts';
import type { RequestText } from '../domain/forwarded-request.ts';
import { type NanoUsd, minOf } from '../domain/money.ts';
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import type { Usage } from '../domain/prices.ts';
import type { Api, RequestFields } from '../domain/protocols/api.ts';
import { type RoundRobin, orderCandidates, resolveRoute } from '../domain/routing.ts';
import { costOf, costOfAnswer, costOfBound, isEncoded } from './answer-cost.ts';
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
import { routeTargets } from './budget-reroute.ts';
import type { ClaimRefusalCode } from './kept-answers.ts';
import type { Statement } from './payments.ts';
import { type ProviderBody, ProviderBodyError } from './ports-provider.ts';
import type { PricedTargets } from './priced-targets.ts';
import type { Admission, RateFigures, RateLimiter } from './rate-limiter.ts';
import { type Ordered, goesByHealth } from './route-health.ts';
import { EventTooLargeError, StreamMeter } from './stream-meter.ts';
import { translateAnswer, translateStream } from './translated-answer.ts';

export interface CallRequest {
  readonly api: Api;
  readonly requestId: string;
  readonly policy: Policy;
  readonly group: ConsumerGroup;
  readonly userId: string;
  readonly keyId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly fields: RequestFields;
  readonly text: RequestText;
  /** The body as it came. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** What goes on of the caller's headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly startedEpochMs: number;
  /** Called when something held for this call is left to the keeper, who may charge it. */
  readonly onLeftToKeeper?: () => void;
}

export interface CallDeps extends DispatchDeps {
  readonly rates: RateLimiter;
  readonly roundRobin: RoundRobin;
  readonly limits: AnswerLimits & { readonly eventBytes: number };
}

/** Where a stream's bytes go. A caller who has left takes everything and keeps nothing. */
export interface StreamSink {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Tells the caller, in the protocol's own way, that the stream broke. */
  fail(reason: 'timeout' | 'total_timeout' | 'reset' | 'too_large' | 'internal'): void;
  end(): void;
}

export type CallFailure =
  | DispatchFailure
  | { readonly code: ClaimRefusalCode }
  | { readonly code: 'model_not_found' | 'model_not_allowed' | 'price_unknown'; readonly model: string }
  /** No target of the route can serve this request as it is. */
  | { readonly code: 'not_servable'; readonly problem: FieldProblem };

/** What the headers of an answer say. */
export interface CallFacts {
  readonly route?: string;
  /** The route that was asked for, where a budget near its limit led to another. */
  readonly reroutedFrom?: string;
  readonly provider?: string;
  readonly attempts: number;
  /** All attempts together; of a stream, only what the failed ones before it cost. */
  readonly costNanoUsd: NanoUsd;
  readonly reservedNanoUsd?: NanoUsd;
  /** Where the group has rate limits. */
  readonly rates?: RateFigures;
  /** The answer was made earlier, at that cost, and is given again under a client's key or from the route's cache. */
  readonly replay?: { readonly from: 'key' | 'cache'; readonly costNanoUsd: NanoUsd };
  /** Where the route has a cache. */
  readonly cache?: 'hit' | 'miss';
  /** There once something was sent. */
  readonly statement?: Promise<Statement | undefined>;
}

interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly facts: CallFacts;
}

/** How a stream ended, what it cost with all attempts before it, and whether it is sure to be the whole answer. */
export interface StreamEnd {
  readonly outcome: 'ok' | Parameters<StreamSink['fail']>[0];
  readonly costNanoUsd: NanoUsd;
  readonly isSure: boolean;
}

export type CallResult =
  | (Answered & {
      readonly kind: 'whole';
      readonly body: Uint8Array;
      /** Sure to be what was asked for: its cost is the provider's report, and no failure is told in it. */
      readonly isSure: boolean;
      readonly settled: Promise<void>;
    })
  /** `pump` must be called, once: it reads the provider to its end and settles, whether the caller stays or not. */
  | (Answered & { readonly kind: 'stream'; readonly pump: (sink: StreamSink) => Promise<StreamEnd> })
  | {
      readonly kind: 'failed';
      readonly failure: CallFailure;
      readonly facts: CallFacts;
      /** What is still written about it. */
      readonly settled?: Promise<void>;
    };

/** Figures in headers come from a snapshot at most this old. */
const STATEMENT_AGE_MS = 60_000;

/** Routes, pays for and sends a call. */
export async function completeCall(deps: CallDeps, request: CallRequest): Promise<CallResult> {
  const { policy, group, fields } = request;
  const resolved = resolveRoute(policy, group, fields.model);
  if (!resolved.ok) {
    const code = resolved.reason === 'not_found' ? 'model_not_found' : 'model_not_allowed';
    return { kind: 'failed', failure: { code, model: fields.model }, facts: { attempts: 0, costNanoUsd: 0n } };
  }
  const targets = routeTargets(deps.payments, request, resolved.route, deps.clock.now());
  const { route, reroutedFrom } = targets;
  const { priced, problem } = withinAMinute(group, targets);
  if (priced.length === 0) {
    const failure: CallFailure =
      problem === undefined ? { code: 'price_unknown', model: route.model } : { code: 'not_servable', problem };
    return { kind: 'failed', failure, facts: { route: route.model, attempts: 0, costNanoUsd: 0n } };
  }
  const { candidates, probe }: Ordered<PricedTarget> = goesByHealth(route)
    ? await deps.health.order(route, priced, deps.roundRobin)
    : { candidates: orderCandidates(route, priced, deps.roundRobin) };
  let statement: Promise<Statement | undefined> | undefined;
  const job: Dispatch = {
    ...request,
    route,
    candidates,
    admission: admit(deps, group, candidates),
    wantsStream: fields.stream,
    detail: { ...entryDetail(request, route.model), reroutedFrom },
    // Only now: figures for headers must not delay the call that they describe.
    onSent: () => {
      statement ??= readFigures(deps, request);
    },
    limits: deps.limits,
  };
  const { outcome, attempts, chargedNanoUsd, lastProvider } = await dispatch(deps, job);
  if (probe !== undefined) deps.health.endProbe(probe);
  const rates = job.admission && figuresOf(await job.admission);
  const facts = {
    route: route.model,
    reroutedFrom,
    provider: lastProvider,
    attempts,
    costNanoUsd: chargedNanoUsd,
    rates,
    statement,
  };
  if (!outcome.ok) {
    return { kind: 'failed', failure: outcome.failure, facts, settled: countFailure(job, outcome.failure) };
  }
  return answer(deps, request, job, outcome.won, facts);
}

/**
 * Begins to count the request under its group's rate limits, beside its first hold: by its largest bound, since nobody knows
 * yet which target will serve it. What costs nothing is not counted.
 */
function admit(deps: CallDeps, group: ConsumerGroup, candidates: readonly PricedTarget[]): Promise<Admission> | undefined {
  if (group.rateLimits === undefined || candidates.every(({ upstream }) => upstream.costs === 'free')) return undefined;
  return deps.rates.admit(group, group.rateLimits, Math.max(...candidates.map(({ bound }) => tokensOf(bound))));
}

/** The targets on which some minute has room for the request. Where there is none it is wrong as it stands: a retry cannot help it. */
function withinAMinute({ name, rateLimits }: ConsumerGroup, { priced, problem }: PricedTargets): PricedTargets {
  const most = rateLimits?.tokensPerMinute;
  if (most === undefined || priced.length === 0) return { priced, problem };
  const fitting = priced.filter(({ bound }) => tokensOf(bound) <= most);
  if (fitting.length > 0) return { priced: fitting, problem };
  const least = Math.min(...priced.map(({ bound }) => tokensOf(bound)));
  const message = `This request may use ${least} tokens, and group ${name} may use ${most} a minute: shorten it or ask for less output`;
  return { priced: fitting, problem: { param: 'messages', message } };
}

/** What failed on the way to a provider does not count; what was sent counts as a request, with no tokens. */
async function countFailure(job: Dispatch, failure: CallFailure): Promise<void> {
  const admitted = await job.admission;
  if (admitted?.kind !== 'admitted') return;
  await (failure.code === 'providers_unavailable' ? admitted.ticket.used(0) : admitted.ticket.unsent());
}

/** Settles the call and corrects what its minute was counted with. */
async function settleAndCount(
  deps: CallDeps,
  job: Pick<Dispatch, 'admission'>,
  ...settlement: [held: Won['held'], nanoUsd: NanoUsd, detail: EntryDetail]
): Promise<void> {
  const [, , { usage }] = settlement;
  await Promise.all([settleSafely(deps, ...settlement), countUsage(job, usage === undefined ? 0 : tokensOf(usage))]);
}

async function countUsage(job: Pick<Dispatch, 'admission'>, tokens: number): Promise<void> {
  const admitted = await job.admission;
  if (admitted?.kind === 'admitted') await admitted.ticket.used(tokens);
}

function tokensOf({ inputTokens, outputTokens }: Pick<Usage, 'inputTokens' | 'outputTokens'>): number {
  return inputTokens + outputTokens;
}

function figuresOf(admission: Admission): RateFigures | undefined {
  return admission.kind === 'unavailable' ? undefined : admission.figures;
}

async function readFigures(deps: CallDeps, { policy, group, userId }: CallRequest): Promise<Statement | undefined> {
  try {
    return await deps.payments.statement(policy, group, userId, STATEMENT_AGE_MS);
  } catch {
    return undefined;
  }
}

function answer(deps: CallDeps, request: CallRequest, job: Dispatch, won: Won, facts: CallFacts): CallResult {
  const { held, candidate, result } = won;
  const detail = detailOf(job, candidate, won.attempt);
  const { status, headers } = result;
  if (result.kind === 'stream') {
    return {
      kind: 'stream',
      status,
      headers,
      facts: { ...facts, reservedNanoUsd: candidate.boundNanoUsd },
      pump: async (sink) => {
        const end = await pump(deps, request, job, won, result, detail, sink);
        return { ...end, costNanoUsd: facts.costNanoUsd + minOf(end.costNanoUsd, candidate.boundNanoUsd) };
      },
    };
  }
  if (result.free) {
    const settled = settleAndCount(deps, job, held, 0n, { ...detail, outcome: 'refused_by_provider' });
    return { kind: 'whole', ...translateAnswer(candidate, result, deps.clock.now()), facts, isSure: false, settled };
  }
  const cost = isEncoded(headers) ? costOfBound(candidate) : costOfAnswer(candidate, result.body);
  const settled = settleAndCount(deps, job, held, cost.nanoUsd, {
    ...detail,
    usage: cost.usage,
    estimated: cost.estimated,
    outcome: 'ok',
  });
  const charged = minOf(cost.nanoUsd, candidate.boundNanoUsd);
  return {
    kind: 'whole',
    ...translateAnswer(candidate, result, deps.clock.now()),
    facts: { ...facts, costNanoUsd: facts.costNanoUsd + charged },
    isSure: cost.estimated !== true && cost.failed !== true,
    settled,
  };
}

async function pump(
  deps: CallDeps,
  request: CallRequest,
  job: Pick<Dispatch, 'admission'>,
  won: Won,
  stream: { readonly first: Uint8Array | undefined; readonly body: ProviderBody },
  detail: EntryDetail,
  sink: StreamSink,
): Promise<StreamEnd> {
  const encoded = isEncoded(won.result.headers);
  const { upstream, translation } = won.candidate;
  // A translated stream says of usage what the caller wants to know, so its translator must see all of it.
  const meter = new StreamMeter(
    upstream.readEvents(request.fields.includeUsage || translation !== undefined),
    deps.limits.eventBytes,
    translation !== undefined,
  );
  const translated = translateStream(won.candidate, request.fields, deps.clock.now());
  let outcome: 'ok' | 'internal' | 'too_large' | ProviderBodyError['reason'] = 'ok';
  let overTotal = false;
  try {
    for (let chunk = stream.first; chunk !== undefined; chunk = await stream.body.next()) {
      if (encoded) await sink.write(chunk);
      else for (const event of meter.push(chunk)) await sink.write(translated.event(event));
    }
    for (const rest of meter.end()) await sink.write(translated.event(rest));
    await sink.write(translated.end());
  } catch (error) {
    stream.body.cancel();
    overTotal = error instanceof ProviderBodyError && error.overTotal;
    outcome = error instanceof ProviderBodyError ? error.reason : error instanceof EventTooLargeError ? 'too_large' : 'internal';
    deps.log.warn('stream broke', { requestId: request.requestId, provider: detail.provider, reason: outcome });
  }
  // The cost is known before the caller's end: a sink that fails must not cost the books.
  const cost = encoded ? costOfBound(won.candidate) : costOf(won.candidate, meter.reading, meter.outputBytes);
  try {
    if (outcome !== 'ok') sink.fail(overTotal ? 'total_timeout' : outcome);
    sink.end();
  } finally {
    await settleAndCount(deps, job, won.held, cost.nanoUsd, {
      ...detail,
      usage: cost.usage,
      estimated: cost.estimated,
      outcome,
    });
  }
  return { outcome, costNanoUsd: cost.nanoUsd, isSure: cost.estimated !== true && meter.isWhole };
}

/** What every entry of a call says. @param route its name, after aliases */
export function entryDetail(request: CallRequest, route: string | undefined): EntryDetail {
  const { unlisted } = request.fields;
  return {
    requestId: request.requestId,
    group: request.group.name,
    user: request.userId,
    keyId: request.keyId,
    route,
    purpose: 'traffic',
    tags: request.tags,
    unlistedFields: unlisted.length > 0 ? unlisted.slice(0, 20) : undefined,
  };
}
