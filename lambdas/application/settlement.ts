/**
 * Ends a hold at its true cost: the entry first, then the lane. An outcome that comes after the hold's expiry charges or
 * refunds the difference. Handler and keeper share this, so they can never charge differently.
 */
import type { Entry } from '../domain/entries.ts';
import { type NanoUsd, minOf } from '../domain/money.ts';
import type { LaneState } from '../domain/pots.ts';
import { type Persistence, isTransient, persist } from './persistence.ts';
import type { LedgerStore, PotTerm } from './ports.ts';

/** The pots that a late charge must fit, as the policy in force states them. */
export interface LateTerms {
  readonly chain: readonly PotTerm[];
  readonly direct: readonly PotTerm[];
  readonly walletId: string;
  readonly groupId: string;
  readonly providerId: string;
}

export type SettlementResult =
  /** `lane` after the settlement; absent when a user's pot was in it, or when somebody else settled first. */
  | { readonly kind: 'settled'; readonly lane?: LaneState }
  | { readonly kind: 'late' }
  /** The true cost came late and no pot could pay the difference. */
  | { readonly kind: 'lost'; readonly lossNanoUsd: NanoUsd };

/** `charge = min(actual, estimate)`; what is above is a loss, and both are frozen in the entry. */
export function chargeOf(actualNanoUsd: NanoUsd, estimateNanoUsd: NanoUsd) {
  const chargeNanoUsd = minOf(actualNanoUsd, estimateNanoUsd);
  return { chargeNanoUsd, lossNanoUsd: actualNanoUsd - chargeNanoUsd };
}

/**
 * Writes the entry, then settles.
 * @throws NotAppliedError or UnknownOutcomeError when the store stays away: the keeper decides by what was written
 */
export async function settleWithEntry(
  store: LedgerStore,
  persistence: Persistence,
  entry: Entry,
  terms: LateTerms,
): Promise<SettlementResult> {
  const put = await putWithOrWithoutDetail(store, persistence, entry);
  const standing = put.ok ? entry : put.existing;
  if (standing.status === 'FINAL' || standing.status === 'VOID') {
    return settleHold(store, persistence, standing, standing);
  }
  return settleLate(store, persistence, entry, standing, terms);
}

/** What a caller wrote must never cost the books: an entry that the store will not take is written without its detail. */
async function putWithOrWithoutDetail(store: LedgerStore, persistence: Persistence, entry: Entry) {
  try {
    return await persist(() => store.putEntry(entry), persistence);
  } catch (error) {
    if (isTransient(error)) throw error;
    const { group, provider, estimated } = entry.detail;
    const bare: Entry = { ...entry, detail: { group, provider, estimated, outcome: 'detail_lost' } };
    return await persist(() => store.putEntry(bare), persistence);
  }
}

/** Settles a hold at the charge that its entry states. Repeats are harmless: the hold is gone after the first. */
export async function settleHold(
  store: LedgerStore,
  persistence: Persistence,
  at: Pick<Entry, 'lane' | 'hid' | 'estimateNanoUsd' | 'direct'>,
  entry: Pick<Entry, 'chargeNanoUsd'>,
): Promise<SettlementResult> {
  const outcome = await persist(
    () =>
      store.settle({
        lane: at.lane,
        hid: at.hid,
        hold: { estimateNanoUsd: at.estimateNanoUsd, direct: at.direct },
        chargeNanoUsd: entry.chargeNanoUsd,
      }),
    persistence,
  );
  return { kind: 'settled', lane: outcome.ok ? outcome.lane : undefined };
}

async function settleLate(
  store: LedgerStore,
  persistence: Persistence,
  mine: Entry,
  standing: Entry,
  terms: LateTerms,
): Promise<SettlementResult> {
  if (standing.status === 'LATE' || standing.status === 'LOST') return { kind: 'late' };
  const outcome = await persist(
    () =>
      store.late({
        hid: mine.hid,
        seen: { status: standing.status, chargeNanoUsd: standing.chargeNanoUsd },
        chargeNanoUsd: mine.chargeNanoUsd,
        lossNanoUsd: mine.lossNanoUsd,
        lane: mine.lane,
        ...terms,
        detail: mine.detail,
        nowEpochMs: persistence.clock.now(),
      }),
    persistence,
  );
  if (outcome.ok || outcome.reason === 'flipped') return { kind: 'late' };
  const lossNanoUsd = mine.chargeNanoUsd - standing.chargeNanoUsd + mine.lossNanoUsd;
  const lost = await persist(() => store.lose(mine.hid, standing.status, lossNanoUsd), persistence);
  return lost ? { kind: 'lost', lossNanoUsd } : { kind: 'late' };
}
