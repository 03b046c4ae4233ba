/** A call that costs money: its request checked, handed to the application, and its outcome told in HTTP. */
import { isEncoded } from '../application/answer-cost.ts';
import type { CallFacts } from '../application/complete-call.ts';
import type { Statement } from '../application/payments.ts';
import { type ReplayDeps, answerCall } from '../application/replayed-call.ts';
import { formatUsd } from '../domain/money.ts';
import type { Policy } from '../domain/policy.ts';
import type { Api } from '../domain/protocols/api.ts';
import type { Caller } from './authenticate.ts';
import { forwardedHeaders, passedHeaders, readIdempotencyKey, readTags, readUser } from './caller-headers.ts';
import { CallerStream } from './caller-stream.ts';
import { callError } from './call-errors.ts';
import { errorAnswer, invalidRequest } from './errors.ts';
import { parseRequest } from './json-document.ts';
import type { Limits } from './limits.ts';
import type { GatewayRequest, Handled, RequestHeaders } from './messages.ts';
import { rateHeaders } from './rate-headers.ts';
import { replayHeaders } from './replay-headers.ts';
import { readJsonBody } from './request-body.ts';
import { budgetHeaders } from './wallet.ts';

/** Serves one call of an API. @throws GatewayError for a request that is refused before anything is looked up */
export async function handleCall(
  deps: ReplayDeps,
  limits: Limits,
  api: Api,
  request: GatewayRequest,
  requestId: string,
  policy: Policy,
  caller: Caller,
): Promise<Handled> {
  const startedEpochMs = deps.clock.now();
  const idempotencyKey = readIdempotencyKey(request.headers, limits);
  const userId = readUser(request.headers, caller.user, limits);
  const tags = readTags(request.headers, limits);
  const body = await readJsonBody(request, limits.bodyBytes);
  const text = parseRequest(body, limits.jsonDepth);
  const read = api.readFields(text.value, policy.purpose);
  if (!read.ok) throw invalidRequest(read.problem.message, read.problem.param);
  const { fields } = read;

  const call = {
    api,
    requestId,
    policy,
    group: caller.group,
    userId,
    keyId: caller.keyId,
    tags,
    fields,
    text,
    body,
    headers: forwardedHeaders(request.headers),
    startedEpochMs,
  };
  const result = await answerCall(deps, call, idempotencyKey);
  const { facts } = result;
  const log = (status: number, outcome: string): void =>
    deps.log.info('call', {
      requestId,
      api: api.name,
      group: caller.group.name,
      keyId: caller.keyId,
      route: facts.route,
      reroutedFrom: facts.reroutedFrom,
      provider: facts.provider,
      attempts: facts.attempts,
      status,
      outcome,
      stream: fields.stream,
      durationMs: deps.clock.now() - startedEpochMs,
      retryCount: retryCount(request.headers),
    });

  if (result.kind === 'failed') {
    const answer = errorAnswer(callError(result.failure, caller.group.name), api.protocol, requestId);
    await setFacts(answer.headers, facts, fields.stream, fields.unlisted, limits);
    log(answer.status, result.failure.code === 'money' ? result.failure.refusal.code : result.failure.code);
    return { answer, done: result.settled ?? Promise.resolve() };
  }
  const headers = passedHeaders(result.headers);
  if (result.kind === 'whole') {
    await setFacts(headers, facts, false, fields.unlisted, limits);
    log(result.status, facts.replay === undefined ? 'answered' : 'replayed');
    return { answer: { status: result.status, headers, body: asBody(result.body, result.status) }, done: result.settled };
  }
  // Before anything else: whoever has a stream's hold must read the provider to its end.
  const sink = new CallerStream(limits, api, requestId, isEncoded(result.headers));
  const pumped = result.pump(sink);
  await setFacts(headers, facts, true, fields.unlisted, limits);
  const logged = async (): Promise<void> => {
    await pumped;
    log(result.status, facts.replay === undefined ? 'streamed' : 'replayed');
  };
  return { answer: { status: result.status, headers, body: sink }, done: logged() };
}

async function setFacts(
  headers: Map<string, string>,
  facts: CallFacts,
  stream: boolean,
  unlisted: readonly string[],
  limits: Limits,
): Promise<void> {
  if (facts.reservedNanoUsd === undefined) headers.set('x-tollgate-cost-usd', formatUsd(facts.costNanoUsd));
  else headers.set('x-tollgate-reserved-usd', formatUsd(facts.reservedNanoUsd));
  if (facts.route !== undefined) headers.set('x-tollgate-route', printable(facts.route));
  if (facts.reroutedFrom !== undefined) headers.set('x-tollgate-rerouted-from', printable(facts.reroutedFrom));
  if (facts.provider !== undefined) headers.set('x-tollgate-provider', printable(facts.provider));
  headers.set('x-tollgate-attempts', String(facts.attempts));
  if (unlisted.length > 0) headers.set('x-tollgate-unlisted-fields', unlisted.slice(0, limits.unlistedFields).join(','));
  if (facts.rates !== undefined) for (const [name, value] of rateHeaders(facts.rates)) headers.set(name, value);
  for (const [name, value] of replayHeaders(facts)) headers.set(name, value);
  const statement = await shortly(facts.statement, stream ? limits.streamFiguresMs : limits.figuresMs);
  for (const [name, value] of Object.entries(budgetHeaders(statement))) if (!headers.has(name)) headers.set(name, value);
}

/** What a promise gives within a moment: figures in headers are not worth a wait. */
async function shortly(promise: Promise<Statement | undefined> | undefined, ms: number): Promise<Statement | undefined> {
  if (promise === undefined) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** 204 and its like may have no body at all. */
function asBody(body: Uint8Array, status: number): Uint8Array | null {
  return status === 204 || status === 205 || status === 304 ? null : body;
}

function retryCount(headers: RequestHeaders): number | undefined {
  const text = headers.get('x-stainless-retry-count');
  return text !== null && /^\d{1,3}$/.test(text) ? Number(text) : undefined;
}

/** A policy's name as a header can carry it. */
function printable(name: string): string {
  return name.replaceAll(/[^ -~]/g, '?');
}
