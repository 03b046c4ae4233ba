/** Contract of putEntry, late and lose: an entry is written once, and a true cost that comes late is charged or refunded once. */
import type { LateRequest } from '../../../lambdas/application/ports.ts';
import type { Entry } from '../../../lambdas/domain/entries.ts';
import {
  BUDGET,
  CHAIN,
  LANE,
  NOW,
  PROVIDER,
  type StoreUnderTest,
  USER,
  WALLET,
  broken,
  chainOf,
  entryOf,
  figures,
  fund,
  gather,
  grant,
  holdOf,
  laneNow,
  limitPot,
  newHid,
  potNow,
  potsOf,
  reserve,
  walletPot,
} from './world.ts';

export function describeEntries(under: StoreUnderTest): void {
  describe('putEntry', () => {
    test('keeps every field of an entry', async () => {
      const { store } = await under.open();
      const entry: Entry = entryOf(newHid(), 'FINAL', 12n, {
        lossNanoUsd: 3n,
        direct: [USER.key],
        detail: {
          requestId: 'req_1',
          group: 'dev',
          user: 'ann',
          keyId: 'abc123',
          route: 'economy',
          provider: 'openai',
          model: 'gpt-5-mini',
          attempt: 2,
          usage: {
            inputTokens: 10,
            cachedInputTokens: 4,
            outputTokens: 7,
            reasoningTokens: 1,
            cacheWriteInputTokens: 3,
            cacheWriteHourInputTokens: 0,
          },
          estimated: true,
          outcome: 'ok',
          purpose: 'traffic',
          tags: { feature: 'search', pk: 'not a key' },
          unlistedFields: ['seed'],
        },
      });
      expect(await store.putEntry(entry)).toEqual({ ok: true });
      expect(await store.readEntry(entry.hid)).toEqual(entry);
      expect(await gather(store.allEntries())).toEqual([entry]);
    });

    test('an entry that knows only what the keeper knows comes back without made-up fields', async () => {
      const { store } = await under.open();
      const entry = entryOf(newHid(), 'RELEASED', 0n, {
        detail: { usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 0 } },
      });
      await store.putEntry(entry);
      expect(await store.readEntry(entry.hid)).toStrictEqual(entry);
    });

    test('the first writer of a hold wins, and the second is told what stands', async () => {
      const { store } = await under.open();
      const first = entryOf(newHid(), 'VOID', 0n);
      expect(await store.putEntry(first)).toEqual({ ok: true });
      expect(await store.putEntry({ ...first, status: 'FINAL', chargeNanoUsd: 9n })).toEqual({ ok: false, existing: first });
      expect(await store.readEntry(first.hid)).toEqual(first);
      expect(await store.readEntry(newHid())).toBeUndefined();
    });
  });

  /** A lane with a hold of 50 that the keeper ended at `charge`, and the request of the answer that came after. */
  async function expired(charge: 0n | 50n, late: bigint, direct = [USER]) {
    const { store } = await under.open();
    await fund(store, 500n);
    await grant(store, 50n);
    const hid = newHid();
    await reserve(store, hid, 50n, direct);
    const status = charge === 0n ? 'RELEASED' : 'ESTIMATED';
    const directKeys = direct.map((pot) => pot.key);
    await store.expire(
      LANE,
      holdOf(50n, direct),
      entryOf(hid, status, charge, { direct: directKeys, detail: { outcome: 'expired' } }),
    );
    const request: LateRequest = {
      hid,
      seen: { status, chargeNanoUsd: charge },
      chargeNanoUsd: late,
      lossNanoUsd: 3n,
      lane: LANE,
      chain: potsOf(CHAIN),
      walletId: 'team_dev',
      groupId: 'dev',
      providerId: 'openai',
      direct,
      nowEpochMs: NOW + 5,
    };
    return { store, hid, request };
  }

  describe('late', () => {
    test('charges what was released, through the lane and to the user, and flips the entry', async () => {
      const { store, hid, request } = await expired(0n, 30n);
      expect(await store.late({ ...request, detail: { outcome: 'ok', model: 'm' } })).toEqual({ ok: true });
      expect(figures(await laneNow(store))).toEqual([50n, 80n, 30n, 0]);
      expect((await laneNow(store)).lastUseEpochMs).toBe(NOW + 5);
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 420n, settledNanoUsd: 0n });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 80n });
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 30n, settledNanoUsd: 30n });
      expect(await store.readEntry(hid)).toMatchObject({
        status: 'LATE',
        chargeNanoUsd: 30n,
        detail: { outcome: 'ok', model: 'm' },
      });
      expect(await broken(store)).toEqual([]);
    });

    test('charges also when the lane is long gone, and the new one can be found', async () => {
      const { store, request } = await expired(0n, 30n, []);
      await store.giveBack(await laneNow(store), 50n);
      expect(await store.closeLane(LANE, NOW + 1)).toBe(true);
      expect(await store.late(request)).toEqual({ ok: true });
      expect(await laneNow(store)).toEqual({
        id: LANE,
        idleNanoUsd: 0n,
        escrowNanoUsd: 30n,
        unflushedNanoUsd: 30n,
        holds: new Map(),
        watched: [],
        chain: potsOf(CHAIN).map((pot) => pot.key),
        walletId: 'team_dev',
        groupId: 'dev',
        providerId: 'openai',
        lastUseEpochMs: NOW + 5,
        laneCount: 1,
      });
      expect(await store.lanesOf('group', 'dev')).toEqual([LANE]);
      expect(await broken(store)).toEqual([]);
    });

    test('refunds what was estimated above the true cost', async () => {
      const { store, hid, request } = await expired(50n, 20n);
      const lane = await laneNow(store);
      await store.flush([{ lane, amountNanoUsd: 50n }]);
      expect(await store.late(request)).toEqual({ ok: true });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 480n, settledNanoUsd: 20n });
      expect(await potNow(store, BUDGET)).toMatchObject({ committedNanoUsd: 20n, settledNanoUsd: 20n });
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 20n, settledNanoUsd: 20n });
      expect(await store.readEntry(hid)).toMatchObject({ status: 'LATE', chargeNanoUsd: 20n, detail: { outcome: 'expired' } });
      expect(await broken(store)).toEqual([]);
    });

    test('only flips the entry when the estimate was right', async () => {
      const { store, hid, request } = await expired(50n, 50n);
      const before = await gather(store.allPots());
      expect(await store.late({ ...request, detail: { outcome: 'ok' } })).toEqual({ ok: true });
      expect(await store.readEntry(hid)).toMatchObject({ status: 'LATE', chargeNanoUsd: 50n, detail: { outcome: 'ok' } });
      expect(new Set(await gather(store.allPots()))).toEqual(new Set(before));
    });

    test.each([
      ['charge', 0n, 30n],
      ['refund', 50n, 20n],
      ['flip', 50n, 50n],
    ] as const)('a second late %s moves nothing', async (_name, charge, late) => {
      const { store, request } = await expired(charge, late);
      await store.late(request);
      const pots = new Set(await gather(store.allPots()));
      const lane = await laneNow(store);
      expect(await store.late(request)).toEqual({ ok: false, reason: 'flipped' });
      expect(new Set(await gather(store.allPots()))).toEqual(pots);
      expect(await laneNow(store)).toEqual(lane);
    });

    test('a late cost computed from another charge of the same status moves nothing', async () => {
      const { store, hid, request } = await expired(0n, 30n);
      await store.late(request);
      expect(await store.late({ ...request, seen: { status: 'LATE', chargeNanoUsd: 29n }, chargeNanoUsd: 40n })).toEqual({
        ok: false,
        reason: 'flipped',
      });
      expect(await store.readEntry(hid)).toMatchObject({ chargeNanoUsd: 30n });
      expect(await store.late({ ...request, seen: { status: 'LATE', chargeNanoUsd: 30n }, chargeNanoUsd: 40n })).toEqual({
        ok: true,
      });
      expect(await broken(store)).toEqual([]);
    });

    test('a late cost without an entry moves nothing', async () => {
      const { store, request } = await expired(0n, 30n);
      for (const chargeNanoUsd of [0n, 30n]) {
        expect(await store.late({ ...request, hid: newHid(), chargeNanoUsd })).toEqual({ ok: false, reason: 'flipped' });
      }
      expect(await broken(store)).toEqual([]);
    });

    test.each([
      ['the wallet', { ...WALLET }, [BUDGET, PROVIDER]],
      ['a budget', { ...WALLET, enforced: false }, [{ ...BUDGET, hardLimitNanoUsd: 79n }, PROVIDER]],
      ['the provider', { ...WALLET, enforced: false }, [BUDGET, { ...PROVIDER, hardLimitNanoUsd: 79n }]],
    ] as const)('%s without room for a late charge is named, and nothing moves', async (_name, wallet, limits) => {
      const { store, hid, request } = await expired(0n, 30n);
      await store.topUp({ id: 'out', walletId: 'team_dev', amountNanoUsd: -421n, atEpochMs: NOW });
      const refused = [wallet, ...limits].find((pot) => pot.hardLimitNanoUsd === 79n) ?? WALLET;
      expect(await store.late({ ...request, chain: [wallet, ...limits] })).toEqual({
        ok: false,
        reason: 'pot',
        pot: refused.key,
      });
      expect(await store.readEntry(hid)).toMatchObject({ status: 'RELEASED' });
      expect(figures(await laneNow(store))).toEqual([50n, 50n, 0n, 0]);
      expect(await broken(store)).toEqual([]);
    });

    test('a late charge takes exactly the room that is left', async () => {
      const { store, request } = await expired(0n, 30n);
      await store.topUp({ id: 'out', walletId: 'team_dev', amountNanoUsd: -420n, atEpochMs: NOW });
      const chain = [WALLET, { ...BUDGET, hardLimitNanoUsd: 80n }, PROVIDER];
      const direct = [{ ...USER, hardLimitNanoUsd: 30n }];
      expect(await store.late({ ...request, chain, direct })).toEqual({ ok: true });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 0n });
    });

    test('a user pot without room for a late charge is named, and nothing moves', async () => {
      const { store, request } = await expired(0n, 30n);
      const direct = [{ ...USER, hardLimitNanoUsd: 29n }];
      expect(await store.late({ ...request, direct })).toEqual({ ok: false, reason: 'pot', pot: USER.key });
      expect(await potNow(store, USER)).toMatchObject({ committedNanoUsd: 0n });
      expect(await potNow(store, WALLET)).toMatchObject({ availableNanoUsd: 450n });
    });

    test('soft pots take any late charge', async () => {
      const { store, request } = await expired(0n, 30n, []);
      const chain = chainOf('late', walletPot('soft', false), [limitPot('budget/dev/soft', undefined)]);
      const lane = { chainHash: 'late', n: 0 };
      expect(await store.late({ ...request, lane, chain: potsOf(chain), walletId: 'soft', chargeNanoUsd: 9000n })).toEqual({
        ok: true,
      });
      expect(await potNow(store, chain.wallet)).toMatchObject({ availableNanoUsd: -9000n });
      expect(await broken(store)).toEqual([]);
    });
  });

  describe('lose', () => {
    test('records once what no pot could pay', async () => {
      const { store, hid } = await expired(0n, 30n);
      expect(await store.lose(hid, 'RELEASED', 30n)).toBe(true);
      expect(await store.readEntry(hid)).toMatchObject({ status: 'LOST', chargeNanoUsd: 0n, lossNanoUsd: 30n });
      expect(await store.lose(hid, 'RELEASED', 31n)).toBe(false);
      expect(await store.lose(newHid(), 'RELEASED', 31n)).toBe(false);
      expect(await store.readEntry(hid)).toMatchObject({ lossNanoUsd: 30n });
    });
  });
}
