/** The form of each part of a policy in its parameters: the domain's own words, amounts as digits. */
import type { BedrockService } from '../domain/bedrock.ts';
import type {
  AlertSettings,
  Budget,
  ConsumerGroup,
  Cooldown,
  CostTracking,
  Credential,
  Policy,
  Provider,
  Route,
  Target,
} from '../domain/policy.ts';
import type { Threshold, Timeouts, WalletPolicy } from '../domain/policy.ts';
import type { Price, PriceTier } from '../domain/prices.ts';
import { DecodeError, type Decoder, amount, flag, list, oneOf, optional, record, text, whole } from './decode.ts';

/** Everything of a stage that is no list. */
export type Settings = Pick<
  Policy,
  'stage' | 'purpose' | 'timezone' | 'owner' | 'costTracking' | 'alerts' | 'defaultRoute' | 'evaluations'
>;

/** A route with the prices of its targets: all that routing and paying need. */
export interface RoutePart {
  readonly route: Route;
  readonly prices: readonly Price[];
}

const name = text(/^[\x21-\x7e]{1,200}$/);
const address = text(/^[\x21-\x7e]{1,400}$/);
/** What goes into a pot's key or an index key holds no separator of theirs. */
const keyName = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const longKeyName = text(/^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$/);
const phrase = text(/^[^\p{Cc}]{1,600}$/u);

const threshold = record<Threshold>({ percent: whole(1), action: oneOf('notify', 'block') });
const thresholds = list(threshold);

const costTracking = record<CostTracking>({
  enabled: flag,
  walletEnforcement: flag,
  unpricedModel: oneOf('reject', 'allow_at_zero'),
  unknownOutcome: oneOf('charge', 'release'),
  budgetAlerts: thresholds,
});

const alerts = record<AlertSettings>({
  severity: oneOf('informational', 'actionable'),
  owner: optional(phrase),
  runbook: optional(phrase),
  email: list(address),
  slack: optional(record<NonNullable<AlertSettings['slack']>>({ workspaceId: name, channelId: name })),
});

const budget = record<Budget>({
  name: keyName,
  window: oneOf('hour', 'day', 'week', 'month', 'total'),
  limitNanoUsd: amount,
  per: optional(oneOf('user')),
  models: optional(list(name, 1)),
  thresholds,
});

const credential: Decoder<Credential> = (value, path) => {
  const {
    kind,
    name: secret,
    service,
    region,
  } = record<{ kind: Credential['kind']; name?: string; service?: BedrockService; region?: string }>({
    kind: oneOf('secret', 'iam', 'none'),
    name: optional(name),
    service: optional(oneOf('bedrock', 'bedrock-mantle')),
    region: optional(text(/^[a-z0-9-]{1,40}$/)),
  })(value, path);
  const signed = service !== undefined && region !== undefined;
  const named = secret !== undefined;
  if (kind === 'iam') {
    if (signed && !named) return { kind, service, region };
  } else if (service === undefined && region === undefined) {
    if (kind === 'secret' && named) return { kind, name: secret };
    if (kind === 'none' && !named) return { kind };
  }
  throw new DecodeError(path, 'a credential');
};

const isTrue: Decoder<true> = (value, path) => {
  if (value === true) return value;
  throw new DecodeError(path, 'true, or nothing');
};

const price = record<Price>({
  provider: longKeyName,
  model: name,
  fromEpochMs: whole(0),
  source: phrase,
  inputOnly: optional(isTrue),
  tiers: list(
    record<PriceTier>({
      aboveInputTokens: whole(0),
      inputPicoUsd: amount,
      cachedInputPicoUsd: amount,
      outputPicoUsd: amount,
      cacheWriteInputPicoUsd: optional(amount),
      cacheWriteHourInputPicoUsd: optional(amount),
    }),
    1,
  ),
});

const route = record<Route>({
  model: name,
  aliases: list(name),
  strategy: oneOf('ordered', 'weighted_round_robin', 'least_cost', 'lowest_latency'),
  targets: list(record<Target>({ provider: longKeyName, model: name, weight: whole(1) }), 1),
  fallback: record<Route['fallback']>({
    on: list(oneOf('timeout', 'rate_limit', 'server_error', 'provider_budget')),
    attempts: whole(1),
  }),
  cooldown: optional(record<Cooldown>({ afterFailures: whole(1), forMs: whole(1) })),
  noFallbackReason: optional(phrase),
  whenBudgetAbove: optional(record<NonNullable<Route['whenBudgetAbove']>>({ percent: whole(1), use: name })),
  cache: optional(record<NonNullable<Route['cache']>>({ ttlMs: whole(1) })),
});

/** Decodes the part `settings`. */
export const decodeSettings = record<Settings>({
  stage: text(/^[a-z][a-z0-9-]{1,15}$/),
  purpose: oneOf('learning', 'service'),
  timezone: name,
  owner: optional(phrase),
  costTracking,
  alerts,
  defaultRoute: optional(name),
  evaluations: optional(
    record<NonNullable<Policy['evaluations']>>({ walletTeamId: longKeyName, maxRunNanoUsd: amount, allowed: flag }),
  ),
});

/** Decodes a part `wallets/N`. */
export const decodeWallets = list(record<WalletPolicy>({ teamId: longKeyName, planNanoUsdPerMonth: amount, thresholds }));

/** Decodes a part `providers/N`. */
export const decodeProviders = list(
  record<Provider>({
    name: longKeyName,
    protocol: oneOf('openai', 'anthropic'),
    apis: list(oneOf('chat_completions', 'responses', 'embeddings', 'messages', 'count_tokens')),
    baseUrl: address,
    credential,
    timeoutMs: record<Timeouts>({ connect: whole(1), firstByte: whole(1), idle: whole(1), total: whole(1) }),
    outputCapField: oneOf('max_completion_tokens', 'max_tokens', 'max_output_tokens'),
    budgets: list(budget),
  }),
);

/** Decodes a part `groups/NAME`. */
export const decodeGroup = record<ConsumerGroup>({
  name: longKeyName,
  apiKeySha256: optional(text(/^[0-9a-f]{64}$/)),
  walletTeamId: longKeyName,
  funding: list(longKeyName),
  models: list(name),
  maxOutputTokens: whole(1),
  rateLimits: optional(
    record<NonNullable<ConsumerGroup['rateLimits']>>({
      requestsPerMinute: optional(whole(1)),
      tokensPerMinute: optional(whole(1)),
    }),
  ),
  budgets: list(budget),
});

/** Decodes a part `routes/NAME`. */
export const decodeRoute = record<RoutePart>({ route, prices: list(price) });
