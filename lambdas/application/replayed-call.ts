/**
 * A call whose answer may be given again. With a client's Idempotency-Key the call is made, and charged, once, and repeats get
 * its answer; on a route with a cache the same request gets the stored answer. A call with neither is `completeCall` and
 * nothing else.
 */
import type { Route } from '../domain/policy.ts';
import { resolveRoute } from '../domain/routing.ts';
import {
  type CallDeps,
  type CallFacts,
  type CallRequest,
  type CallResult,
  type StreamEnd,
  completeCall,
  entryDetail,
} from './complete-call.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { StoredAnswer } from './ports-answers.ts';
import { Tape } from './tape.ts';

export interface ReplayDeps extends CallDeps {
  readonly answers: KeptAnswers;
  readonly limits: CallDeps['limits'] & {
    /** The largest answer that is kept, bytes. */
    readonly keptAnswerBytes: number;
    /** How long a repeat waits for the call in flight. */
    readonly replayWaitMs: number;
  };
}

type Answered = Exclude<CallResult, { kind: 'failed' }>;

/** Answers a call. @param clientKey its Idempotency-Key, where it has one */
export function answerCall(deps: ReplayDeps, request: CallRequest, clientKey: string | undefined): Promise<CallResult> {
  return clientKey === undefined ? callOrCached(deps, request) : callOnce(deps, request, clientKey);
}

async function callOnce(deps: ReplayDeps, request: CallRequest, clientKey: string): Promise<CallResult> {
  const claimed = await deps.answers.claim(request, clientKey, deps.limits.replayWaitMs);
  if (claimed.kind === 'refused') {
    return { kind: 'failed', failure: { code: claimed.code }, facts: { attempts: 0, costNanoUsd: 0n } };
  }
  if (claimed.kind === 'kept') return replay(deps, request, claimed.answer, 'key');
  const { claim } = claimed;
  let left = false;
  const once = { ...request, onLeftToKeeper: () => (left = true) };
  let result: CallResult;
  try {
    result = await callOrCached(deps, once);
  } catch (error) {
    await claim.finish(undefined);
    throw error;
  }
  const { facts } = result;
  // Only what surely cost nothing may be sent again.
  const isFree = (): boolean => !left && facts.costNanoUsd === 0n;
  if (result.kind === 'failed') {
    return { ...result, settled: after(result.settled, () => (isFree() ? claim.release() : claim.finish(undefined))) };
  }
  if (result.kind === 'whole' && !isSuccess(result)) {
    const refusal = wholeAnswer(deps, result);
    return { ...result, settled: after(result.settled, () => (isFree() ? claim.release() : claim.finish(refusal))) };
  }
  return keeping(deps, result, (answer) => claim.finish(answer));
}

function callOrCached(deps: ReplayDeps, request: CallRequest): Promise<CallResult> {
  const route = cachedRouteOf(request);
  return route === undefined ? completeCall(deps, request) : callThroughCache(deps, request, route);
}

async function callThroughCache(deps: ReplayDeps, request: CallRequest, { route, ttlMs }: CachedRoute): Promise<CallResult> {
  const key = deps.answers.cacheKey(request, route);
  const cached = await deps.answers.findCached(key, ttlMs);
  if (cached !== undefined) return replay(deps, request, cached, 'cache');
  const called = await completeCall(deps, request);
  const result: CallResult = { ...called, facts: { ...called.facts, cache: 'miss' } };
  // Only what is sure to be the whole answer of this route's own targets.
  if (result.kind === 'failed' || !isSuccess(result) || result.facts.route !== route.model) return result;
  if (result.kind === 'whole' && !result.isSure) return result;
  return keeping(deps, result, async (answer, end) => {
    if (answer !== undefined && end?.isSure !== false) await deps.answers.keepCached(key, answer, ttlMs);
  });
}

interface CachedRoute {
  readonly route: Route;
  readonly ttlMs: number;
}

