/**
 * The gateway: one request in, one answer out, as plain values or as a WHATWG `Request` and `Response`. It knows no server; the
 * Node and Lambda entries do. It never throws: what goes wrong is an answer in our shape, with the request's id.
 */
import type { KeptAnswers } from '../application/kept-answers.ts';
import type { Payments } from '../application/payments.ts';
import type { Clock, KeyStore, PolicySource, Random } from '../application/ports.ts';
import type { Log, ProviderClient } from '../application/ports-provider.ts';
import type { RateLimiter } from '../application/rate-limiter.ts';
import type { ReplayDeps } from '../application/replayed-call.ts';
import type { RouteHealth } from '../application/route-health.ts';
import type { Api } from '../domain/protocols/api.ts';
import { APIS } from '../domain/protocols/registry.ts';
import { RoundRobin } from '../domain/routing.ts';
import { Authenticator } from './authenticate.ts';
import { checkHeaderSize, readUser } from './caller-headers.ts';
import { ledgerUnavailable } from './call-errors.ts';
import { type ErrorShape, GatewayError, errorAnswer } from './errors.ts';
import { LIMITS, type Limits } from './limits.ts';
import { type Answer, CallerLeftError, type GatewayRequest, type Handled, jsonAnswer } from './messages.ts';
import { MODELS_PATH, getModel, listModels } from './models.ts';
import { handleCall } from './paid-call.ts';
import { walletAnswer } from './wallet.ts';
import { fromRequest, toResponse } from './whatwg.ts';

export interface GatewayDeps {
  readonly stage: string;
  /** Of this software; `/healthz` says it. */
  readonly version: string;
  readonly policies: PolicySource;
  readonly keys: KeyStore;
  readonly payments: Payments;
  readonly rates: RateLimiter;
  readonly answers: KeptAnswers;
  readonly providers: ProviderClient;
  readonly health: RouteHealth;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** @default LIMITS */
  readonly limits?: Partial<Limits>;
}

export interface Gateway {
  /** Answers a request. `done` resolves when its money is settled; whoever runs the process waits for it. */
  handle(request: Request, info?: RequestInfo): Promise<{ readonly response: Response; readonly done: Promise<void> }>;
}

/** The same in plain values, for an entry that makes no WHATWG objects. */
export interface PlainGateway {
  answer(request: GatewayRequest, info?: RequestInfo): Promise<Handled>;
}

interface RequestInfo {
  readonly requestId?: string;
}

/** Figures of `GET /v1/wallet` are at most this old. */
const WALLET_AGE_MS = 5_000;

