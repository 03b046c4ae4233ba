import {
  MAX_HOLDS_PER_LANE,
  type Pot,
  type PotState,
  escrowNanoUsd,
  heldNanoUsd,
  roomNanoUsd,
  watchedPot,
} from '../../../lambdas/domain/pots.ts';
import { LIFE } from '../../../lambdas/domain/windows.ts';

test('held is the sum of the holds, and sixteen of them fill a lane', () => {
  expect(heldNanoUsd({ holds: new Map() })).toBe(0n);
  const hold = (estimateNanoUsd: bigint) => ({ estimateNanoUsd, direct: [] });
  expect(
    heldNanoUsd({
      holds: new Map([
        ['a', hold(3n)],
        ['b', hold(4n)],
      ]),
    }),
  ).toBe(7n);
  expect(MAX_HOLDS_PER_LANE).toBe(16);
});

const STATE: PotState = {
  key: 'wallet/team_dev#life',
  kind: 'wallet',
  availableNanoUsd: 30n,
  fundedNanoUsd: 100n,
  withdrawnNanoUsd: 0n,
  baseNanoUsd: 0n,
  committedNanoUsd: 71n,
  settledNanoUsd: 45n,
  alerts: {},
};
const POT: Pot = {
  key: STATE.key,
  scope: 'wallet/team_dev',
  kind: 'wallet',
  owner: 'wallet',
  enforced: true,
  thresholds: [],
  window: LIFE,
};

test('what is out in lanes is neither left nor settled', () => {
  expect(escrowNanoUsd(STATE)).toBe(25n);
  expect(escrowNanoUsd({ ...STATE, kind: 'limit', committedNanoUsd: 50n })).toBe(5n);
  expect(escrowNanoUsd(undefined)).toBe(0n);
});

test('a wallet has room for what is available, a limit for what is not committed, and a soft pot for anything', () => {
  expect([roomNanoUsd(POT, STATE), roomNanoUsd(POT, undefined)]).toEqual([30n, 0n]);
  const limit: Pot = { ...POT, kind: 'limit', hardLimitNanoUsd: 90n };
  expect([roomNanoUsd(limit, STATE), roomNanoUsd(limit, undefined)]).toEqual([19n, 90n]);
  expect(roomNanoUsd({ ...limit, hardLimitNanoUsd: undefined }, STATE)).toBe(-71n);
  expect(roomNanoUsd({ ...POT, enforced: false }, STATE)).toBeUndefined();
});

test('a watch list names a pot by its key or by the id of its alert, whatever the user is called', () => {
  for (const user of ['ann', 'ann:1', 'ann#2:1', 'a:b#c']) {
    const key = `budget/dev/each/${user}#h2026-11-23T14`;
    expect([watchedPot(key), watchedPot(`${key}:100_5000`)]).toEqual([key, key]);
  }
});
