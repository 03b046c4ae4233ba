/** The health of targets in memory, for tests and for several gateways in one process. */
import type { HealthStore } from '../../application/ports-health.ts';
import { HEALTHY, type TargetHealth, type TargetName, readyAtEpochMs, recovers } from '../../domain/health.ts';

/** Each operation is one step: nothing comes between its condition and its write. */
export class MemoryHealthStore implements HealthStore {
  private readonly kept = new Map<TargetName, TargetHealth>();

  async readHealth(targets: readonly TargetName[]): Promise<ReadonlyMap<TargetName, TargetHealth>> {
    const found = new Map<TargetName, TargetHealth>();
    for (const target of targets) {
      const health = this.kept.get(target);
      if (health !== undefined) found.set(target, health);
    }
    return found;
  }

  async addFailure(target: TargetName): Promise<TargetHealth> {
    const health = this.of(target);
    return this.keep(target, { ...health, failures: health.failures + 1 });
  }

  async cool(target: TargetName, untilEpochMs: number, nowEpochMs: number): Promise<TargetHealth> {
    const { probeUntilEpochMs: _, ...health } = this.of(target);
    if ((health.coolUntilEpochMs ?? 0) >= untilEpochMs) return this.of(target);
    return this.keep(target, { ...health, openedEpochMs: nowEpochMs, coolUntilEpochMs: untilEpochMs });
  }

  async takeProbe(
    target: TargetName,
    untilEpochMs: number,
    nowEpochMs: number,
  ): Promise<{ readonly taken: boolean; readonly health: TargetHealth }> {
    const health = this.of(target);
    if (health.coolUntilEpochMs === undefined || readyAtEpochMs(health) > nowEpochMs) return { taken: false, health };
    return { taken: true, health: this.keep(target, { ...health, probeUntilEpochMs: untilEpochMs }) };
  }

  async dropProbe(target: TargetName, untilEpochMs: number): Promise<TargetHealth> {
    const { probeUntilEpochMs, ...health } = this.of(target);
    return probeUntilEpochMs === untilEpochMs ? this.keep(target, health) : this.of(target);
  }

  async recover(target: TargetName, sentAtEpochMs: number): Promise<TargetHealth> {
    const health = this.of(target);
    if (!recovers(health, sentAtEpochMs)) return health;
    const { latencyMs, latencyEpochMs } = health;
    return this.keep(target, latencyMs === undefined ? HEALTHY : { failures: 0, latencyMs, latencyEpochMs });
  }

  async keepLatency(
    target: TargetName,
    latencyMs: number,
    seenEpochMs: number | undefined,
    nowEpochMs: number,
  ): Promise<TargetHealth> {
    const health = this.of(target);
    return health.latencyEpochMs === seenEpochMs
      ? this.keep(target, { ...health, latencyMs, latencyEpochMs: nowEpochMs })
      : health;
  }

  private of(target: TargetName): TargetHealth {
    return this.kept.get(target) ?? HEALTHY;
  }

  private keep(target: TargetName, health: TargetHealth): TargetHealth {
    this.kept.set(target, health);
    return health;
  }
}
