/**
 * The dispatch of a request over the targets of its route: hold, send, and on a failure that the route's fallback
 * covers, settle and go on to the next. Nothing is sent without a hold, and every hold made here is settled here or handed on with the answer.
 */
import type { EntryDetail } from '../domain/entries.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy, Route } from '../domain/policy.ts';
import type { MoneyRefusal } from '../domain/refusals.ts';
import { type AnswerLimits, type AttemptReport, type PricedTarget, type SendResult, failureCharge, send } from './attempt.ts';
import { type Held, LedgerUnavailableError, type Payments } from './payments.ts';
import type { Clock } from './ports.ts';
import type { Log, ProviderClient } from './ports-provider.ts';
import type { Admission, RateRefusal } from './rate-limiter.ts';
import { type RouteHealth, goesByHealth } from './route-health.ts';

export interface DispatchDeps {
  readonly payments: Payments;
  readonly providers: ProviderClient;
  readonly health: RouteHealth;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Dispatch {
  readonly requestId: string;
  readonly policy: Policy;
  readonly group: ConsumerGroup;
  readonly userId: string;
  readonly route: Route;
  /** In the order in which they are tried. */
  readonly candidates: readonly PricedTarget[];
  readonly wantsStream: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly startedEpochMs: number;
  /** What every entry of this request says. */
  readonly detail: EntryDetail;
  readonly onSent: () => void;
  /** Under way beside the first hold, where the group has rate limits. */
  readonly admission?: Promise<Admission>;
  readonly limits: AnswerLimits;
  readonly onLeftToKeeper?: () => void;
}

/** Money was held for the answer and must be settled by whoever takes it. */
export interface Won {
  readonly held: Held;
  readonly candidate: PricedTarget;
  readonly attempt: number;
  readonly result: Exclude<SendResult, { kind: 'failed' }>;
}

export type DispatchFailure =
  | { readonly code: 'money'; readonly refusal: MoneyRefusal }
  | { readonly code: 'ledger_unavailable' }
  | { readonly code: 'rate_limit_exceeded'; readonly refusal: RateRefusal }
  | {
      readonly code: 'providers_unavailable';
      readonly timedOut: boolean;
      readonly attempts: readonly AttemptReport[];
      readonly retryAfterSeconds?: number;
    };

/** `attempts` counts sends; `chargedNanoUsd` is what failed ones cost. */
export interface Dispatched {
  readonly outcome: { readonly ok: true; readonly won: Won } | { readonly ok: false; readonly failure: DispatchFailure };
  readonly attempts: number;
  readonly chargedNanoUsd: NanoUsd;
  readonly lastProvider?: string;
}

/** The longest that a request waits because every provider asked it to. */
const LONGEST_WAIT_MS = 10_000;

/** A target that failed and said when it would serve again. */
interface Asked {
  readonly candidate: PricedTarget;
  readonly retryAfterSeconds: number;
  readonly dueEpochMs: number;
}

/** Tries the candidates until one answers, the fallback ends or the money does. */
export async function dispatch(deps: DispatchDeps, job: Dispatch): Promise<Dispatched> {
  const reports: AttemptReport[] = [];
  const refusals: MoneyRefusal[] = [];
  const asked: Asked[] = [];
  const queue = [...job.candidates];
  const mostAttempts = Math.max(1, job.route.fallback.attempts);
  let hasWaited = false;
  let attempts = 0;
  let chargedNanoUsd = 0n;
  let lastProvider: string | undefined;
  const end = (outcome: Dispatched['outcome']): Dispatched => ({ outcome, attempts, chargedNanoUsd, lastProvider });

  const onceMore = async (): Promise<PricedTarget | undefined> => {
    if (hasWaited || asked.length < attempts || attempts >= mostAttempts) return undefined;
    hasWaited = true;
    return await firstDue(deps, job, asked);
  };
  for (let candidate = queue.shift(); candidate !== undefined; candidate = queue.shift() ?? (await onceMore())) {
    if (attempts >= mostAttempts) break;
    const deadlineEpochMs = job.startedEpochMs + candidate.provider.timeoutMs.total;
    if (attempts > 0 && deps.clock.now() >= deadlineEpochMs) {
      reports.push({ provider: candidate.target.provider, model: candidate.target.model, reason: 'timeout' });
      break;
    }
    const hold = await holdFor(deps, job, candidate);
    // Where there are no rate limits, nothing is waited for.
    const unadmitted = job.admission && (await refusalOf(job.admission));
    if (unadmitted !== undefined) {
      const detail = { ...detailOf(job, candidate, attempts + 1), outcome: unadmitted.code };
      if (hold?.ok === true) await settleSafely(deps, hold.held, 0n, detail);
      return end({ ok: false, failure: unadmitted });
    }
    if (hold === undefined) return end({ ok: false, failure: { code: 'ledger_unavailable' } });
    if (!hold.ok) {
      if (hold.by === 'caller') return end({ ok: false, failure: { code: 'money', refusal: hold.refusal } });
      refusals.push(hold.refusal);
      reports.push({ provider: candidate.target.provider, model: candidate.target.model, reason: hold.refusal.code });
      if (!job.route.fallback.on.includes('provider_budget')) break;
      continue;
    }
    attempts += 1;
    lastProvider = candidate.target.provider;
    const detail = detailOf(job, candidate, attempts);
    const sentAtEpochMs = deps.clock.now();
    const result = await sendHeld(deps, job, candidate, hold.held, detail, deadlineEpochMs);
    noteHealth(deps, job, candidate, result, sentAtEpochMs, attempts > 1 ? deadlineEpochMs : undefined);
    if (result.kind !== 'failed') return end({ ok: true, won: { held: hold.held, candidate, attempt: attempts, result } });

    const charge = failureCharge(job.policy, candidate, result);
    chargedNanoUsd += charge.nanoUsd;
    deps.log.warn('attempt failed', {
      requestId: job.requestId,
      provider: candidate.target.provider,
      model: candidate.target.model,
      attempt: attempts,
      reason: result.reason,
    });
    // Awaited: its hold must not stand in the way of the next one.
    await settleSafely(deps, hold.held, charge.nanoUsd, { ...detail, ...charge.detail });
    reports.push(result.report);
    const { retryAfterSeconds } = result;
    if (retryAfterSeconds !== undefined) {
      asked.push({ candidate, retryAfterSeconds, dueEpochMs: deps.clock.now() + retryAfterSeconds * 1_000 });
    }
    if (!job.route.fallback.on.includes(result.trigger)) break;
  }
  return end({ ok: false, failure: allFailed(attempts, reports, refusals, asked) });
}

/** The target that is free first, once it is: undefined when that is too long to wait for. */
async function firstDue(deps: DispatchDeps, job: Dispatch, asked: readonly Asked[]): Promise<PricedTarget | undefined> {
  const [first] = asked.toSorted((a, b) => a.dueEpochMs - b.dueEpochMs);
  if (first === undefined) return undefined;
  const waitMs = Math.max(0, first.dueEpochMs - deps.clock.now());
  const endsEpochMs = job.startedEpochMs + first.candidate.provider.timeoutMs.total;
  if (waitMs > LONGEST_WAIT_MS || deps.clock.now() + waitMs >= endsEpochMs) return undefined;
  await deps.clock.sleep(waitMs);
  return first.candidate;
}

/** A timer may end a call this much before the clock shows its time. */
const TIMER_SLACK_MS = 10;

/**
 * An attempt speaks for or against its target, but for a timeout that earlier attempts left too little time for.
 * @param sharedDeadlineEpochMs when earlier attempts were made: where the whole call ends
 */
function noteHealth(
  deps: DispatchDeps,
  job: Dispatch,
  { target }: PricedTarget,
  result: SendResult,
  sentAtEpochMs: number,
  sharedDeadlineEpochMs = Number.POSITIVE_INFINITY,
): void {
  if (!goesByHealth(job.route)) return;
  if (result.kind !== 'failed') {
    // A refusal is fast and says nothing of how long an answer takes.
    const isAnswer = result.kind === 'stream' || !result.free;
    const latencyMs = isAnswer ? deps.clock.now() - sentAtEpochMs : undefined;
    deps.health.note(job.route, target, { kind: 'answered', sentAtEpochMs, latencyMs });
    return;
  }
  if (result.trigger === 'timeout' && deps.clock.now() + TIMER_SLACK_MS >= sharedDeadlineEpochMs) return;
  deps.health.note(job.route, target, { kind: 'failed', sentAtEpochMs, retryAfterSeconds: result.retryAfterSeconds });
}

async function refusalOf(admission: Promise<Admission>): Promise<DispatchFailure | undefined> {
  const admitted = await admission;
  switch (admitted.kind) {
    case 'admitted':
      return undefined;
    case 'refused':
      return { code: 'rate_limit_exceeded', refusal: admitted };
    case 'unavailable':
      return { code: 'ledger_unavailable' };
    default:
      return admitted satisfies never;
  }
}

/** Settles, and leaves to the keeper what could not be written: an answer is never lost to the books. */
export async function settleSafely(deps: DispatchDeps, held: Held, actualNanoUsd: NanoUsd, detail: EntryDetail): Promise<void> {
  try {
    await deps.payments.settle(held, actualNanoUsd, detail);
  } catch (error) {
    deps.log.error('settlement left to the keeper', { requestId: detail.requestId, hid: held.hid, error: nameOf(error) });
  }
}

/** What an entry says of an attempt. */
export function detailOf(job: Pick<Dispatch, 'detail'>, candidate: PricedTarget, attempt: number): EntryDetail {
  return { ...job.detail, provider: candidate.target.provider, model: candidate.target.model, attempt };
}

async function holdFor(deps: DispatchDeps, job: Dispatch, candidate: PricedTarget): ReturnTypeOfHold {
  try {
    return await deps.payments.hold({
      policy: job.policy,
      group: job.group,
      userId: job.userId,
      route: job.route.model,
      target: candidate.target,
      price: candidate.price,
      boundNanoUsd: candidate.boundNanoUsd,
      onLeftToKeeper: job.onLeftToKeeper,
    });
  } catch (error) {
    if (!(error instanceof LedgerUnavailableError)) throw error;
    deps.log.error('the ledger did not answer', { requestId: job.requestId, error: error.code });
    return undefined;
  }
}

type ReturnTypeOfHold = Promise<Awaited<ReturnType<Payments['hold']>> | undefined>;

async function sendHeld(
  deps: DispatchDeps,
  job: Dispatch,
  candidate: PricedTarget,
  held: Held,
  detail: EntryDetail,
  deadlineEpochMs: number,
): Promise<SendResult> {
  try {
    const call = { headers: job.headers, deadlineEpochMs, onSent: job.onSent };
    return await send(deps.providers, candidate, call, job.wantsStream, job.limits);
  } catch (error) {
    // A defect here leaves open what was sent: the bound is what it can have cost.
    await settleSafely(deps, held, candidate.boundNanoUsd, { ...detail, outcome: 'internal', estimated: true });
    throw error;
  }
}

function allFailed(
  attempts: number,
  reports: readonly AttemptReport[],
  refusals: readonly MoneyRefusal[],
  asked: readonly Asked[],
): DispatchFailure {
  const refusal = refusals.find((candidate) => candidate.code === 'funds_reserved') ?? refusals[0];
  if (attempts === 0 && refusal !== undefined) return { code: 'money', refusal };
  const failed = reports.filter((report) => !refusals.some((candidate) => candidate.code === report.reason));
  return {
    code: 'providers_unavailable',
    timedOut:
      failed.length > 0 &&
      failed.every((report) => report.reason === 'timeout' || report.reason === 'connect_timeout' || report.status === 408),
    attempts: reports,
    retryAfterSeconds:
      asked.length > 0 ? Math.min(60, Math.max(1, Math.min(...asked.map((one) => one.retryAfterSeconds)))) : undefined,
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