/** The route of a call, where it has a cache. What the provider bills nothing for is not worth one. */
function cachedRouteOf({ policy, group, api, fields }: CallRequest): CachedRoute | undefined {
  if (api.costs === 'free' || !policy.routes.some(({ cache }) => cache !== undefined)) return undefined;
  const resolved = resolveRoute(policy, group, fields.model);
  if (!resolved.ok || resolved.route.cache === undefined) return undefined;
  return { route: resolved.route, ttlMs: resolved.route.cache.ttlMs };
}

/** Passes an answer on and hands it over when it is whole; undefined: it broke, or it is too large to be kept. */
function keeping(
  deps: ReplayDeps,
  result: Answered,
  keep: (answer: StoredAnswer | undefined, end?: StreamEnd) => Promise<void>,
): Answered {
  if (result.kind === 'whole') {
    return { ...result, settled: Promise.all([result.settled, keep(wholeAnswer(deps, result))]).then(() => undefined) };
  }
  return {
    ...result,
    pump: async (sink) => {
      const tape = new Tape(sink, deps.limits.keptAnswerBytes);
      let end: StreamEnd | undefined;
      try {
        end = await result.pump(tape);
        return end;
      } finally {
        const body = end?.outcome === 'ok' ? tape.bytes() : undefined;
        const costNanoUsd = end?.costNanoUsd ?? 0n;
        await keep(body && { ...keptFacts(deps, result), stream: true, body, costNanoUsd }, end);
      }
    },
  };
}

function wholeAnswer(deps: ReplayDeps, result: Extract<CallResult, { kind: 'whole' }>): StoredAnswer | undefined {
  const { body, facts } = result;
  if (body.length > deps.limits.keptAnswerBytes) return undefined;
  return { ...keptFacts(deps, result), stream: false, body, costNanoUsd: facts.costNanoUsd };
}

/** Headers that belong to the bytes; a provider's rate limits would be out of date. */
const KEPT_HEADERS = ['content-type', 'content-encoding'];

function keptFacts(deps: ReplayDeps, { status, headers, facts }: Answered) {
  return {
    status,
    headers: new Map([...headers].filter(([name]) => KEPT_HEADERS.includes(name))),
    route: facts.route,
    provider: facts.provider,
    atEpochMs: deps.clock.now(),
  };
}

/** Gives a kept answer: no hold, no rate limit, an entry of zero. */
function replay(deps: ReplayDeps, request: CallRequest, answer: StoredAnswer, from: 'key' | 'cache'): CallResult {
  const { status, headers, route, provider } = answer;
  const facts: CallFacts = {
    route,
    provider,
    attempts: 0,
    costNanoUsd: 0n,
    replay: { from, costNanoUsd: answer.costNanoUsd },
    ...(from === 'cache' ? { cache: 'hit' as const } : {}),
  };
  const record = (): Promise<void> => {
    const purpose = from === 'key' ? 'replayed' : 'cached';
    return deps.payments.record({ ...entryDetail(request, route), provider, purpose, outcome: 'ok' });
  };
  if (!answer.stream) return { kind: 'whole', status, headers, facts, isSure: true, body: answer.body, settled: record() };
  const pump: Extract<CallResult, { kind: 'stream' }>['pump'] = async (sink) => {
    let outcome: StreamEnd['outcome'] = 'ok';
    try {
      await sink.write(answer.body);
    } catch {
      outcome = 'internal';
      deps.log.warn('stream broke', { requestId: request.requestId, provider, reason: outcome });
    }
    sink.end();
    await record();
    return { outcome, costNanoUsd: 0n, isSure: true };
  };
  return { kind: 'stream', status, headers, facts, pump };
}

function isSuccess({ status }: Answered): boolean {
  return status >= 200 && status < 300;
}

async function after(settled: Promise<void> | undefined, then: () => Promise<void>): Promise<void> {
  await settled;
  await then();
}
