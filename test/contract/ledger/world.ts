/** A small world for the contract of the ledger's store: one wallet, a budget, a provider's budget, a user's budget, and lanes. */
import type { GrantOutcome, GrantRequest, LedgerStore, PotTerm, ReserveOutcome } from '../../../lambdas/application/ports.ts';
import { NotAppliedError } from '../../../lambdas/application/ports.ts';
import { type Entry, type EntryStatus, makeHoldId } from '../../../lambdas/domain/entries.ts';
import type { Chain, Hold, LaneId, LaneState, Pot, PotState } from '../../../lambdas/domain/pots.ts';
import { LIFE, type Window } from '../../../lambdas/domain/windows.ts';

/** How the suite gets stores: each `open` is on empty data, `another` is a second process on the same. */
export interface StoreUnderTest {
  open(): Promise<{ readonly store: LedgerStore; readonly another: () => LedgerStore }>;
}

/** 2026-11-23T10:00:00Z. */
export const NOW = Date.UTC(2026, 10, 23, 10);

export const DAY: Window = {
  kind: 'day',
  key: 'd2026-11-23',
  startsAtEpochMs: Date.UTC(2026, 10, 23),
  endsAtEpochMs: Date.UTC(2026, 10, 24),
};

/** A wallet's pot. */
export function walletPot(id: string, enforced = true): Pot {
  return {
    key: `wallet/${id}#life`,
    scope: `wallet/${id}`,
    kind: 'wallet',
    owner: 'wallet',
    enforced,
    thresholds: [],
    window: LIFE,
  };
}

/** A limit's pot; without a hard limit it is soft. */
export function limitPot(scope: string, hardLimitNanoUsd: bigint | undefined, owner: Pot['owner'] = 'budget'): Pot {
  return {
    key: `${scope}#${DAY.key}`,
    scope,
    kind: 'limit',
    owner,
    limitNanoUsd: hardLimitNanoUsd ?? 100n,
    hardLimitNanoUsd,
    enforced: hardLimitNanoUsd !== undefined,
    thresholds: [],
    window: DAY,
  };
}

export const WALLET = walletPot('team_dev');
export const BUDGET = limitPot('budget/dev/day', 1000n);
export const PROVIDER = limitPot('provider/openai/day', 2000n, 'provider');
export const USER = limitPot('budget/dev/each/ann', 100n, 'user');
export const USER_MONTH = limitPot('budget/dev/month/ann', 500n, 'user');

/** A chain of a wallet and limits. */
export function chainOf(hash: string, wallet: Pot, limits: readonly Pot[]): Chain {
  return {
    hash,
    line: hash,
    wallet,
    limits,
    direct: [],
    walletId: wallet.scope.slice('wallet/'.length),
    groupId: 'dev',
    providerId: 'openai',
    userId: 'ann',
  };
}

export const CHAIN = chainOf('chainA', WALLET, [BUDGET, PROVIDER]);
export const LANE: LaneId = { chainHash: CHAIN.hash, n: 0 };

/** Pots of a chain in its order. */
export function potsOf(chain: Chain): readonly Pot[] {
  return [chain.wallet, ...chain.limits];
}

let holds = 0;

/** A hold id that no other test uses. */
export function newHid(): string {
  holds += 1;
  return makeHoldId(Math.floor(NOW / 1000) + 60, `test${String(holds).padStart(6, '0')}`);
}

/** Adds money to a wallet. */
export async function fund(store: LedgerStore, amountNanoUsd: bigint, id = 'first', walletId = 'team_dev'): Promise<void> {
  await store.topUp({ id, walletId, amountNanoUsd, atEpochMs: NOW });
}

/** A grant of CHAIN to LANE, with what a test changes. */
export function grant(store: LedgerStore, amountNanoUsd: bigint, change: Partial<GrantRequest> = {}): Promise<GrantOutcome> {
  const chain = change.chain ?? CHAIN;
  const request = { lane: LANE, chain, pots: potsOf(chain), amountNanoUsd, flushNanoUsd: 0n, nowEpochMs: NOW };
  return store.grant({ ...request, ...change });
}

