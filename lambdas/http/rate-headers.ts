/** `x-ratelimit-*` as OpenAI names them, of the group's own limits. Where it has them they stand in place of the provider's. */
import type { RateFigures } from '../application/rate-limiter.ts';

/** @see https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers", read 2026-11 */
export function rateHeaders({ limits, counts, resetsInMs }: RateFigures): readonly (readonly [name: string, value: string])[] {
  const reset = `${Math.max(1, Math.ceil(resetsInMs / 1_000))}s`;
  const of = (what: 'requests' | 'tokens', limit: number | undefined): [string, string][] =>
    limit === undefined
      ? []
      : [
          [`x-ratelimit-limit-${what}`, String(limit)],
          [`x-ratelimit-remaining-${what}`, String(Math.max(0, limit - counts[what]))],
          [`x-ratelimit-reset-${what}`, reset],
        ];
  return [...of('requests', limits.requestsPerMinute), ...of('tokens', limits.tokensPerMinute)];
}
