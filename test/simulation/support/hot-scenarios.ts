/** The hot wallets that `npm run simulate:hot` shows. A call costs its whole bound unless said otherwise: the hardest case for the pots. */
import { NEW_TABLE, WARM_TABLE } from './dynamo-limits.ts';
import type { HotWallet } from './hot-wallet.ts';

/** Lambda adds 1,000 processes every 10 s to a function (AWS Lambda Developer Guide, "Lambda function scaling", read 2026-11-24). */
const LONG_CALLS = {
  perSecond: 1_000,
  callMs: 8_000,
  cost: [1, 1],
  table: NEW_TABLE,
  rampMs: 80_000,
  settleInMs: 40_000,
  measureMs: 60_000,
} as const;

const SHORT_CALLS = {
  perSecond: 10_000,
  callMs: 500,
  cost: [1, 1],
  // 10,000 requests at over 3 write units are more than a new table takes.
  table: WARM_TABLE,
  rampMs: 20_000,
  settleInMs: 20_000,
  measureMs: 10_000,
} as const;

const DRY = {
  perSecond: 100,
  callMs: 500,
  cost: [1, 1],
  table: NEW_TABLE,
  rampMs: 0,
  settleInMs: 60_000,
  measureMs: 60_000,
  /** Gone after 20 s. */
  bounds: 2_000,
} as const;

export const HOT_WALLETS: Readonly<Record<string, Omit<HotWallet, 'name'>>> = {
  '1000-lambda': { ...LONG_CALLS, processes: 'lambda' },
  '1000-node': { ...LONG_CALLS, processes: 4 },
  '1000-lambda-4-groups': { ...LONG_CALLS, processes: 'lambda', groups: 4 },
  '10000-lambda': { ...SHORT_CALLS, processes: 'lambda' },
  '10000-node': { ...SHORT_CALLS, processes: 8 },
  '10000-node-new-table': { ...SHORT_CALLS, processes: 8, table: NEW_TABLE, rampMs: 20_000, settleInMs: 0, measureMs: 10_000 },
  'midnight-lambda': { ...LONG_CALLS, processes: 'lambda', measureMs: 150_000, midnightAfterMs: 90_000 },
  'midnight-node': { ...LONG_CALLS, processes: 4, measureMs: 150_000, midnightAfterMs: 90_000 },
  'dry-lambda': { ...DRY, processes: 'lambda' },
  'dry-node': { ...DRY, processes: 4 },
  'last-100-s-of-money': { ...LONG_CALLS, processes: 4, settleInMs: 20_000, measureMs: 90_000, bounds: 160_000 },
};
