/** What a simulation is made of: how the network behaves, who calls what, and what is changed meanwhile. */
import type { Budget, Threshold } from '../../../lambdas/domain/policy.ts';

/** Probabilities are per call. */
export interface NetworkFaults {
  readonly lostRequest: number;
  readonly lostReply: number;
  /** The request is carried out a second time, at once or much later. Never a reserve: it is sent once. */
  readonly duplicated: number;
  /** Arrives up to 20 s late, long after the caller gave up. */
  readonly slow: number;
  /** Arrives 10 to 11 minutes late. */
  readonly verySlow: number;
  /** A conflict or throttling: not carried out. */
  readonly notApplied: number;
  /** A server error that does not say whether the request was carried out. */
  readonly serverError: number;
  /** An eventually consistent read shows the state before the last change. */
  readonly stale: number;
  /** The longest time that a new lane may be missing from the index, ms. */
  readonly indexLagMs: number;
}

export interface ProfileBudget {
  readonly name: string;
  readonly window: Budget['window'];
  readonly limit: number;
  readonly per?: 'user';
  readonly models?: readonly string[];
  readonly soft?: boolean;
}

export interface ProfileGroup {
  readonly name: string;
  readonly wallet: string;
  readonly funding?: readonly string[];
  readonly budgets: readonly ProfileBudget[];
}

export interface ProfileProvider {
  readonly name: string;
  readonly budgets: readonly ProfileBudget[];
}

export interface Profile {
  readonly name: string;
  readonly purpose: string;
  readonly network: NetworkFaults;
  /** Of a process, at every await. */
  readonly crash: number;
  readonly skewMs: number;
  readonly gateways: number;
  readonly keepers: number;
  readonly keeperEveryMs: readonly [number, number];
  readonly idleAfterMs: number;
  readonly holdSeconds: number;
  readonly wallets: Readonly<Record<string, number>>;
  readonly walletThresholds: readonly Threshold[];
  readonly groups: readonly ProfileGroup[];
  readonly providers: readonly ProfileProvider[];
  /** Models that only some budgets count. */
  readonly models: readonly string[];
  readonly thresholds: readonly Threshold[];
  readonly users: number;
  /** Stretches of traffic: how long after the start each begins, how long it lasts, calls a second. */
  readonly traffic: readonly { readonly fromMs: number; readonly forMs: number; readonly perSecond: number }[];
  readonly bound: readonly [number, number];
  /** Duration of a provider's call, ms. */
  readonly callMs: readonly [number, number];
  /** Share of calls that end within 2 s of their hold's expiry. */
  readonly atExpiry: number;
  /** Share of calls that last much longer than their hold. */
  readonly long: number;
  readonly failedAttempt: number;
  /** Share of calls that a provider bills above the bound. */
  readonly above: number;
  readonly publishFails: number;
  /** Mean time between two of each, ms; 0 for never. */
  readonly topUpEveryMs: number;
  readonly withdrawEveryMs: number;
  readonly limitChangeEveryMs: number;
  readonly shapeChangeEveryMs: number;
  /** Zone and first instant; one is drawn per seed. */
  readonly starts: readonly { readonly timezone: string; readonly at: string }[];
  /** Nothing fails: refusals must then be exact, and one alert is one message. */
  readonly exact?: boolean;
}

const QUIET: NetworkFaults = {
  lostRequest: 0,
  lostReply: 0,
  duplicated: 0,
  slow: 0,
  verySlow: 0,
  notApplied: 0,
  serverError: 0,
  stale: 0,
  indexLagMs: 0,
};

const NOISY: NetworkFaults = {
  lostRequest: 0.02,
  lostReply: 0.02,
  duplicated: 0.02,
  slow: 0.02,
  verySlow: 0.001,
  notApplied: 0.03,
  serverError: 0.01,
  stale: 0.2,
  indexLagMs: 2_000,
};

