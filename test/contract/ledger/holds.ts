/** Contract of reserve, settle and expire: a hold is made once, ended once, and money is neither made nor lost. */
import {
  BUDGET,
  LANE,
  type StoreUnderTest,
  USER,
  USER_MONTH,
  broken,
  entryOf,
  figures,
  fund,
  grant,
  holdOf,
  laneNow,
  limitPot,
  newHid,
  potNow,
  reserve,
} from './world.ts';

export function describeHolds(under: StoreUnderTest): void {
  async function withLane(idle: bigint) {
    const { store } = await under.open();
    await fund(store, 1000n);
    await grant(store, idle);
    return store;
  }

  describe('reserve', () => {
    test('takes the estimate from idle money into a hold and gives the lane after it', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      const outcome = await reserve(store, hid, 60n);
      const lane = await laneNow(store);
      expect(outcome).toEqual({ ok: true, lane });
      expect(figures(lane)).toEqual([40n, 100n, 0n, 1]);
      expect(lane.holds.get(hid)).toEqual(holdOf(60n));
      expect(lane.lastUseEpochMs).toBeGreaterThan(0);
      expect(await broken(store)).toEqual([]);
    });

    test('takes all that is idle, and nothing more than that', async () => {
      const store = await withLane(100n);
      expect(await reserve(store, newHid(), 101n)).toMatchObject({ ok: false, reason: 'short', lane: { idleNanoUsd: 100n } });
      expect(await reserve(store, newHid(), 100n)).toMatchObject({ ok: true });
      expect(await reserve(store, newHid(), 1n)).toMatchObject({ ok: false, reason: 'short', lane: { idleNanoUsd: 0n } });
    });

    test('says that there is no lane', async () => {
      const { store } = await under.open();
      expect(await reserve(store, newHid(), 0n)).toEqual({ ok: false, reason: 'no_lane' });
      expect(await store.readLane(LANE)).toBeUndefined();
    });

    test('holds sixteen calls in a lane and sends the seventeenth elsewhere', async () => {
      const store = await withLane(100n);
      for (let i = 0; i < 16; i += 1) expect(await reserve(store, newHid(), 1n)).toMatchObject({ ok: true });
      expect(await reserve(store, newHid(), 1n)).toMatchObject({ ok: false, reason: 'full' });
      expect(await reserve(store, newHid(), 1n, [USER])).toMatchObject({ ok: false, reason: 'full' });
      expect(figures(await laneNow(store))).toEqual([84n, 100n, 0n, 16]);
    });

    test('a copy of the same send takes nothing while the hold stands', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 30n);
      expect(await reserve(store, hid, 20n)).toMatchObject({ ok: false, reason: 'duplicate' });
      expect(figures(await laneNow(store))).toEqual([70n, 100n, 0n, 1]);
    });

    test('with user pots takes the estimate from lane and pots in one step', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      expect(await reserve(store, hid, 60n, [USER, USER_MONTH])).toEqual({ ok: true });
      expect((await laneNow(store)).holds.get(hid)).toEqual(holdOf(60n, [USER, USER_MONTH]));
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 60n, settledNanoUsd: 0n });
      expect(await potNow(store, USER_MONTH)).toMatchObject({ committedNanoUsd: 60n });
      expect(await broken(store)).toEqual([]);
    });

    test('a user pot lets its last unit go and not one more, and names itself with its state', async () => {
      const store = await withLane(500n);
      await reserve(store, newHid(), 60n, [USER_MONTH, USER]);
      expect(await reserve(store, newHid(), 41n, [USER_MONTH, USER])).toMatchObject({
        ok: false,
        reason: 'direct',
        pot: USER.key,
        state: { key: USER.key, committedNanoUsd: 60n },
      });
      expect(await potNow(store, USER_MONTH)).toMatchObject({ committedNanoUsd: 60n });
      expect(await reserve(store, newHid(), 40n, [USER_MONTH, USER])).toEqual({ ok: true });
    });

    test('a user pot that was never used refuses what its limit cannot hold', async () => {
      const store = await withLane(500n);
      expect(await reserve(store, newHid(), 101n, [USER])).toMatchObject({
        ok: false,
        reason: 'direct',
        pot: USER.key,
        state: { committedNanoUsd: 0n },
      });
      expect((await store.readPots([USER.key])).size).toBe(0);
    });

    test('a soft user pot is charged and never refuses', async () => {
      const store = await withLane(500n);
      const soft = limitPot('budget/dev/soft/ann', undefined, 'user');
      expect(await reserve(store, newHid(), 300n, [soft])).toEqual({ ok: true });
      expect(await potNow(store, soft)).toMatchObject({ committedNanoUsd: 300n });
    });

    test('with user pots a short lane, a missing one and a copy take nothing from the pots', async () => {
      const store = await withLane(50n);
      const hid = newHid();
      expect(await reserve(store, hid, 51n, [USER])).toMatchObject({ ok: false, reason: 'short' });
      expect(await reserve(store, hid, 1n, [USER], { ...LANE, n: 7 })).toEqual({ ok: false, reason: 'no_lane' });
      expect(await reserve(store, hid, 10n, [USER])).toEqual({ ok: true });
      expect(await reserve(store, hid, 10n, [USER])).toMatchObject({ ok: false, reason: 'duplicate' });
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 10n });
    });

    test('a user pot without room is told before a short lane, which money would not help', async () => {
      const store = await withLane(50n);
      expect(await reserve(store, newHid(), 101n, [USER])).toMatchObject({ ok: false, reason: 'direct' });
    });

    test('user names of any spelling come back from the hold as they were', async () => {
      const store = await withLane(500n);
      for (const user of ['a/b', 'a#b', 'ü@example.com', '…', '/', 'x/y#z']) {
        const pots = [limitPot(`budget/dev/each/${user}`, 100n, 'user'), limitPot(`budget/dev/month/${user}`, 100n, 'user')];
        const hid = newHid();
        expect(await reserve(store, hid, 5n, pots)).toEqual({ ok: true });
        expect((await laneNow(store)).holds.get(hid)).toEqual(holdOf(5n, pots));
        expect(await store.settle({ lane: LANE, hid, hold: holdOf(5n, pots), chargeNanoUsd: 2n })).toEqual({ ok: true });
      }
      expect(await broken(store)).toEqual([]);
    });
  });

  describe('settle', () => {
    test('charges what was used and makes the rest idle again', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      const outcome = await store.settle({ lane: LANE, hid, hold: holdOf(60n), chargeNanoUsd: 25n });
      const lane = await laneNow(store);
      expect(outcome).toEqual({ ok: true, lane });
      expect(figures(lane)).toEqual([75n, 100n, 25n, 0]);
      expect(await broken(store)).toEqual([]);
    });

    test('a second settlement of the same hold charges nothing', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      const request = { lane: LANE, hid, hold: holdOf(60n), chargeNanoUsd: 25n };
      await store.settle(request);
      expect(await store.settle(request)).toEqual({ ok: false });
      expect(figures(await laneNow(store))).toEqual([75n, 100n, 25n, 0]);
    });

    test('a hold that differs from what the caller knows stays', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      expect(await store.settle({ lane: LANE, hid, hold: holdOf(61n), chargeNanoUsd: 1n })).toEqual({ ok: false });
      expect(await store.settle({ lane: LANE, hid, hold: holdOf(60n, [USER]), chargeNanoUsd: 1n })).toEqual({ ok: false });
      expect(figures(await laneNow(store))).toEqual([40n, 100n, 0n, 1]);
    });

    test('on a lane that is gone makes none', async () => {
      const { store } = await under.open();
      expect(await store.settle({ lane: LANE, hid: newHid(), hold: holdOf(0n), chargeNanoUsd: 0n })).toEqual({ ok: false });
      expect(await store.readLane(LANE)).toBeUndefined();
    });

    test('with user pots settles the charge in them and gives them the rest, once', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n, [USER, USER_MONTH]);
      const request = { lane: LANE, hid, hold: holdOf(60n, [USER, USER_MONTH]), chargeNanoUsd: 25n };
      expect(await store.settle(request)).toEqual({ ok: true });
      expect(await store.settle(request)).toEqual({ ok: false });
      expect(figures(await laneNow(store))).toEqual([75n, 100n, 25n, 0]);
      for (const pot of [USER, USER_MONTH]) {
        expect(await potNow(store, pot)).toMatchObject({ committedNanoUsd: 25n, settledNanoUsd: 25n });
      }
      expect(await broken(store)).toEqual([]);
    });

    test('refuses a charge outside of the estimate as a defect', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      for (const chargeNanoUsd of [61n, -1n]) {
        await expect(store.settle({ lane: LANE, hid, hold: holdOf(60n), chargeNanoUsd })).rejects.toThrow(RangeError);
      }
    });
  });

  describe('expire', () => {
    test('releases a hold that has no entry and leaves the entry as its tombstone', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      const entry = entryOf(hid, 'RELEASED', 0n, { estimateNanoUsd: 60n });
      expect(await store.expire(LANE, holdOf(60n), entry)).toBe(true);
      expect(figures(await laneNow(store))).toEqual([100n, 100n, 0n, 0]);
      expect(await store.readEntry(hid)).toEqual(entry);
      expect(await store.putEntry(entryOf(hid, 'FINAL', 10n))).toEqual({ ok: false, existing: entry });
    });

    test('charges the estimate when the outcome is unknown', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      expect(await store.expire(LANE, holdOf(60n), entryOf(hid, 'ESTIMATED', 60n))).toBe(true);
      expect(figures(await laneNow(store))).toEqual([40n, 100n, 60n, 0]);
      expect(await broken(store)).toEqual([]);
    });

    test('does nothing when an entry came', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      await reserve(store, hid, 60n);
      const mine = entryOf(hid, 'FINAL', 10n);
      await store.putEntry(mine);
      expect(await store.expire(LANE, holdOf(60n), entryOf(hid, 'RELEASED', 0n))).toBe(false);
      expect(figures(await laneNow(store))).toEqual([40n, 100n, 0n, 1]);
      expect(await store.readEntry(hid)).toEqual(mine);
    });

    test('does nothing when the hold is gone or another one', async () => {
      const store = await withLane(100n);
      const hid = newHid();
      expect(await store.expire(LANE, holdOf(60n), entryOf(hid, 'RELEASED', 0n))).toBe(false);
      await reserve(store, hid, 60n);
      expect(await store.expire(LANE, holdOf(59n), entryOf(hid, 'RELEASED', 0n))).toBe(false);
      expect(figures(await laneNow(store))).toEqual([40n, 100n, 0n, 1]);
      expect(await store.readEntry(hid)).toBeUndefined();
    });

    test('gives user pots their room again, or settles the estimate in them', async () => {
      const store = await withLane(200n);
      const released = newHid();
      const estimated = newHid();
      await reserve(store, released, 60n, [USER]);
      await reserve(store, estimated, 40n, [USER]);
      expect(await store.expire(LANE, holdOf(60n, [USER]), entryOf(released, 'RELEASED', 0n, { direct: [USER.key] }))).toBe(true);
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 40n, settledNanoUsd: 0n });
      expect(await store.expire(LANE, holdOf(40n, [USER]), entryOf(estimated, 'ESTIMATED', 40n, { direct: [USER.key] }))).toBe(
        true,
      );
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 40n, settledNanoUsd: 40n });
      expect((await store.readEntry(estimated))?.direct).toEqual([USER.key]);
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 200n });
      expect(await broken(store)).toEqual([]);
    });
  });
}
