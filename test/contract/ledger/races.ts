/** Contract under races: whatever runs at once, in one process or several, no pot and no lane gives more than it has. */
import type { LaneId } from '../../../lambdas/domain/pots.ts';
import {
  LANE,
  type StoreUnderTest,
  USER,
  WALLET,
  broken,
  figures,
  fund,
  grant,
  holdOf,
  insist,
  laneNow,
  newHid,
  potNow,
  reserve,
} from './world.ts';

const lanes = (count: number): readonly LaneId[] => Array.from({ length: count }, (_, n) => ({ ...LANE, n }));

export function describeRaces(under: StoreUnderTest): void {
  describe('races', () => {
    test('200 racing reserves never take more than their lanes hold', async () => {
      const { store } = await under.open();
      await fund(store, 1000n);
      for (const lane of lanes(20)) await grant(store, 35n, { lane });
      const outcomes = await Promise.all(
        lanes(20).flatMap((lane) => Array.from({ length: 10 }, () => insist(() => reserve(store, newHid(), 7n, [], lane)))),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(100);
      for (const lane of lanes(20)) expect(figures(await laneNow(store, lane))).toEqual([0n, 35n, 0n, 5]);
      expect(await broken(store)).toEqual([]);
    });

    test('20 racing grants of 75 on a wallet of 500, from several processes: exactly 6', async () => {
      const { store, another } = await under.open();
      await fund(store, 500n);
      const processes = [store, another(), another()];
      const outcomes = await Promise.all(
        lanes(20).map((lane, i) => insist(() => grant(processes[i % processes.length] ?? store, 75n, { lane }))),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(6);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 50n });
      expect(await broken(store)).toEqual([]);
    });

    test('30 racing reserves of one user never pass the limit of the user', async () => {
      const { store, another } = await under.open();
      await fund(store, 1000n);
      for (const lane of lanes(3)) await grant(store, 300n, { lane });
      const processes = [store, another()];
      const outcomes = await Promise.all(
        lanes(3).flatMap((lane) =>
          Array.from({ length: 10 }, (_, i) => insist(() => reserve(processes[i % 2] ?? store, newHid(), 15n, [USER], lane))),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(6);
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 90n });
      expect(await broken(store)).toEqual([]);
    });

    test('of ten racing settlements of one hold one charges, and of ten racing top-ups of one id one counts', async () => {
      const { store, another } = await under.open();
      const processes = [store, another()];
      const each = Array.from({ length: 10 }, (_, i) => processes[i % 2] ?? store);
      const record = { id: 'once', walletId: 'team_dev', amountNanoUsd: 100n, atEpochMs: 0 };
      const topUps = await Promise.all(each.map((process) => insist(() => process.topUp(record))));
      expect(topUps.filter((outcome) => outcome.applied)).toHaveLength(1);
      await grant(store, 100n);
      const hid = newHid();
      await reserve(store, hid, 50n);
      const request = { lane: LANE, hid, hold: holdOf(50n), chargeNanoUsd: 20n };
      const settled = await Promise.all(each.map((process) => insist(() => process.settle(request))));
      expect(settled.filter((outcome) => outcome.ok)).toHaveLength(1);
      const raised = await Promise.all(each.map((process) => insist(() => process.raiseMarker(WALLET, '50_100-0', 1))));
      expect(raised.filter(Boolean)).toHaveLength(1);
      expect(figures(await laneNow(store))).toEqual([80n, 100n, 20n, 0]);
      expect(await broken(store)).toEqual([]);
    });

    test('grants, returns, flushes and calls at once leave the books in order', async () => {
      const { store, another } = await under.open();
      await fund(store, 400n);
      const processes = [store, another()];
      const work = Array.from({ length: 24 }, async (_, i) => {
        const process = processes[i % 2] ?? store;
        const lane = { ...LANE, n: i % 3 };
        const hid = newHid();
        await insist(() => grant(process, 40n, { lane }));
        const held = await insist(() => reserve(process, hid, 30n, [], lane));
        if (held.ok) await insist(() => process.settle({ lane, hid, hold: holdOf(30n), chargeNanoUsd: BigInt(i) }));
        const state = await process.readLane(lane, { consistent: true });
        if (!state) return;
        await insist(() => process.flush([{ lane: state, amountNanoUsd: state.unflushedNanoUsd }]));
        await insist(() => process.giveBack(state, state.idleNanoUsd / 2n));
      });
      await Promise.all(work);
      expect(await broken(store)).toEqual([]);
    });
  });
}
