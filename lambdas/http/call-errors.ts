/** The words and statuses of a call that was not served: what happened, how much, until when, and who helps. */
import type { CallFailure } from '../application/complete-call.ts';
import type { RateRefusal } from '../application/rate-limiter.ts';
import { formatUsd, maxOf } from '../domain/money.ts';
import type { MoneyRefusal } from '../domain/refusals.ts';
import { GatewayError, invalidRequest } from './errors.ts';

const NO_RETRY = { 'x-should-retry': 'false' };

/** The error that tells a failure. */
export function callError(failure: CallFailure, groupName: string): GatewayError {
  switch (failure.code) {
    case 'money':
      return moneyError(failure.refusal);
    case 'model_not_found':
      return new GatewayError({
        status: 404,
        code: failure.code,
        param: 'model',
        message: `There is no model '${printable(failure.model)}' on this stage. GET /v1/models lists those that you may call.`,
      });
    case 'model_not_allowed':
      return new GatewayError({
        status: 403,
        code: failure.code,
        param: 'model',
        message: `Group ${groupName} may not call '${printable(failure.model)}'. GET /v1/models lists the models that it may call.`,
      });
    case 'price_unknown':
      return new GatewayError({
        status: 400,
        code: failure.code,
        param: 'model',
        message: `No target of '${printable(failure.model)}' has a price, so nothing was sent. The operator can add one under prices in the policy.`,
      });
    case 'not_servable':
      return invalidRequest(failure.problem.message, failure.problem.param);
    case 'rate_limit_exceeded':
      return rateError(failure.refusal, groupName);
    case 'idempotency_conflict':
      return new GatewayError({
        status: 400,
        code: failure.code,
        param: 'idempotency-key',
        message: 'This Idempotency-Key was used with another body. Nothing was sent: use a new key for a new request.',
      });
    case 'idempotency_in_flight':
      return new GatewayError({
        status: 429,
        code: failure.code,
        param: 'idempotency-key',
        message: 'The call with this Idempotency-Key is still under way. Ask again with the same key: nothing is charged twice.',
        headers: { 'retry-after': '5' },
      });
    case 'idempotency_answer_lost':
      return new GatewayError({
        status: 400,
        code: failure.code,
        param: 'idempotency-key',
        message:
          'The call with this Idempotency-Key was or may have been charged, and its answer cannot be given: it broke, nobody knows how it ended, or it was too large to keep. Nothing was sent again. To ask anew, and be charged anew, use a new key.',
        headers: NO_RETRY,
      });
    case 'ledger_unavailable':
      return ledgerUnavailable();
    case 'providers_unavailable':
      return new GatewayError({
        status: failure.timedOut ? 504 : 502,
        code: failure.code,
        message: `No provider answered: ${failure.attempts.map((at) => `${at.provider} ${at.status ?? at.reason ?? 'failed'}`).join(', ')}.`,
        metadata: { attempts: failure.attempts },
        headers: failure.retryAfterSeconds === undefined ? {} : { 'retry-after': String(failure.retryAfterSeconds) },
      });
    default:
      return failure satisfies never;
  }
}

function rateError(refusal: RateRefusal, groupName: string): GatewayError {
  const { by, askedTokens, figures } = refusal;
  const { limits, counts, resetsAtEpochMs } = figures;
  const limit = by === 'requests' ? limits.requestsPerMinute : limits.tokensPerMinute;
  const used = counts[by];
  return new GatewayError({
    status: 429,
    code: 'rate_limit_exceeded',
    message: `Group ${groupName} may use ${limit} ${by} a minute and has used ${used}${by === 'tokens' ? `; this request may use ${askedTokens}` : ''}. Try again when the minute is over.`,
    metadata: { limited_by: `rate/${groupName}/${by}`, limit, used, resets_at: new Date(resetsAtEpochMs).toISOString() },
    headers: { 'retry-after': String(refusal.retryAfterSeconds) },
  });
}

