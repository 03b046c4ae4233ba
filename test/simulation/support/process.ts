/**
 * One simulated process: its own clock, its own chance, its own view of the policy. A crash is final: from then on none
 * of its promises ever resolves, so no continuation of it runs.
 */
import type { Clock } from '../../../lambdas/application/ports.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import type { Dice } from './dice.ts';
import type { Engine } from './engine.ts';
import type { Trace } from './trace.ts';

export interface ProcessParts {
  readonly name: string;
  readonly engine: Engine;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly skewMs: number;
  /** Of a crash, at every await. */
  readonly crash: number;
  readonly policy: Policy;
  readonly onCrash: () => void;
}

export class SimulatedProcess {
  alive = true;
  /** The policy as this process knows it. */
  policy: Policy;
  /** The probability of a crash at an await; 0 once the simulation ends. */
  crashes: number;
  readonly name: string;
  readonly dice: Dice;
  readonly clock: Clock;
  private readonly parts: ProcessParts;

  constructor(parts: ProcessParts) {
    this.parts = parts;
    this.name = parts.name;
    this.dice = parts.dice;
    this.policy = parts.policy;
    this.crashes = parts.crash;
    const { engine, skewMs } = parts;
    this.clock = {
      now: () => Math.floor(engine.now + skewMs),
      sleep: (ms) =>
        new Promise((resolve) => {
          if (!this.passesAwait('sleep')) return;
          engine.after(ms, () => {
            if (this.alive) resolve();
          });
        }),
    };
  }

  /** Every await goes through here. False: the process has died at it. */
  passesAwait(at: string): boolean {
    if (this.alive && this.dice.chance(this.crashes)) this.crash(`before ${at}`);
    return this.alive;
  }

  /** Draws whether it dies while it waits, and when. */
  mayCrashWithin(ms: number, at: string): void {
    if (!this.dice.chance(this.crashes)) return;
    this.parts.engine.after(this.dice.between(0, ms), () => this.crash(`while it waits for ${at}`));
  }

  crash(when: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.parts.trace.note(this.name, () => `CRASH ${when}`);
    this.parts.onCrash();
  }
}
