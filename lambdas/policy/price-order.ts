/** The order in which a policy keeps its prices, so that two policies with the same prices are the same. */
import type { Price } from '../domain/prices.ts';

/** Source of a price that stands in the policy itself. */
export const POLICY_SOURCE = 'policy';

/** The policy's own first, then by provider, model and date. */
export function comparePrices(a: Price, b: Price): number {
  const rank = (price: Price) => (price.source === POLICY_SOURCE ? 0 : 1);
  return rank(a) - rank(b) || compare(a.provider, b.provider) || compare(a.model, b.model) || a.fromEpochMs - b.fromEpochMs;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