const THRESHOLDS: readonly Threshold[] = [
  { percent: 50, action: 'notify' },
  { percent: 90, action: 'notify' },
  { percent: 100, action: 'block' },
];
const WALLET_THRESHOLDS: readonly Threshold[] = [
  { percent: 50, action: 'notify' },
  { percent: 90, action: 'notify' },
];

const MINUTE = 60_000;

const CHAOS: Profile = {
  name: 'chaos',
  purpose: 'everything at once at 2 % of loss on each leg',
  network: NOISY,
  crash: 0.0008,
  skewMs: 300_000,
  gateways: 3,
  keepers: 2,
  keeperEveryMs: [5_000, 15_000],
  idleAfterMs: 45_000,
  holdSeconds: 30,
  wallets: { one: 60_000, two: 40_000 },
  walletThresholds: WALLET_THRESHOLDS,
  groups: [
    {
      name: 'dev',
      wallet: 'one',
      budgets: [
        { name: 'day', window: 'day', limit: 30_000 },
        { name: 'hour', window: 'hour', limit: 15_000 },
      ],
    },
    { name: 'app', wallet: 'two', funding: ['one'], budgets: [{ name: 'day', window: 'day', limit: 40_000, soft: true }] },
    {
      name: 'lab',
      wallet: 'one',
      budgets: [
        { name: 'each', window: 'day', limit: 4_000, per: 'user' },
        { name: 'frontier', window: 'day', limit: 6_000, models: ['frontier'] },
      ],
    },
    { name: 'batch', wallet: 'two', budgets: [{ name: 'all', window: 'total', limit: 25_000 }] },
  ],
  providers: [
    { name: 'near', budgets: [{ name: 'month', window: 'month', limit: 50_000 }] },
    { name: 'far', budgets: [{ name: 'day', window: 'day', limit: 45_000 }] },
  ],
  models: ['economy', 'frontier'],
  thresholds: THRESHOLDS,
  users: 4,
  traffic: [{ fromMs: 0, forMs: 4 * MINUTE, perSecond: 8 }],
  bound: [20, 200],
  callMs: [100, 8_000],
  atExpiry: 0.02,
  long: 0.01,
  failedAttempt: 0.06,
  above: 0.02,
  publishFails: 0.1,
  topUpEveryMs: 20_000,
  withdrawEveryMs: 45_000,
  limitChangeEveryMs: 20_000,
  shapeChangeEveryMs: 60_000,
  starts: [{ timezone: 'Europe/Berlin', at: '2026-11-23T12:00:00Z' }],
};

const SHORT: readonly ProfileBudget[] = [{ name: 'day', window: 'day', limit: 2_000 }];

