/**
 * Words of the vocabulary that this version reads but does not enforce. A policy that uses one is refused: no limit is
 * accepted and ignored. An entry leaves this table in the same change that makes its rule real.
 */
import type { PathStep } from './problems.ts';

interface NotEnforced {
  /** `*` stands for every item of a list. */
  readonly path: string;
  readonly what: string;
  /** Whether this value asks for something; any value but null does unless stated. */
  readonly asks?: (value: unknown) => boolean;
  /** What to write instead of leaving it out. */
  readonly instead?: string;
}

const isTrue = (value: unknown) => value === true;
const isFilledList = (value: unknown) => Array.isArray(value) && value.length > 0;

export const NOT_ENFORCED: readonly NotEnforced[] = [
  { path: 'alerts.forecast', what: 'forecast: true', asks: isTrue, instead: 'write forecast: false or remove it' },
  { path: 'alerts.tickets', what: 'tickets: true', asks: isTrue, instead: 'write tickets: false or remove it' },
  { path: 'alerts.acknowledge_within', what: 'acknowledge_within' },
  { path: 'alerts.escalate_to', what: 'escalate_to' },
  {
    path: 'alerts.channels.slack_webhook',
    what: 'slack_webhook',
    instead: 'use slack (Amazon Q Developer in chat applications) or email',
  },
  { path: 'alerts.channels.https', what: 'https channels', asks: isFilledList, instead: 'use slack or email' },
  { path: 'wallets.*.low_balance_usd', what: 'low_balance_usd', instead: "use the wallet's budget_alerts" },
  {
    path: 'evaluations',
    what: 'live evaluations (allowed: true, which an absent allowed means)',
    asks: (value) => typeof value === 'object' && value !== null && Reflect.get(value, 'allowed') !== false,
    instead: 'write allowed: false or remove evaluations',
  },
];

/** One use of a word that this version does not enforce. */
export interface NotEnforcedUse {
  readonly path: readonly PathStep[];
  readonly message: string;
  readonly suggestion?: string;
}

/** Every use of a word of the table in a file's data, whether or not the rest of the file is valid. */
export function findNotEnforced(data: unknown): NotEnforcedUse[] {
  return NOT_ENFORCED.flatMap((entry) => {
    const asks = entry.asks ?? ((value: unknown) => value !== null);
    return matches(data, entry.path.split('.'))
      .filter(({ value }) => asks(value))
      .map(({ path }) => ({
        path,
        message: `accepted by the schema, not enforced by this version: ${entry.what}; remove it, it would be ignored`,
        suggestion: entry.instead,
      }));
  });
}

function matches(data: unknown, pattern: readonly string[]): { path: PathStep[]; value: unknown }[] {
  const [step, ...rest] = pattern;
  if (step === undefined) return data === undefined ? [] : [{ path: [], value: data }];
  const below = (key: PathStep, value: unknown) =>
    matches(value, rest).map((match) => ({ path: [key, ...match.path], value: match.value }));
  if (step === '*') return Array.isArray(data) ? data.flatMap((item, index) => below(index, item)) : [];
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, step)) return [];
  return below(step, Reflect.get(data, step));
}
