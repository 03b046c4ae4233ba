/** A clock that moves when a test says so; `sleep` moves it too. */
import type { Clock } from '../../../lambdas/application/ports.ts';

export class ManualClock implements Clock {
  private epochMs = Date.UTC(2026, 10, 23, 12);

  now(): number {
    return this.epochMs;
  }

  advance(ms: number): void {
    this.epochMs += ms;
  }

  async sleep(ms: number): Promise<void> {
    this.advance(ms);
    await Promise.resolve();
  }
}
