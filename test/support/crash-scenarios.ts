/** What the crash matrix runs: every path of a payment and of its keeper, as small as it can be. */
import type { Scenario } from './crash-matrix.ts';
import { CHATS } from './crash-scenarios-chat.ts';
import { CALLS } from './crash-scenarios-holds.ts';
import { KEEPERS, WALLETS } from './crash-scenarios-keeper.ts';
import { REPLAYS } from './crash-scenarios-replay.ts';
import { LATE, REFUSALS, SPEND } from './crash-scenarios-spend.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...CALLS,
  ...REFUSALS,
  ...SPEND,
  ...LATE,
  ...KEEPERS,
  ...WALLETS,
  ...CHATS,
  ...REPLAYS,
];