/** The ledger did not answer: nothing was sent. */
export function ledgerUnavailable(): GatewayError {
  return new GatewayError({
    status: 503,
    code: 'ledger_unavailable',
    message: 'The ledger did not answer, so nothing was sent. Try again in a second.',
    headers: { 'retry-after': '1' },
  });
}

function moneyError(refusal: MoneyRefusal): GatewayError {
  const left = maxOf(0n, refusal.limitNanoUsd - refusal.spentNanoUsd - refusal.reservedNanoUsd);
  const resetsAt = refusal.resetsAtEpochMs === undefined ? undefined : new Date(refusal.resetsAtEpochMs).toISOString();
  const retryable = refusal.code === 'funds_reserved';
  return new GatewayError({
    status: retryable ? 429 : 402,
    code: refusal.code,
    message: moneyMessage(refusal),
    metadata: {
      limited_by: refusal.limitedBy,
      limit_usd: formatUsd(refusal.limitNanoUsd),
      spent_usd: formatUsd(refusal.spentNanoUsd),
      reserved_usd: formatUsd(refusal.reservedNanoUsd),
      requested_usd: formatUsd(refusal.requestedNanoUsd),
      resets_at: resetsAt?.replace('.000Z', 'Z') ?? null,
    },
    headers: {
      ...(retryable ? { 'retry-after': '2' } : NO_RETRY),
      'x-tollgate-budget-remaining-usd': formatUsd(left),
      ...(resetsAt === undefined ? {} : { 'x-tollgate-budget-resets-at': resetsAt.replace('.000Z', 'Z') }),
    },
  });
}

function moneyMessage(refusal: MoneyRefusal): string {
  const what = subjectOf(refusal.limitedBy);
  const { limitNanoUsd, spentNanoUsd, reservedNanoUsd, requestedNanoUsd } = refusal;
  const taken = `$${formatUsd(spentNanoUsd + reservedNanoUsd)} of $${formatUsd(limitNanoUsd)}`;
  const left = `$${formatUsd(maxOf(0n, limitNanoUsd - spentNanoUsd - reservedNanoUsd))}`;
  const asked = `$${formatUsd(requestedNanoUsd)}`;
  const end = [resetSentence(refusal.resetsAtEpochMs), refusal.owner === undefined ? '' : ` Owner: ${refusal.owner}`].join('');
  switch (refusal.code) {
    case 'insufficient_funds':
      return `${what} is short: this request may cost ${asked} and ${left} is left.${end}`;
    case 'budget_exceeded':
    case 'provider_budget_exceeded':
      return `${what} is used up: ${taken}.${end}`;
    case 'request_too_expensive':
      return `This request may cost ${asked}, and ${what.replace(/^[BWP]/, (first) => first.toLowerCase())} has ${left} left of $${formatUsd(limitNanoUsd)}.${end}`;
    case 'funds_reserved':
      return `${what} is reserved by requests in flight: ${taken}, of it $${formatUsd(reservedNanoUsd)} reserved. Try again in 2 seconds.`;
    default:
      return refusal.code satisfies never;
  }
}

/** `budget/prod/month` → `Budget 'month' of group prod`. */
function subjectOf(scope: string): string {
  const [kind = '', owner = '', name = '', user] = scope.split('/');
  if (kind === 'wallet') return `Wallet ${owner}`;
  if (kind === 'provider') return `Budget '${name}' of provider ${owner}`;
  return user === undefined ? `Budget '${name}' of group ${owner}` : `Budget '${name}' of user ${user} in group ${owner}`;
}

function resetSentence(resetsAtEpochMs: number | undefined): string {
  if (resetsAtEpochMs === undefined) return '';
  return ` It resets ${new Date(resetsAtEpochMs).toISOString().slice(0, 16)}Z.`;
}

function printable(name: string): string {
  return name.replaceAll(/[^ -~]/g, '?').slice(0, 100);
}
