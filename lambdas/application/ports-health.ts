/**
 * Where the health of targets is kept for all processes of a stage: one small item a target. Every write is commutative or
 * conditional, so that concurrent writers do no harm; none of it stands in the way of money.
 */
import type { TargetHealth, TargetName } from '../domain/health.ts';

/** A health that nobody has written to for this long is forgotten, seconds. */
export const HEALTH_KEPT_SECONDS = 86_400;

/** Each write answers with the health after it. All throw NotAppliedError and UnknownOutcomeError, as the ledger's store does. */
export interface HealthStore {
  /** Targets that nobody wrote of are absent. */
  readHealth(targets: readonly TargetName[]): Promise<ReadonlyMap<TargetName, TargetHealth>>;
  /** Counts one failure more. */
  addFailure(target: TargetName, nowEpochMs: number): Promise<TargetHealth>;
  /** Begins or prolongs a cooldown and ends a probe. The longest wins: a shorter one changes nothing. */
  cool(target: TargetName, untilEpochMs: number, nowEpochMs: number): Promise<TargetHealth>;
  /** Takes the one probe of a target whose cooldown is over. */
  takeProbe(
    target: TargetName,
    untilEpochMs: number,
    nowEpochMs: number,
  ): Promise<{ readonly taken: boolean; readonly health: TargetHealth }>;
  /** Gives back a probe that was taken until then and not used. */
  dropProbe(target: TargetName, untilEpochMs: number, nowEpochMs: number): Promise<TargetHealth>;
  /** Ends failures and cooldown, unless the cooldown began after the success was sent. */
  recover(target: TargetName, sentAtEpochMs: number, nowEpochMs: number): Promise<TargetHealth>;
  /** Writes a rolling latency that was computed from the one of `seenEpochMs`; if another has been written since, that one stays. */
  keepLatency(target: TargetName, latencyMs: number, seenEpochMs: number | undefined, nowEpochMs: number): Promise<TargetHealth>;
}
