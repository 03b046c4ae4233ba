/** What a caller is told of an answer that was made earlier, and of a route's cache. */
import type { CallFacts } from '../application/complete-call.ts';
import { formatUsd } from '../domain/money.ts';

/** Names and values; none for most answers. */
export function replayHeaders({ replay, cache }: CallFacts): readonly (readonly [name: string, value: string])[] {
  return [
    ...(replay?.from === 'key' ? [['x-tollgate-replayed', 'true'] as const] : []),
    ...(cache === undefined ? [] : [['x-tollgate-cache', cache] as const]),
    ...(replay === undefined ? [] : [['x-tollgate-original-cost-usd', formatUsd(replay.costNanoUsd)] as const]),
  ];
}