const ALL: readonly Profile[] = [
  CHAOS,
  {
    ...CHAOS,
    name: 'edge',
    crash: 0.0002,
    purpose: 'calls that end as their hold expires, at 5 % of loss and 12 % of late messages',
    network: { ...NOISY, lostRequest: 0.05, lostReply: 0.05, slow: 0.12, duplicated: 0.05 },
    skewMs: 5_000,
    gateways: 2,
    keeperEveryMs: [2_000, 6_000] as const,
    atExpiry: 0.5,
    long: 0.1,
    traffic: [{ fromMs: 0, forMs: 4 * MINUTE, perSecond: 8 }],
    shapeChangeEveryMs: 0,
  },
  {
    ...CHAOS,
    name: 'late',
    crash: 0.0002,
    purpose: 'wallets that are short when the true cost comes after the hold is gone',
    network: { ...NOISY, lostReply: 0.05, slow: 0.12, duplicated: 0.05 },
    keeperEveryMs: [2_000, 6_000] as const,
    wallets: { one: 2_000, two: 1_500 },
    groups: [
      { name: 'dev', wallet: 'one', funding: ['two'], budgets: [{ name: 'day', window: 'day', limit: 12_000 }] },
      { name: 'lab', wallet: 'two', budgets: [{ name: 'each', window: 'hour', limit: 900, per: 'user' as const }] },
    ],
    holdSeconds: 10,
    callMs: [8_000, 20_000] as const,
    atExpiry: 0.4,
    topUpEveryMs: 8_000,
    withdrawEveryMs: 20_000,
    shapeChangeEveryMs: 0,
  },
  {
    ...CHAOS,
    name: 'alerts',
    purpose: 'a crash at every sixteenth await, one lane, tiny limits, receivers that are away',
    crash: 0.06,
    gateways: 4,
    keeperEveryMs: [3_000, 9_000] as const,
    wallets: { one: 6_000 },
    groups: [
      {
        name: 'dev',
        wallet: 'one',
        budgets: [
          { name: 'day', window: 'day', limit: 3_000 },
          { name: 'soft', window: 'day', limit: 1_500, soft: true },
        ],
      },
    ],
    providers: [{ name: 'near', budgets: [{ name: 'month', window: 'month', limit: 5_000 }] }],
    traffic: [{ fromMs: 0, forMs: 10 * MINUTE, perSecond: 3 }],
    callMs: [50, 2_000] as const,
    publishFails: 0.3,
    topUpEveryMs: 60_000,
    withdrawEveryMs: 0,
    limitChangeEveryMs: 30_000,
    shapeChangeEveryMs: 0,
  },
  {
    ...CHAOS,
    name: 'rollover',
    purpose: 'hours, days, weeks and months that end under load, over a change of daylight saving',
    wallets: { one: 200_000 },
    groups: [
      {
        name: 'dev',
        wallet: 'one',
        budgets: [
          { name: 'hour', window: 'hour', limit: 4_000 },
          { name: 'day', window: 'day', limit: 9_000 },
        ],
      },
      {
        name: 'app',
        wallet: 'one',
        budgets: [
          { name: 'week', window: 'week', limit: 15_000 },
          { name: 'each', window: 'day', limit: 2_500, per: 'user' },
        ],
      },
    ],
    providers: [
      { name: 'near', budgets: [{ name: 'month', window: 'month', limit: 30_000 }] },
      { name: 'far', budgets: [{ name: 'day', window: 'day', limit: 12_000 }] },
    ],
    traffic: [
      { fromMs: 0, forMs: 4 * MINUTE, perSecond: 4 },
      { fromMs: 118 * MINUTE, forMs: 4 * MINUTE, perSecond: 2 },
      { fromMs: 23 * 60 * MINUTE, forMs: 4 * MINUTE, perSecond: 2 },
      { fromMs: 24 * 60 * MINUTE, forMs: 4 * MINUTE, perSecond: 2 },
      { fromMs: 25 * 60 * MINUTE, forMs: 4 * MINUTE, perSecond: 2 },
    ],
    publishFails: 0.4,
    limitChangeEveryMs: 0,
    shapeChangeEveryMs: 0,
    starts: [
      { timezone: 'Europe/Berlin', at: '2026-10-24T21:58:00Z' },
      { timezone: 'Europe/Berlin', at: '2026-03-28T22:58:00Z' },
      { timezone: 'America/New_York', at: '2026-11-01T03:58:00Z' },
      { timezone: 'Australia/Lord_Howe', at: '2026-10-03T13:28:00Z' },
      { timezone: 'America/Santiago', at: '2026-09-06T03:58:00Z' },
      { timezone: 'Africa/Cairo', at: '2026-04-23T21:58:00Z' },
    ],
  },
  {
    ...CHAOS,
    name: 'cascade',
    purpose: 'groups that draw on several wallets, one after the other, all of them short of money',
    wallets: { one: 3_000, two: 5_000, three: 8_000 },
    groups: [
      { name: 'dev', wallet: 'one', funding: ['two', 'three'], budgets: [{ name: 'day', window: 'day', limit: 12_000 }] },
      { name: 'app', wallet: 'two', funding: ['one'], budgets: [] },
      {
        name: 'lab',
        wallet: 'three',
        funding: ['two'],
        budgets: [{ name: 'each', window: 'day', limit: 2_000, per: 'user' as const }],
      },
    ],
    topUpEveryMs: 10_000,
    withdrawEveryMs: 15_000,
  },
  {
    ...CHAOS,
    name: 'users',
    purpose: 'budgets of single users, beside the lanes, with limits of a dozen calls',
    groups: [
      {
        name: 'dev',
        wallet: 'one',
        budgets: [
          { name: 'each', window: 'day', limit: 1_500, per: 'user' as const },
          { name: 'burst', window: 'hour', limit: 1_200, per: 'user' as const },
          { name: 'day', window: 'day', limit: 30_000 },
        ],
      },
      {
        name: 'lab',
        wallet: 'two',
        budgets: [
          { name: 'each', window: 'day', limit: 2_500, per: 'user' as const, models: ['frontier'] },
          { name: 'tiny', window: 'hour', limit: 150, per: 'user' as const, models: ['economy'] },
        ],
      },
    ],
    users: 8,
    traffic: [{ fromMs: 0, forMs: 4 * MINUTE, perSecond: 6 }],
    shapeChangeEveryMs: 0,
  },
  {
    ...CHAOS,
    name: 'growth',
    crash: 0.0003,
    purpose: 'many long calls at once, so that lanes are full and their number doubles',
    wallets: { one: 400_000 },
    groups: [{ name: 'dev', wallet: 'one', budgets: [{ name: 'day', window: 'day', limit: 300_000 }] }],
    providers: [{ name: 'near', budgets: [{ name: 'day', window: 'day', limit: 280_000 }] }],
    models: ['economy'],
    traffic: [{ fromMs: 0, forMs: MINUTE, perSecond: 30 }],
    callMs: [5_000, 25_000] as const,
    shapeChangeEveryMs: 0,
    limitChangeEveryMs: 0,
  },
  {
    ...CHAOS,
    name: 'calm',
    purpose: 'nothing fails: refusals are exact, and one crossing is one message',
    network: QUIET,
    crash: 0,
    skewMs: 0,
    keepers: 1,
    keeperEveryMs: [20_000, 40_000] as const,
    wallets: { one: 20_000 },
    groups: [
      {
        name: 'dev',
        wallet: 'one',
        budgets: [
          { name: 'day', window: 'day', limit: 6_000 },
          { name: 'each', window: 'day', limit: 3_000, per: 'user' as const },
        ],
      },
      { name: 'app', wallet: 'one', budgets: SHORT },
    ],
    atExpiry: 0,
    long: 0,
    above: 0,
    publishFails: 0,
    topUpEveryMs: 0,
    withdrawEveryMs: 0,
    limitChangeEveryMs: 0,
    shapeChangeEveryMs: 0,
    traffic: [{ fromMs: 0, forMs: 3 * MINUTE, perSecond: 3 }],
    exact: true,
  },
];

/** Made from the calm one: several wallets, filled up again and again. */
function spareOf(calm: Profile): Profile {
  return {
    ...calm,
    name: 'spare',
    purpose: 'nothing fails: a further wallet pays only when none before it could',
    wallets: { one: 3_000, two: 6_000, three: 60_000 },
    groups: [
      { name: 'dev', wallet: 'one', funding: ['two', 'three'], budgets: [{ name: 'day', window: 'day', limit: 100_000 }] },
      { name: 'app', wallet: 'two', funding: ['three'], budgets: [] },
      { name: 'lab', wallet: 'one', funding: ['three'], budgets: [{ name: 'each', window: 'day', limit: 50_000, per: 'user' }] },
    ],
    topUpEveryMs: 12_000,
  };
}

/** Every profile by its name. */
export const PROFILES: Readonly<Record<string, Profile>> = Object.fromEntries(
  ALL.flatMap((profile) => (profile.exact === true ? [profile, spareOf(profile)] : [profile])).map((profile) => [
    profile.name,
    profile,
  ]),
);
