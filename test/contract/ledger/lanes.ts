/** Contract of grant, giveBack, flush, closeLane and growLanes: escrow moves between pots and lanes and is never made or lost. */
import type { GrantRequest } from '../../../lambdas/application/ports.ts';
import {
  BUDGET,
  CHAIN,
  LANE,
  NOW,
  PROVIDER,
  type StoreUnderTest,
  USER,
  USER_MONTH,
  WALLET,
  broken,
  chainOf,
  figures,
  fund,
  gather,
  grant,
  holdOf,
  laneNow,
  limitPot,
  newHid,
  potNow,
  reserve,
  walletPot,
} from './world.ts';

export function describeLanes(under: StoreUnderTest): void {
  async function funded(amount = 500n) {
    const { store } = await under.open();
    await fund(store, amount);
    return store;
  }

  /** A lane with 100 granted, of which `spent` is unflushed spend. */
  async function spentLane(spent: bigint) {
    const store = await funded();
    await grant(store, 100n);
    const hid = newHid();
    await reserve(store, hid, spent);
    await store.settle({ lane: LANE, hid, hold: holdOf(spent), chargeNanoUsd: spent });
    return store;
  }

  describe('grant', () => {
    test('takes the amount from every pot of the chain into a new lane that every index finds', async () => {
      const store = await funded();
      expect(await grant(store, 100n)).toEqual({ ok: true });
      expect(await laneNow(store)).toEqual({
        id: LANE,
        idleNanoUsd: 100n,
        escrowNanoUsd: 100n,
        unflushedNanoUsd: 0n,
        holds: new Map(),
        watched: [],
        chain: [WALLET.key, BUDGET.key, PROVIDER.key],
        walletId: 'team_dev',
        groupId: 'dev',
        providerId: 'openai',
        lastUseEpochMs: NOW,
        lastGrantNanoUsd: 100n,
        lastGrantEpochMs: NOW,
        laneCount: 1,
      });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 400n, fundedNanoUsd: 500n, settledNanoUsd: 0n });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 100n, settledNanoUsd: 0n });
      expect(await potNow(store, PROVIDER)).toMatchObject({ committedNanoUsd: 100n });
      expect(await store.lanesOf('wallet', 'team_dev')).toEqual([LANE]);
      expect(await store.lanesOf('group', 'dev')).toEqual([LANE]);
      expect(await store.lanesOf('provider', 'openai')).toEqual([LANE]);
      expect(await store.lanesOf('wallet', 'dev')).toEqual([]);
      expect(await gather(store.openLanes())).toEqual([LANE]);
    });

    test('adds to a lane and keeps its holds', async () => {
      const store = await funded();
      await grant(store, 100n);
      await reserve(store, newHid(), 70n);
      expect(await grant(store, 50n, { nowEpochMs: NOW + 9 })).toEqual({ ok: true });
      const lane = await laneNow(store);
      expect(figures(lane)).toEqual([80n, 150n, 0n, 1]);
      expect(lane).toMatchObject({ lastGrantNanoUsd: 50n, lastGrantEpochMs: NOW + 9, lastUseEpochMs: NOW + 9 });
      expect(await broken(store)).toEqual([]);
    });

    test('a wallet gives its last unit and not one more', async () => {
      const store = await funded(100n);
      expect(await grant(store, 101n)).toMatchObject({
        ok: false,
        reason: 'pot',
        pot: WALLET.key,
        state: { availableNanoUsd: 100n },
      });
      expect((await store.readPots([BUDGET.key])).size).toBe(0);
      expect(await grant(store, 100n)).toEqual({ ok: true });
      expect(await grant(store, 1n)).toMatchObject({ ok: false, pot: WALLET.key, state: { availableNanoUsd: 0n } });
    });

    test('a wallet that was never funded has nothing; a grant of nothing makes the lane of a free call', async () => {
      const { store } = await under.open();
      expect(await grant(store, 1n)).toEqual({ ok: false, reason: 'pot', pot: WALLET.key, state: undefined });
      expect(await store.readLane(LANE)).toBeUndefined();
      expect(await grant(store, 0n)).toEqual({ ok: true });
      expect(await laneNow(store)).toMatchObject({ idleNanoUsd: 0n, escrowNanoUsd: 0n });
      expect(await broken(store)).toEqual([]);
    });

    test('a soft wallet is made by its first grant and goes below zero', async () => {
      const { store } = await under.open();
      const soft = walletPot('team_soft', false);
      expect(await grant(store, 30n, { chain: chainOf('soft', soft, [BUDGET]) })).toEqual({ ok: true });
      expect(await potNow(store, soft)).toMatchObject({ availableNanoUsd: -30n, fundedNanoUsd: 0n, settledNanoUsd: 0n });
      expect(await broken(store)).toEqual([]);
    });

    test('a limit commits its last unit and not one more', async () => {
      const store = await funded(5000n);
      expect(await grant(store, 400n)).toEqual({ ok: true });
      expect(await grant(store, 601n)).toMatchObject({
        ok: false,
        reason: 'pot',
        pot: BUDGET.key,
        state: { committedNanoUsd: 400n },
      });
      expect(await grant(store, 600n)).toEqual({ ok: true });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 1000n });
      expect(await broken(store)).toEqual([]);
    });

    test('a new window has room for its limit and nothing above it', async () => {
      const store = await funded(5000n);
      expect(await grant(store, 1001n)).toEqual({ ok: false, reason: 'pot', pot: BUDGET.key, state: undefined });
      expect(await grant(store, 1000n)).toEqual({ ok: true });
    });

    test('names the first pot of the chain that has no room', async () => {
      const store = await funded(100n);
      expect(await grant(store, 3000n)).toMatchObject({ pot: WALLET.key });
      await fund(store, 9000n, 'second');
      expect(await grant(store, 3000n)).toMatchObject({ pot: BUDGET.key });
    });

    test('a soft limit is counted and never refuses', async () => {
      const store = await funded(5000n);
      const soft = limitPot('budget/dev/soft', undefined);
      expect(await grant(store, 4000n, { chain: chainOf('soft', WALLET, [soft]) })).toEqual({ ok: true });
      expect(await potNow(store, soft)).toMatchObject({ committedNanoUsd: 4000n });
    });

    test('settles unflushed spend that rides along', async () => {
      const store = await spentLane(60n);
      expect(await grant(store, 10n, { flushNanoUsd: 60n })).toEqual({ ok: true });
      expect(figures(await laneNow(store))).toEqual([50n, 50n, 0n, 0]);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 390n, settledNanoUsd: 60n });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 110n, settledNanoUsd: 60n });
      expect(await broken(store)).toEqual([]);
    });

    test('settles no more than the lane has unflushed, and tells what it has', async () => {
      const store = await spentLane(60n);
      expect(await grant(store, 10n, { flushNanoUsd: 61n })).toMatchObject({
        ok: false,
        reason: 'lane',
        lane: { unflushedNanoUsd: 60n },
      });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 400n, settledNanoUsd: 0n });
      const elsewhere: Partial<GrantRequest> = { flushNanoUsd: 1n, lane: { ...LANE, n: 5 } };
      expect(await grant(store, 10n, elsewhere)).toEqual({ ok: false, reason: 'lane', lane: undefined });
    });

    test('a grant for a new lane leaves an old one alone', async () => {
      const store = await funded();
      expect(await grant(store, 100n, { onlyIfNew: true })).toEqual({ ok: true });
      expect(await grant(store, 50n, { onlyIfNew: true })).toMatchObject({
        ok: false,
        reason: 'lane',
        lane: { idleNanoUsd: 100n },
      });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 400n });
    });

    test('keeps amounts beyond 2^53 exact', async () => {
      const { store } = await under.open();
      const much = 9_007_199_254_740_993_000_001n;
      await fund(store, much);
      const wide = chainOf('wide', WALLET, [limitPot('budget/dev/wide', much)]);
      expect(await grant(store, much - 1n, { chain: wide })).toEqual({ ok: true });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 1n, fundedNanoUsd: much });
      expect((await laneNow(store)).idleNanoUsd).toBe(much - 1n);
    });

    test('refuses a limit that is enforced without a hard limit, and a pot listed twice, as defects', async () => {
      const store = await funded();
      const vague = { ...BUDGET, hardLimitNanoUsd: undefined };
      await expect(grant(store, 1n, { pots: [WALLET, vague] })).rejects.toThrow(RangeError);
      await expect(grant(store, 1n, { pots: [WALLET, BUDGET, BUDGET] })).rejects.toThrow(RangeError);
      await expect(grant(store, -1n)).rejects.toThrow(RangeError);
    });
  });

  describe('giveBack', () => {
    test('returns idle money to every pot of the chain', async () => {
      const store = await funded();
      await grant(store, 100n);
      expect(await store.giveBack(await laneNow(store), 100n)).toBe(true);
      expect(figures(await laneNow(store))).toEqual([0n, 0n, 0n, 0]);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 500n });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 0n });
      expect(await broken(store)).toEqual([]);
    });

    test('returns nothing when the lane has less by now or is gone', async () => {
      const store = await funded();
      await grant(store, 100n);
      const seen = await laneNow(store);
      await reserve(store, newHid(), 1n);
      expect(await store.giveBack(seen, 100n)).toBe(false);
      expect(await store.giveBack({ ...seen, id: { ...LANE, n: 3 } }, 1n)).toBe(false);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 400n });
      expect(figures(await laneNow(store))).toEqual([99n, 100n, 0n, 1]);
    });
  });

  describe('flush', () => {
    test('moves spend of several lanes into what is settled in their pots, in one step', async () => {
      const store = await funded();
      const lanes = [LANE, { ...LANE, n: 1 }, { ...LANE, n: 2 }];
      for (const lane of lanes) {
        await grant(store, 50n, { lane });
        const hid = newHid();
        await reserve(store, hid, 20n, [], lane);
        await store.settle({ lane, hid, hold: holdOf(20n), chargeNanoUsd: 20n });
      }
      const states = await store.readLanes(lanes);
      expect(states).toHaveLength(3);
      expect(await store.flush(states.map((lane) => ({ lane, amountNanoUsd: lane.unflushedNanoUsd })))).toBe(true);
      for (const lane of lanes) expect(figures(await laneNow(store, lane))).toEqual([30n, 30n, 0n, 0]);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 350n, settledNanoUsd: 60n });
      expect(await potNow(store, PROVIDER)).toMatchObject({ committedNanoUsd: 150n, settledNanoUsd: 60n });
      expect(await broken(store)).toEqual([]);
    });

    test('moves nothing when one lane has less than was seen', async () => {
      const store = await spentLane(60n);
      const lane = await laneNow(store);
      expect(await store.flush([{ lane, amountNanoUsd: 61n }])).toBe(false);
      expect(await store.flush([{ lane, amountNanoUsd: 60n }])).toBe(true);
      expect(await store.flush([{ lane, amountNanoUsd: 60n }])).toBe(false);
      expect(await potNow(store, WALLET)).toMatchObject({ settledNanoUsd: 60n });
      expect(await store.flush([])).toBe(true);
    });

    test('refuses more than 25 lanes, the same lane twice and lanes of two chains as defects', async () => {
      const store = await spentLane(60n);
      const lane = await laneNow(store);
      const named = (chainHash: string, n: number) => ({ lane: { ...lane, id: { chainHash, n } }, amountNanoUsd: 1n });
      await expect(store.flush(Array.from({ length: 26 }, (_, n) => named('chainA', n)))).rejects.toThrow(RangeError);
      await expect(store.flush([named('chainA', 0), named('chainA', 0)])).rejects.toThrow(RangeError);
      await expect(store.flush([named('chainA', 0), named('chainB', 0)])).rejects.toThrow(RangeError);
    });
  });

  describe('closeLane', () => {
    test('deletes an empty lane that nobody used since', async () => {
      const store = await funded();
      await grant(store, 100n);
      await store.giveBack(await laneNow(store), 100n);
      expect(await store.closeLane(LANE, NOW)).toBe(true);
      expect(await store.readLane(LANE, { consistent: true })).toBeUndefined();
      expect(await gather(store.openLanes())).toEqual([]);
      expect(await store.closeLane(LANE, NOW)).toBe(false);
    });

    test('keeps a lane with money in it', async () => {
      const store = await funded();
      await grant(store, 1n);
      expect(await store.closeLane(LANE, NOW)).toBe(false);
    });

    test('keeps an empty lane that was used since the keeper looked', async () => {
      const store = await funded();
      await grant(store, 0n, { nowEpochMs: NOW + 1 });
      expect(await store.closeLane(LANE, NOW)).toBe(false);
      expect(await store.closeLane(LANE, NOW + 1)).toBe(true);
    });
  });

  describe('unwatch', () => {
    test('a lane watches the user pots settled on it, and is not deleted until they are taken off', async () => {
      const store = await funded();
      await grant(store, 50n);
      const users = [USER, USER_MONTH];
      const keys = users.map((pot) => pot.key);
      for (const _ of [1, 2]) {
        const hid = newHid();
        await reserve(store, hid, 10n, users);
        await store.settle({ lane: LANE, hid, hold: holdOf(10n, users), chargeNanoUsd: 10n });
      }
      expect((await laneNow(store)).watched.toSorted()).toEqual(keys.toSorted());
      await store.giveBack(await laneNow(store), 30n);
      await store.flush([{ lane: await laneNow(store), amountNanoUsd: 20n }]);
      const { lastUseEpochMs } = await laneNow(store);
      expect(await store.closeLane(LANE, lastUseEpochMs)).toBe(false);
      await store.unwatch(LANE, keys.slice(0, 1), lastUseEpochMs);
      expect((await laneNow(store)).watched).toEqual(keys.slice(1));
      await store.unwatch(LANE, keys, lastUseEpochMs);
      expect((await laneNow(store)).watched).toEqual([]);
      expect(await store.closeLane(LANE, lastUseEpochMs)).toBe(true);
      await store.unwatch(LANE, keys, lastUseEpochMs);
      expect(await store.readLane(LANE, { consistent: true })).toBeUndefined();
    });

    test('a late copy takes nothing off a lane that was used since', async () => {
      const store = await funded();
      await grant(store, 50n);
      const spend = async (nowEpochMs: number): Promise<void> => {
        const hid = newHid();
        await store.reserve({ lane: LANE, hid, estimateNanoUsd: 10n, direct: [USER], nowEpochMs });
        await store.settle({ lane: LANE, hid, hold: holdOf(10n, [USER]), chargeNanoUsd: 10n });
        await store.flush([{ lane: await laneNow(store), amountNanoUsd: 10n }]);
      };
      await spend(NOW + 1);
      await spend(NOW + 2);
      await store.unwatch(LANE, [USER.key], NOW + 1);
      expect((await laneNow(store)).watched).toEqual([USER.key]);
      await store.unwatch(LANE, [USER.key], NOW + 2);
      expect((await laneNow(store)).watched).toEqual([]);
    });
  });

  describe('growLanes', () => {
    test('doubles the count once from what was seen', async () => {
      const store = await funded();
      await grant(store, 0n);
      expect(await store.growLanes(LANE, 1)).toBe(true);
      expect(await store.growLanes(LANE, 1)).toBe(false);
      expect((await laneNow(store)).laneCount).toBe(2);
      expect(await store.growLanes(LANE, 4)).toBe(false);
      expect(await store.growLanes(LANE, 2)).toBe(true);
      expect((await laneNow(store)).laneCount).toBe(4);
    });

    test('never counts from more than was seen on a lane that did not grow', async () => {
      const store = await funded();
      await grant(store, 0n);
      expect(await store.growLanes(LANE, 2)).toBe(false);
      expect((await laneNow(store)).laneCount).toBe(1);
    });

    test('makes no lane', async () => {
      const { store } = await under.open();
      expect(await store.growLanes(LANE, 1)).toBe(false);
      expect(await store.readLane(LANE, { consistent: true })).toBeUndefined();
    });
  });

  test('the count survives grants and settlements', async () => {
    const store = await funded();
    await grant(store, 10n);
    await store.growLanes(LANE, 1);
    await grant(store, 10n, { chain: CHAIN });
    expect((await laneNow(store)).laneCount).toBe(2);
  });
}
