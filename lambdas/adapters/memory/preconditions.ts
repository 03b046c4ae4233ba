/**
 * What every store of the ledger asks of its caller before it looks at a single item. A broken rule here is a defect of the
 * program, never an outcome: both stores throw the same RangeError, so that a mistake shows in memory as it would on DynamoDB.
 */
import type { GrantRequest, LateRequest, PotTerm, ReserveRequest, SettleRequest, TopUpRecord } from '../../application/ports.ts';
import type { Entry } from '../../domain/entries.ts';
import type { NanoUsd } from '../../domain/money.ts';
import type { Hold, LaneState } from '../../domain/pots.ts';

/** Most lanes of one flush: with the pots of a chain they stay far below the 100 items of a transaction. */
export const MAX_LANES_PER_FLUSH = 25;

/** @throws RangeError when the amount is negative */
export function requireNotNegative(name: string, amount: NanoUsd): void {
  if (amount < 0n) throw new RangeError(`${name} must not be negative, and is ${amount}`);
}

/** @throws RangeError when the charge is not within the hold's estimate */
export function requireChargeWithin(chargeNanoUsd: NanoUsd, hold: Hold): void {
  if (chargeNanoUsd < 0n || chargeNanoUsd > hold.estimateNanoUsd) {
    throw new RangeError(
      `a hold of ${hold.estimateNanoUsd} cannot be settled at ${chargeNanoUsd}: the charge lies within the estimate`,
    );
  }
}

/** @throws RangeError when a limit that is enforced has no hard limit, or a pot is listed twice */
export function requireTerms(terms: readonly PotTerm[]): void {
  for (const term of terms) {
    if (term.kind === 'limit' && term.enforced && term.hardLimitNanoUsd === undefined) {
      throw new RangeError(`the limit ${term.key} is enforced but states no hard limit`);
    }
  }
  if (terms.length > 1) requireDistinct(terms.map((term) => term.key));
}

function requireDistinct(names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw new RangeError(`one operation names the same item twice: ${names.join(', ')}`);
}

export function checkReserve(request: ReserveRequest): void {
  requireNotNegative('estimateNanoUsd', request.estimateNanoUsd);
  requireTerms(request.direct);
}

export function checkGrant(request: GrantRequest): void {
  requireNotNegative('amountNanoUsd', request.amountNanoUsd);
  requireNotNegative('flushNanoUsd', request.flushNanoUsd);
  requireTerms(request.pots);
}

export function checkSettle(request: SettleRequest): void {
  requireChargeWithin(request.chargeNanoUsd, request.hold);
}

export function checkExpire(hold: Hold, entry: Entry): void {
  requireChargeWithin(entry.chargeNanoUsd, hold);
}

export function checkLate(request: LateRequest): void {
  requireNotNegative('chargeNanoUsd', request.chargeNanoUsd);
  requireTerms([...request.chain, ...request.direct]);
}

/** @throws RangeError when the lanes are too many, repeated or of several chains, or an amount is negative */
export function checkFlush(lanes: readonly { readonly lane: LaneState; readonly amountNanoUsd: NanoUsd }[]): void {
  if (lanes.length > MAX_LANES_PER_FLUSH)
    throw new RangeError(`${lanes.length} lanes in one flush: at most ${MAX_LANES_PER_FLUSH}`);
  for (const { amountNanoUsd } of lanes) requireNotNegative('amountNanoUsd', amountNanoUsd);
  if (lanes.length < 2) return;
  const chains = new Set(lanes.map(({ lane }) => lane.id.chainHash));
  if (chains.size !== 1) throw new RangeError(`one flush has lanes of several chains: ${[...chains].join(', ')}`);
  requireDistinct(lanes.map(({ lane }) => `${lane.id.chainHash}#${lane.id.n}`));
}

export function checkTopUp(record: TopUpRecord): void {
  if (record.amountNanoUsd === 0n) throw new RangeError(`top-up ${record.id} moves nothing`);
}