/** Builds the gateway once per process: it holds the key cache, the round robin's turns and the count of open calls. */
export function createGateway(deps: GatewayDeps): Gateway & PlainGateway {
  const limits: Limits = { ...LIMITS, ...deps.limits };
  const authenticator = new Authenticator(deps.keys, deps.clock, limits);
  const calls: ReplayDeps = { ...deps, limits, roundRobin: new RoundRobin(() => deps.random.fraction()) };
  let openCalls = 0;

  const serveCall = async (api: Api, request: GatewayRequest, requestId: string): Promise<Handled> => {
    if (openCalls >= limits.openCalls) {
      throw new GatewayError({
        status: 503,
        code: 'too_many_open_calls',
        message: `This gateway has ${limits.openCalls} calls open. Try again in a second.`,
        headers: { 'retry-after': '1' },
      });
    }
    openCalls += 1;
    const close = (): void => {
      openCalls -= 1;
    };
    try {
      const policy = await deps.policies.current();
      const caller = await authenticator.authenticate(request.headers, policy);
      const handled = await handleCall(calls, limits, api, request, requestId, policy, caller);
      void handled.done.then(close, close);
      return handled;
    } catch (error) {
      close();
      throw error;
    }
  };

  const serveRead = async (request: GatewayRequest, path: string): Promise<Answer> => {
    const policy = await deps.policies.current();
    const caller = await authenticator.authenticate(request.headers, policy);
    if (path === MODELS_PATH) return listModels(policy, caller.group, request.headers);
    if (isModel(path)) return getModel(policy, caller.group, request.headers, path.slice(MODELS_PATH.length + 1));
    const user = readUser(request.headers, caller.user, limits);
    const statement = await deps.payments.statement(policy, caller.group, user, WALLET_AGE_MS);
    if (statement === undefined) throw ledgerUnavailable();
    return walletAnswer(policy, caller.group, user, statement);
  };

  const route = async (request: GatewayRequest, requestId: string): Promise<Handled> => {
    checkHeaderSize(request.headers, limits.headerBytes);
    const { method, path } = request;
    const allowed = METHODS[isModel(path) ? MODELS_PATH : path];
    if (allowed === undefined) throw notFound(method, path);
    if (!allowed.includes(method)) {
      throw new GatewayError({
        status: 405,
        code: 'method_not_allowed',
        message: `${path} answers ${allowed.join(' and ')} only.`,
        headers: { allow: allowed.join(', ') },
      });
    }
    const api = APIS.find((candidate) => candidate.path === path);
    if (api !== undefined) return await serveCall(api, request, requestId);
    if (path === '/healthz') return settled(jsonAnswer({ status: 'ok', stage: deps.stage, version: deps.version }));
    return settled(await serveRead(request, path));
  };

  const gateway: Gateway & PlainGateway = {
    async answer(request, info = {}) {
      const requestId = info.requestId ?? `req_${deps.random.id(24)}`;
      let handled: Handled;
      try {
        handled = await route(request, requestId);
      } catch (error) {
        handled = settled(errorAnswer(asGatewayError(error, deps.log, requestId), shapeOf(request), requestId));
      }
      const { headers } = handled.answer;
      headers.set('x-request-id', requestId);
      headers.set('request-id', requestId);
      if (!headers.has('x-tollgate-reserved-usd') && !headers.has('x-tollgate-cost-usd'))
        headers.set('x-tollgate-cost-usd', '0.00');
      return { answer: handled.answer, done: handled.done.catch((error: unknown) => logDefect(error, deps.log, requestId)) };
    },
    async handle(request, info) {
      const { answer, done } = await gateway.answer(fromRequest(request), info);
      return { response: toResponse(request.method === 'HEAD' ? { ...answer, body: null } : answer), done };
    },
  };
  return gateway;
}

/** HEAD is a GET whose answer's body stays away. */
const READ = ['GET', 'HEAD'];
/** Every path that is served, with its methods. Below the path of models stands each of them by name. */
export const METHODS: Readonly<Record<string, readonly string[] | undefined>> = Object.assign(Object.create(null), {
  '/healthz': READ,
  ...Object.fromEntries(APIS.map(({ path }) => [path, ['POST']])),
  [MODELS_PATH]: READ,
  '/v1/wallet': READ,
});

/** `/v1/models/NAME` */
function isModel(path: string): boolean {
  return path.startsWith(`${MODELS_PATH}/`);
}

function settled(answer: Answer): Handled {
  return { answer, done: Promise.resolve() };
}

function notFound(method: string, path: string): GatewayError {
  return new GatewayError({
    status: 404,
    code: 'not_found',
    message: `There is nothing at ${method} ${path.replaceAll(/[^ -~]/g, '?').slice(0, 100)}. This gateway serves ${Object.keys(METHODS).join(', ')}.`,
  });
}

/** Anthropic's shape on Anthropic's paths; the paths of models are both, told apart by the version header. */
function shapeOf({ path, headers }: GatewayRequest): ErrorShape {
  const anthropic =
    path.startsWith('/v1/messages') || ((path === MODELS_PATH || isModel(path)) && headers.has('anthropic-version'));
  return anthropic ? 'anthropic' : 'openai';
}

function asGatewayError(error: unknown, log: Log, requestId: string): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof CallerLeftError) {
    log.info('the caller broke off its request', { requestId });
    return new GatewayError({ status: 400, code: 'invalid_request', message: 'The request broke off.' });
  }
  logDefect(error, log, requestId);
  if (error instanceof Error && 'code' in error && error.code === 'policy_unavailable') {
    return new GatewayError({
      status: 503,
      code: 'policy_unavailable',
      message: 'The policy of this stage could not be read, so nothing was sent. Try again in a second.',
      headers: { 'retry-after': '1' },
    });
  }
  return new GatewayError({ status: 500, code: 'internal_error', message: `Something went wrong here. Request ${requestId}.` });
}

/** Where, not what: an error's words may quote a prompt. */
function logDefect(error: unknown, log: Log, requestId: string): void {
  const frames =
    error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at ')) : [];
  log.error('internal error', {
    requestId,
    error: error instanceof Error ? error.name : typeof error,
    at: frames.slice(0, 5).map((line) => line.trim()),
  });
}
