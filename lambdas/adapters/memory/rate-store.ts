/** Rate counters in memory, for tests, simulations and benchmarks; the same answers as the DynamoDB ones. */
import type { RateCounts, RateLimits, RateMinute, RateStore, RateTaken } from '../../application/ports-rates.ts';

const NOTHING: RateCounts = { requests: 0, tokens: 0 };

export class MemoryRateStore implements RateStore {
  private readonly minutes = new Map<string, RateCounts>();

  async takeRate(minute: RateMinute, tokens: number, limits: RateLimits): Promise<RateTaken> {
    const name = nameOf(minute);
    const counts = this.minutes.get(name) ?? NOTHING;
    const { requestsPerMinute, tokensPerMinute } = limits;
    const counted = tokensPerMinute === undefined ? 0 : tokens;
    const fits =
      (requestsPerMinute === undefined || counts.requests < requestsPerMinute) &&
      (tokensPerMinute === undefined || counts.tokens <= tokensPerMinute - counted);
    if (!fits) return { ok: false, counts };
    const after = { requests: counts.requests + 1, tokens: counts.tokens + counted };
    this.minutes.set(name, after);
    return { ok: true, counts: after };
  }

  async adjustRate(minute: RateMinute, change: RateCounts): Promise<void> {
    const counts = this.minutes.get(nameOf(minute));
    if (counts === undefined) return;
    this.minutes.set(nameOf(minute), {
      requests: counts.requests + change.requests,
      tokens: counts.tokens + change.tokens,
    });
  }
}

function nameOf({ groupId, startsAtEpochMs }: RateMinute): string {
  return `${groupId}#${startsAtEpochMs}`;
}