/** A reserve on LANE. */
export function reserve(
  store: LedgerStore,
  hid: string,
  estimateNanoUsd: bigint,
  direct: readonly PotTerm[] = [],
  lane = LANE,
): Promise<ReserveOutcome> {
  return store.reserve({ lane, hid, estimateNanoUsd, direct, nowEpochMs: NOW + 1 });
}

/** What a hold of these pots looks like. */
export function holdOf(estimateNanoUsd: bigint, direct: readonly PotTerm[] = []): Hold {
  return { estimateNanoUsd, direct: direct.map((term) => term.key) };
}

/** An entry of LANE. */
export function entryOf(hid: string, status: EntryStatus, chargeNanoUsd: bigint, change: Partial<Entry> = {}): Entry {
  return {
    hid,
    status,
    chargeNanoUsd,
    lossNanoUsd: 0n,
    estimateNanoUsd: 50n,
    lane: LANE,
    chain: potsOf(CHAIN).map((pot) => pot.key),
    direct: [],
    atEpochMs: NOW,
    detail: {},
    ...change,
  };
}

/** A lane that must be there. */
export async function laneNow(store: LedgerStore, lane = LANE): Promise<LaneState> {
  const state = await store.readLane(lane, { consistent: true });
  if (!state) throw new Error(`no lane ${lane.chainHash}#${lane.n}`);
  return state;
}

/** A pot that must be there. */
export async function potNow(store: LedgerStore, pot: Pick<Pot, 'key'>): Promise<PotState> {
  const state = (await store.readPots([pot.key], { consistent: true })).get(pot.key);
  if (!state) throw new Error(`no pot ${pot.key}`);
  return state;
}

/** Idle, escrow, unflushed, number of holds. */
export function figures(lane: LaneState): readonly [bigint, bigint, bigint, number] {
  return [lane.idleNanoUsd, lane.escrowNanoUsd, lane.unflushedNanoUsd, lane.holds.size];
}

/** Every item of pages. */
export async function gather<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = [];
  for await (const page of pages) items.push(...page);
  return items;
}

/** Tries again while the store says that it did not apply the call. */
export async function insist<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof NotAppliedError) || attempt > 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 + attempt * 3));
    }
  }
}

/** The invariants of everything stored, as sentences about what is wrong: none. */
export async function broken(store: LedgerStore): Promise<readonly string[]> {
  const lanes = await gather(store.allLanes());
  const pots = await gather(store.allPots());
  const wrong: string[] = [];
  const escrow = new Map<string, bigint>();
  const direct = new Map<string, bigint>();
  const add = (sums: Map<string, bigint>, key: string, amount: bigint) => sums.set(key, (sums.get(key) ?? 0n) + amount);
  for (const lane of lanes) {
    let held = 0n;
    for (const hold of lane.holds.values()) {
      held += hold.estimateNanoUsd;
      for (const key of hold.direct) add(direct, key, hold.estimateNanoUsd);
    }
    const name = `lane ${lane.id.chainHash}#${lane.id.n}`;
    if (lane.escrowNanoUsd !== lane.idleNanoUsd + held + lane.unflushedNanoUsd)
      wrong.push(`${name}: escrow is not idle + held + unflushed`);
    if (lane.idleNanoUsd < 0n || lane.escrowNanoUsd < 0n || lane.unflushedNanoUsd < 0n) wrong.push(`${name}: below zero`);
    for (const key of lane.chain) add(escrow, key, lane.escrowNanoUsd);
  }
  for (const pot of pots) {
    const out = (escrow.get(pot.key) ?? 0n) + (direct.get(pot.key) ?? 0n);
    if (pot.kind === 'wallet' && pot.fundedNanoUsd !== pot.availableNanoUsd + pot.settledNanoUsd + out) {
      wrong.push(`${pot.key}: funded is not available + settled + escrow`);
    }
    if (pot.kind === 'limit' && pot.committedNanoUsd !== pot.settledNanoUsd + out) {
      wrong.push(`${pot.key}: committed ${pot.committedNanoUsd} is not settled ${pot.settledNanoUsd} + out ${out}`);
    }
  }
  return wrong;
}
