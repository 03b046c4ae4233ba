/**
 * The value of a hold in a lane: a number for a plain hold; for one with user pots a list, kept short because sixteen holds
 * should fit the kilobyte that one write unit pays for. `[estimate, user, '<budget>#<window>', …]` leaves out the group,
 * which the lane knows; `[estimate, '', key, …]` holds whole keys, for pots that do not follow the pattern.
 */
import type { Hold, PotKey } from '../../domain/pots.ts';
import type { ItemReader } from './item-reader.ts';

/** A hold's value as stored. */
export type HoldValue = bigint | readonly [bigint, ...string[]];

interface UserPot {
  readonly group: string;
  readonly budget: string;
  readonly user: string;
  readonly window: string;
}

const USER_POT = /^budget\/(?<group>[^/#]+)\/(?<budget>[^/#]+)\/(?<user>.+)#(?<window>[^#]+)$/s;

function parseUserPot(key: PotKey): UserPot | undefined {
  const parts = USER_POT.exec(key)?.groups;
  const { group, budget, user, window } = parts ?? {};
  return group === undefined || budget === undefined || user === undefined || window === undefined
    ? undefined
    : { group, budget, user, window };
}

/** Every user pot's key begins so; the lane's watch list leaves it out. */
export const USER_POT_PREFIX = 'budget/';

/** User pots, or alerts of them, as the lane's watch list keeps them. */
export function watchList(keys: readonly string[]): ReadonlySet<string> {
  return new Set(keys.map((key) => key.slice(USER_POT_PREFIX.length)));
}

/** How a hold is stored. The same hold always has the same value: conditions compare the whole of it. */
export function holdValue(hold: Hold): HoldValue {
  if (hold.direct.length === 0) return hold.estimateNanoUsd;
  const pots = hold.direct.map(parseUserPot);
  const first = pots[0];
  const short = pots.flatMap((pot) =>
    pot !== undefined && pot.user === first?.user && pot.group === first.group ? [`${pot.budget}#${pot.window}`] : [],
  );
  return first !== undefined && short.length === pots.length
    ? [hold.estimateNanoUsd, first.user, ...short]
    : [hold.estimateNanoUsd, '', ...hold.direct];
}

/**
 * Reads a hold's value.
 * @param groupId the group of the lane
 * @throws DamagedItemError when it is neither a number nor such a list
 */
export function readHold(reader: ItemReader, hid: string, value: unknown, groupId: string): Hold {
  if (typeof value === 'bigint') return { estimateNanoUsd: value, direct: [] };
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const [estimateNanoUsd, user, ...rest] = list;
  const names = rest.filter((name) => typeof name === 'string');
  if (typeof estimateNanoUsd !== 'bigint' || typeof user !== 'string' || names.length === 0 || names.length !== rest.length) {
    return reader.damaged(`the hold '${hid}' is neither an amount nor a list of an amount and user pots`);
  }
  return { estimateNanoUsd, direct: user === '' ? names : names.map((name) => userPotKey(groupId, user, name)) };
}

function userPotKey(group: string, user: string, short: string): PotKey {
  const at = short.indexOf('#');
  return `budget/${group}/${short.slice(0, at)}/${user}${short.slice(at)}`;
}
