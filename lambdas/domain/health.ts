/**
 * What is known of a target's health: failures in a row, a cooldown and who probes its end, and how fast it answers.
 * Pure: the state comes from a store, the time from the caller.
 */
import type { Cooldown, Target } from './policy.ts';

/** `provider/model`: health belongs to a target, whichever routes lead to it. */
export type TargetName = string;

/** A target's health as kept. One that was never heard of has no failures and no figures. */
export interface TargetHealth {
  /** Failures since the last success. */
  readonly failures: number;
  /** When its cooldown began or was prolonged; absent while it is closed. */
  readonly openedEpochMs?: number;
  readonly coolUntilEpochMs?: number;
  /** A probe is under way and decides until then. */
  readonly probeUntilEpochMs?: number;
  /** Rolling time to the first byte. */
  readonly latencyMs?: number;
  readonly latencyEpochMs?: number;
}

export const HEALTHY: TargetHealth = { failures: 0 };

/** `due`: its cooldown is over and nobody has tried it since, so one request may. */
export type Standing = 'healthy' | 'due' | 'cooling';

/** A failure as the cooldown sees it. */
export interface Failure {
  readonly nowEpochMs: number;
  readonly sentAtEpochMs: number;
  /** How long the provider asked to be left alone; already bounded. */
  readonly askedMs?: number;
}

/** A figure this old is none: the target is explored again. */
export const LATENCY_STALE_MS = 5 * 60_000;
/** The weight of what is known against one new sample; it halves with every minute of age. */
const KNOWN_WEIGHT = 8;
const HALF_LIFE_MS = 60_000;

/** How health is kept by name. */
export function targetName(target: Pick<Target, 'provider' | 'model'>): TargetName {
  return `${target.provider}/${target.model}`;
}

export function standingOf(health: TargetHealth, nowEpochMs: number): Standing {
  if (health.coolUntilEpochMs === undefined) return 'healthy';
  return readyAtEpochMs(health) > nowEpochMs ? 'cooling' : 'due';
}

/** When a target that is not healthy may be tried; 0 for a healthy one. */
export function readyAtEpochMs(health: TargetHealth): number {
  return Math.max(health.coolUntilEpochMs ?? 0, health.probeUntilEpochMs ?? 0);
}

/**
 * Until when a target cools after a failure that `health` already counts; undefined when this failure changes nothing.
 * A failure that was sent before the cooldown began says nothing new.
 */
export function coolUntilEpochMs(health: TargetHealth, cooldown: Cooldown, failure: Failure): number | undefined {
  const { nowEpochMs, sentAtEpochMs, askedMs } = failure;
  const opens =
    health.openedEpochMs === undefined ? health.failures >= cooldown.afterFailures : sentAtEpochMs > health.openedEpochMs;
  const until = Math.max(opens ? nowEpochMs + cooldown.forMs : 0, askedMs === undefined ? 0 : nowEpochMs + askedMs);
  return until > (health.coolUntilEpochMs ?? 0) ? until : undefined;
}

/** Whether a success ends what is held against the target: one sent before the cooldown began does not. */
export function recovers(health: TargetHealth, sentAtEpochMs: number): boolean {
  return health.openedEpochMs === undefined || health.openedEpochMs < sentAtEpochMs;
}

/** The rolling latency after one more sample, whole ms. */
export function withSample(health: TargetHealth, sampleMs: number, nowEpochMs: number): number {
  const ageMs = Math.max(0, nowEpochMs - (health.latencyEpochMs ?? 0));
  const weight = Math.floor(KNOWN_WEIGHT / 2 ** Math.floor(ageMs / HALF_LIFE_MS));
  return Math.floor(((health.latencyMs ?? 0) * weight + Math.max(0, Math.round(sampleMs))) / (weight + 1));
}

/** The rolling latency while it counts; undefined when it is unknown or too old. */
export function latencyOf(health: TargetHealth, nowEpochMs: number): number | undefined {
  const isFresh = nowEpochMs - (health.latencyEpochMs ?? Number.NEGATIVE_INFINITY) < LATENCY_STALE_MS;
  return isFresh ? health.latencyMs : undefined;
}
