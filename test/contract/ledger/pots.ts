/** Contract of top-ups, alert markers and reading: money comes in once per id, an alert is raised once. */
import {
  CHAIN,
  USER,
  potsOf,
  BUDGET,
  LANE,
  NOW,
  type StoreUnderTest,
  WALLET,
  broken,
  fund,
  gather,
  grant,
  holdOf,
  laneNow,
  limitPot,
  newHid,
  potNow,
  reserve,
} from './world.ts';

export function describePots(under: StoreUnderTest): void {
  /** A wallet of 500 with 60 settled. */
  async function settledWorld() {
    const { store } = await under.open();
    await fund(store, 500n);
    await grant(store, 100n);
    const hid = newHid();
    await reserve(store, hid, 60n);
    await store.settle({ lane: LANE, hid, hold: holdOf(60n), chargeNanoUsd: 60n });
    await store.flush([{ lane: await laneNow(store), amountNanoUsd: 60n }]);
    return store;
  }

  describe('topUp', () => {
    test('makes a wallet and adds to it, once per id', async () => {
      const { store } = await under.open();
      const record = { id: 'inv-1', walletId: 'team_dev', amountNanoUsd: 70n, atEpochMs: NOW };
      expect(await store.topUp(record)).toMatchObject({
        applied: true,
        wallet: { availableNanoUsd: 70n, fundedNanoUsd: 70n, withdrawnNanoUsd: 0n, settledNanoUsd: 0n, baseNanoUsd: 0n },
      });
      const repeat = { ...record, amountNanoUsd: 80n, walletId: 'other' };
      expect(await store.topUp(repeat)).toEqual({ applied: false, reason: 'repeated', amountNanoUsd: 70n, walletId: 'team_dev' });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 70n, fundedNanoUsd: 70n });
      expect((await store.readPots(['wallet/other#life'])).size).toBe(0);
      expect(await gather(store.allTopUps())).toEqual([record]);
    });

    test('makes what is settled by then the base of the percent', async () => {
      const store = await settledWorld();
      expect(await potNow(store, WALLET)).toMatchObject({ baseNanoUsd: 0n, settledNanoUsd: 60n });
      await fund(store, 1n, 'second');
      expect(await potNow(store, WALLET)).toMatchObject({ baseNanoUsd: 60n, settledNanoUsd: 60n, fundedNanoUsd: 501n });
      expect(await broken(store)).toEqual([]);
    });

    test('a withdrawal takes free money to its last unit, once per id, and leaves the base', async () => {
      const store = await settledWorld();
      const out = { id: 'out-1', walletId: 'team_dev', amountNanoUsd: -401n, atEpochMs: NOW };
      expect(await store.topUp(out)).toEqual({ applied: false, reason: 'short', availableNanoUsd: 400n });
      expect(await gather(store.allTopUps())).toHaveLength(1);
      expect(await store.topUp({ ...out, amountNanoUsd: -400n })).toMatchObject({
        applied: true,
        wallet: { availableNanoUsd: 0n, fundedNanoUsd: 100n, withdrawnNanoUsd: 400n, baseNanoUsd: 0n },
      });
      expect(await store.topUp(out)).toEqual({ applied: false, reason: 'repeated', amountNanoUsd: -400n, walletId: 'team_dev' });
      expect(await broken(store)).toEqual([]);
    });

    test('nothing can be withdrawn from a wallet that was never funded', async () => {
      const { store } = await under.open();
      const out = { id: 'out', walletId: 'team_dev', amountNanoUsd: -1n, atEpochMs: NOW };
      expect(await store.topUp(out)).toEqual({ applied: false, reason: 'short', availableNanoUsd: 0n });
      expect((await store.readPots([WALLET.key])).size).toBe(0);
    });

    test('refuses a top-up of nothing as a defect', async () => {
      const { store } = await under.open();
      await expect(fund(store, 0n)).rejects.toThrow(RangeError);
    });
  });

  describe('markers', () => {
    test('an alert is raised once, from the amount at which it is crossed', async () => {
      const store = await settledWorld();
      expect(await store.raiseMarker(BUDGET, '50_100', NOW, 61n)).toBe(false);
      expect(await store.raiseMarker(BUDGET, '50_100', NOW, 60n)).toBe(true);
      expect(await store.raiseMarker(BUDGET, '50_100', NOW + 1, 60n)).toBe(false);
      expect(await store.raiseMarker(BUDGET, '50_100', NOW + 1)).toBe(false);
      expect((await potNow(store, BUDGET)).alerts).toEqual({ '50_100': { status: 'PENDING', atEpochMs: NOW } });
      expect(await store.raiseMarker(BUDGET, '50_200', NOW + 1, 60n)).toBe(true);
      await store.sendMarker(BUDGET.key, '50_100', NOW + 2);
      expect((await potNow(store, BUDGET)).alerts).toEqual({
        '50_100': { status: 'SENT', atEpochMs: NOW + 2 },
        '50_200': { status: 'PENDING', atEpochMs: NOW + 1 },
      });
      expect(await store.raiseMarker(BUDGET, '50_100', NOW + 3, 60n)).toBe(false);
    });

    test.each([
      ['limit', limitPot('budget/dev/tiny', 1n)],
      ['wallet', WALLET],
    ])('a %s that refused before any spend has its alert, and the ledger goes on', async (_name, pot) => {
      const { store } = await under.open();
      expect(await store.raiseMarker(pot, '100_1', NOW, 1n)).toBe(false);
      expect((await store.readPots([pot.key])).size).toBe(0);
      expect(await store.raiseMarker(pot, '100_1', NOW)).toBe(true);
      expect(await store.raiseMarker(pot, '100_1', NOW)).toBe(false);
      expect(await potNow(store, pot)).toMatchObject({ availableNanoUsd: 0n, committedNanoUsd: 0n, settledNanoUsd: 0n });
      await fund(store, 5n);
      expect(await grant(store, 5n)).toEqual({ ok: true });
      expect(await broken(store)).toEqual([]);
    });

    test('a silent SENT needs no raise before it', async () => {
      const store = await settledWorld();
      await store.sendMarker(WALLET.key, '50_500-0', NOW);
      expect(await store.raiseMarker(WALLET, '50_500-0', NOW, 1n)).toBe(false);
      expect((await potNow(store, WALLET)).alerts).toEqual({ '50_500-0': { status: 'SENT', atEpochMs: NOW } });
    });

    test('the alert of a refusal goes on the watch list of its lane in the same step, and makes the lane when it is not there', async () => {
      const { store } = await under.open();
      const watchOn = { lane: LANE, chain: CHAIN };
      expect(await store.raiseMarker(USER, '100_100', NOW, undefined, watchOn)).toBe(true);
      expect((await potNow(store, USER)).alerts).toEqual({ '100_100': { status: 'PENDING', atEpochMs: NOW } });
      const lane = await laneNow(store);
      expect(lane).toMatchObject({
        watched: [`${USER.key}:100_100`],
        chain: potsOf(CHAIN).map(({ key }) => key),
        idleNanoUsd: 0n,
        escrowNanoUsd: 0n,
        walletId: 'team_dev',
        lastUseEpochMs: NOW,
      });
      expect(await store.closeLane(LANE, NOW)).toBe(false);
      await store.unwatch(LANE, [USER.key], NOW);
      expect((await laneNow(store)).watched).toEqual([`${USER.key}:100_100`]);
      await store.unwatch(LANE, lane.watched, NOW);
      expect((await laneNow(store)).watched).toEqual([]);
      expect(await broken(store)).toEqual([]);
    });

    test('an alert that stands already is watched no second time', async () => {
      const store = await settledWorld();
      const watchOn = { lane: LANE, chain: CHAIN };
      const before = await laneNow(store);
      expect(await store.raiseMarker(USER, '100_100', NOW)).toBe(true);
      expect(await store.raiseMarker(USER, '100_100', NOW + 9, undefined, watchOn)).toBe(false);
      expect(await laneNow(store)).toEqual(before);
      expect(await store.raiseMarker(USER, '100_200', NOW + 9, undefined, watchOn)).toBe(true);
      expect(await laneNow(store)).toEqual({ ...before, watched: [`${USER.key}:100_200`], lastUseEpochMs: NOW + 9 });
      expect(await broken(store)).toEqual([]);
    });

    test('a pot remembers that it is dry and which limit was seen; nothing makes a pot by that', async () => {
      const store = await settledWorld();
      await store.markDry(WALLET.key, {
        untilEpochMs: NOW + 1000,
        idleNanoUsd: 2n,
        heldNanoUsd: 7n,
        unflushedNanoUsd: 0n,
        settledNanoUsd: 3n,
      });
      await store.noteLimit(BUDGET.key, 1000n);
      expect(await potNow(store, WALLET)).toMatchObject({
        dry: { untilEpochMs: NOW + 1000, idleNanoUsd: 2n, heldNanoUsd: 7n, unflushedNanoUsd: 0n, settledNanoUsd: 3n },
        availableNanoUsd: 400n,
      });
      expect(await potNow(store, BUDGET)).toMatchObject({ seenLimitNanoUsd: 1000n });
      const none = 'budget/dev/none#d2026-11-23';
      await store.markDry(none, {
        untilEpochMs: NOW,
        idleNanoUsd: 2n,
        heldNanoUsd: 0n,
        unflushedNanoUsd: 0n,
        settledNanoUsd: 0n,
      });
      await store.noteLimit(none, 1n);
      await store.sendMarker(none, '50_1', NOW);
      expect((await store.readPots([none])).size).toBe(0);
    });
  });

  describe('reading', () => {
    test('missing pots and lanes are absent, and asking twice is asking once', async () => {
      const store = await settledWorld();
      const pots = await store.readPots([WALLET.key, 'wallet/none#life', WALLET.key]);
      expect([...pots.keys()]).toEqual([WALLET.key]);
      expect(await store.readPots([])).toEqual(new Map());
      expect(await store.readLanes([LANE, { ...LANE, n: 9 }, LANE])).toEqual([await laneNow(store)]);
      expect(await store.readLanes([])).toEqual([]);
      expect(await store.readLane({ ...LANE, n: 9 })).toBeUndefined();
    });

    test('more lanes than a batch or a page holds are all there', async () => {
      const { store } = await under.open();
      await fund(store, 500n);
      const lanes = Array.from({ length: 130 }, (_, n) => ({ ...LANE, n }));
      for (const lane of lanes) expect(await grant(store, 1n, { lane })).toEqual({ ok: true });
      const numbers = (ids: readonly { readonly n: number }[]) => ids.map(({ n }) => n).toSorted((a, b) => a - b);
      const wanted = lanes.map(({ n }) => n);
      expect(numbers(await store.lanesOf('wallet', 'team_dev'))).toEqual(wanted);
      expect(numbers(await gather(store.openLanes()))).toEqual(wanted);
      expect(numbers((await store.readLanes(lanes)).map((lane) => lane.id))).toEqual(wanted);
      expect(numbers((await gather(store.allLanes())).map((lane) => lane.id))).toEqual(wanted);
      expect(await broken(store)).toEqual([]);
    });
  });
}
