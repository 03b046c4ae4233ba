/**
 * A stage's policy after every check: what the rest of the code reads. `lambdas/policy` makes it from the file;
 * nothing else does. Amounts are nano-USD, times are milliseconds, defaults are filled in.
 */
import type { BedrockService } from './bedrock.ts';
import type { NanoUsd } from './money.ts';
import type { Price } from './prices.ts';
import type { ApiName, Protocol } from './protocols/api.ts';
import type { WindowKind } from './windows.ts';

export interface Policy {
  /** Names the stage in keys, tables, parameters: `dev`, `prod`, 2–16 characters of a–z, 0–9 and `-`. */
  readonly stage: string;
  readonly purpose: 'learning' | 'service';
  /** IANA zone in which calendar windows begin. */
  readonly timezone: string;
  readonly owner?: string;
  readonly costTracking: CostTracking;
  readonly alerts: AlertSettings;
  readonly wallets: readonly WalletPolicy[];
  readonly consumerGroups: readonly ConsumerGroup[];
  readonly providers: readonly Provider[];
  readonly defaultRoute?: string;
  readonly routes: readonly Route[];
  /** Every dated price of every target: the file's own first, the catalogue's behind them. */
  readonly prices: readonly Price[];
  readonly evaluations?: { readonly walletTeamId: string; readonly maxRunNanoUsd: NanoUsd; readonly allowed: boolean };
}

export interface CostTracking {
  /** false: everything is recorded, nothing blocks and nothing alerts. */
  readonly enabled: boolean;
  /** false: wallets are recorded but never block. */
  readonly walletEnforcement: boolean;
  readonly unpricedModel: 'reject' | 'allow_at_zero';
  readonly unknownOutcome: 'charge' | 'release';
  readonly budgetAlerts: readonly Threshold[];
}

export interface Threshold {
  /** Whole percent of the limit, 1 or more. A `block` is 100 or less. */
  readonly percent: number;
  readonly action: 'notify' | 'block';
}

export interface AlertSettings {
  readonly severity: 'informational' | 'actionable';
  readonly owner?: string;
  readonly runbook?: string;
  readonly email: readonly string[];
  readonly slack?: { readonly workspaceId: string; readonly channelId: string };
}

export interface WalletPolicy {
  readonly teamId: string;
  readonly planNanoUsdPerMonth: NanoUsd;
  /** The wallet's own, or the stage's. */
  readonly thresholds: readonly Threshold[];
}

export interface Budget {
  readonly name: string;
  readonly window: WindowKind;
  readonly limitNanoUsd: NanoUsd;
  /** `user`: every user has a pot of this size of their own. */
  readonly per?: 'user';
  /** Routes it counts; absent: all. */
  readonly models?: readonly string[];
  /** The budget's own, or the stage's. No `block` among them makes it soft. */
  readonly thresholds: readonly Threshold[];
}

export interface ConsumerGroup {
  readonly name: string;
  /** SHA-256 (hex) of a plaintext key in the file; only a local stage may have one. */
  readonly apiKeySha256?: string;
  readonly walletTeamId: string;
  /** Further wallets to draw on, in this order, when the first is short. */
  readonly funding: readonly string[];
  /** Names of the routes it may call. */
  readonly models: readonly string[];
  /** Cap and default for what one answer may generate, tokens. */
  readonly maxOutputTokens: number;
  /** Most requests and tokens of one minute. */
  readonly rateLimits?: { readonly requestsPerMinute?: number; readonly tokensPerMinute?: number };
  readonly budgets: readonly Budget[];
}

export interface Provider {
  readonly name: string;
  readonly protocol: Protocol;
  /** What its endpoint serves. */
  readonly apis: readonly ApiName[];
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly credential: Credential;
  readonly timeoutMs: Timeouts;
  readonly outputCapField: 'max_completion_tokens' | 'max_tokens' | 'max_output_tokens';
  readonly budgets: readonly Budget[];
}

export type Credential =
  | { readonly kind: 'secret'; readonly name: string }
  /** The gateway's own role: requests are signed for this service and region. */
  | { readonly kind: 'iam'; readonly service: BedrockService; readonly region: string }
  | { readonly kind: 'none' };

/** Milliseconds. `idle` is the longest silence between two chunks, `total` the whole call with all its attempts' waits. */
export interface Timeouts {
  readonly connect: number;
  readonly firstByte: number;
  readonly idle: number;
  readonly total: number;
}

export type FallbackTrigger = 'timeout' | 'rate_limit' | 'server_error' | 'provider_budget';

export interface Route {
  readonly model: string;
  readonly aliases: readonly string[];
  readonly strategy: 'ordered' | 'weighted_round_robin' | 'least_cost' | 'lowest_latency';
  readonly targets: readonly Target[];
  /** `attempts`: most sends of one request. One more than there are targets allows a second try after a Retry-After. */
  readonly fallback: { readonly on: readonly FallbackTrigger[]; readonly attempts: number };
  readonly cooldown?: Cooldown;
  readonly noFallbackReason?: string;
  /** From this percent of any budget over the caller on, requests go to the route `use`. */
  readonly whenBudgetAbove?: { readonly percent: number; readonly use: string };
  /** How long the answer to a request is given again to the same request of the same group, ms; absent: never. */
  readonly cache?: { readonly ttlMs: number };
}

/** A target that failed so often in a row is left alone for a while. */
export interface Cooldown {
  readonly afterFailures: number;
  readonly forMs: number;
}

export interface Target {
  readonly provider: string;
  readonly model: string;
  /** Share in `weighted_round_robin`, 1 or more; 1 unless stated. */
  readonly weight: number;
}
