/** Rate limits as a property: whatever is asked, corrected, lost and raced, no minute counts more than its limits. */
import fc from 'fast-check';
import { MemoryRateStore } from '../../lambdas/adapters/memory/rate-store.ts';
import { NotAppliedError, UnknownOutcomeError } from '../../lambdas/application/ports.ts';
import type { RateStore } from '../../lambdas/application/ports-rates.ts';
import { RateLimiter } from '../../lambdas/application/rate-limiter.ts';
import { HandClock, seeded } from '../support/ledger.ts';

const MINUTE_MS = 60_000;
const GROUP = { name: 'dev' };
const seed = process.env.TOLLGATE_SEED === undefined ? undefined : Number(process.env.TOLLGATE_SEED);

interface Step {
  readonly process: number;
  readonly tokens: number;
  readonly usedShare: number;
  readonly waitMs: number;
  readonly fault: 'none' | 'not applied' | 'request lost' | 'reply lost';
  readonly sent: boolean;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    process: fc.nat(2),
    tokens: fc.integer({ min: 0, max: 100 }),
    usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    waitMs: fc.oneof(fc.constant(0), fc.nat(20_000)),
    fault: fc.constantFrom(
      'none' as const,
      'none' as const,
      'not applied' as const,
      'request lost' as const,
      'reply lost' as const,
    ),
    sent: fc.boolean(),
  }),
  { maxLength: 40 },
);

function faulty(store: RateStore, next: () => Step['fault']): RateStore {
  const through = async <T>(perform: () => Promise<T>): Promise<T> => {
    const fault = next();
    if (fault === 'not applied') throw new NotAppliedError('conflict');
    if (fault === 'request lost') throw new UnknownOutcomeError('request lost');
    const answer = await perform();
    if (fault === 'reply lost') throw new UnknownOutcomeError('reply lost');
    return answer;
  };
  return {
    takeRate: (...args) => through(() => store.takeRate(...args)),
    adjustRate: (...args) => through(() => store.adjustRate(...args)),
  };
}

test('what is admitted in a minute never passes its limits, and a refusal says when the minute ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 100, max: 300 }),
      async (plan, requests, tokens) => {
        const clock = new HandClock();
        const truth = new MemoryRateStore();
        let fault: Step['fault'] = 'none';
        const limiters = [0, 1, 2].map(
          (n) =>
            new RateLimiter(
              faulty(truth, () => {
                const now = fault;
                fault = 'none';
                return now;
              }),
              { clock, random: seeded(n) },
              { error: () => undefined },
            ),
        );
        const limits = { requestsPerMinute: requests, tokensPerMinute: tokens };
        /** Admitted requests by minute, with what they count as now. */
        const minutes = new Map<number, { requests: number; tokens: number }>();
        for (const step of plan) {
          clock.advance(step.waitMs);
          const startedAt = clock.now();
          fault = step.fault;
          const admitted = await limiters[step.process]?.admit(GROUP, limits, step.tokens);
          fault = 'none';
          if (admitted === undefined) throw new RangeError('no such process');
          if (admitted.kind === 'refused') {
            expect(admitted.retryAfterSeconds).toBeGreaterThanOrEqual(1);
            expect(admitted.retryAfterSeconds).toBeLessThanOrEqual(60);
            expect(admitted.figures.resetsAtEpochMs).toBe(startedAt - (startedAt % MINUTE_MS) + MINUTE_MS);
          }
          if (admitted.kind !== 'admitted') continue;
          const minute = startedAt - (startedAt % MINUTE_MS);
          const counted = minutes.get(minute) ?? { requests: 0, tokens: 0 };
          minutes.set(minute, counted);
          counted.requests += 1;
          counted.tokens += step.tokens;
          expect(counted.requests).toBeLessThanOrEqual(requests);
          expect(counted.tokens).toBeLessThanOrEqual(tokens);
          const used = Math.floor(step.tokens * step.usedShare);
          await (step.sent ? admitted.ticket.used(used) : admitted.ticket.unsent());
          if (clock.now() >= minute + MINUTE_MS) continue;
          counted.requests -= step.sent ? 0 : 1;
          counted.tokens -= step.sent ? step.tokens - used : step.tokens;
        }
      },
    ),
    { numRuns: 300, ...(seed === undefined ? {} : { seed }) },
  );
});
