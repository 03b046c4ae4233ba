/**
 * The whole vocabulary of a stage's file as one strict schema: checks, types and the editors' JSON Schema come from it.
 * It knows form only; what the words mean together is in `checks.ts`, what this version enforces in `not-enforced.ts`.
 */
import * as z from 'zod';
import {
  aliasName,
  amountUsd,
  budgetName,
  day,
  duration,
  email,
  longName,
  ownerName,
  priceUsdPerMillion,
  routeName,
  secretName,
  targetModel,
  webAddress,
  windowKind,
} from './schema-fields.ts';

/** Longest lists, so that a chain of pots, a lane and a parameter keep within their bounds. */
export const LIMITS = {
  wallets: 64,
  groups: 64,
  providers: 32,
  routes: 64,
  targets: 16,
  aliases: 32,
  groupBudgets: 8,
  providerBudgets: 4,
  funding: 8,
  thresholds: 10,
  emails: 10,
  prices: 256,
} as const;

const MAX_PERCENT = 1000;
const MAX_OUTPUT_TOKENS = 1_000_000;
/** One item counts a group's minute, and one item takes 1,000 writes a second. */
const MAX_REQUESTS_A_MINUTE = 50_000;
const MAX_TOKENS_A_MINUTE = 1_000_000_000;

const threshold = z.strictObject({
  threshold_percent: z.int().min(1).max(MAX_PERCENT).describe('Whole percent of the limit.'),
  action: z.enum(['notify', 'block']).describe('block: the limit bites here. notify: an alert, nothing is refused.'),
});

const budgetAlerts = z.array(threshold).max(LIMITS.thresholds);

const groupBudget = z.strictObject({
  name: budgetName,
  window: windowKind.describe("Calendar window in the stage's timezone."),
  limit_usd: amountUsd,
  per: z.literal('user').optional().describe('Every user has a budget of this size of their own.'),
  models: z.array(routeName).min(1).max(LIMITS.routes).optional().describe('Routes that it counts; absent: all.'),
  budget_alerts: budgetAlerts.optional().describe("Its own thresholds instead of the stage's. Without a block it is soft."),
});

const providerBudget = z.strictObject({
  name: budgetName,
  window: windowKind,
  limit_usd: amountUsd,
  budget_alerts: budgetAlerts.optional(),
});

const costTracking = z.strictObject({
  enabled: z.boolean().optional(),
  wallet_enforcement: z.boolean().optional().describe('false: wallets are recorded but never block.'),
  unpriced_model: z.enum(['reject', 'allow_at_zero']).optional(),
  unknown_outcome: z.enum(['charge', 'release']).optional().describe('What becomes of a hold whose outcome never arrived.'),
  budget_alerts: budgetAlerts.optional().describe("The stage's default; any budget or wallet may set its own."),
});

const alerts = z.strictObject({
  severity: z.enum(['informational', 'actionable']).optional(),
  owner: ownerName.optional(),
  runbook: webAddress.optional().describe('Required where severity is actionable.'),
  acknowledge_within: duration.nullable().optional(),
  escalate_to: ownerName.nullable().optional(),
  forecast: z.boolean().optional(),
  channels: z
    .strictObject({
      email: z.array(email).max(LIMITS.emails).optional(),
      slack: z
        .strictObject({
          workspace_id: z.string().regex(/^T[A-Z0-9]{5,20}$/, "a Slack workspace's id starts with T, such as T0123456"),
          channel_id: z.string().regex(/^[CGD][A-Z0-9]{5,20}$/, "a Slack channel's id starts with C, such as C0123456"),
        })
        .optional(),
      slack_webhook: z.strictObject({ secret: secretName }).optional(),
      https: z.array(webAddress).max(LIMITS.emails).optional(),
    })
    .optional(),
  tickets: z.boolean().optional(),
});

const wallet = z.strictObject({
  team_id: longName("wallet's team_id"),
  plan_usd_per_month: amountUsd.describe('What reports compare with; it never moves money.'),
  low_balance_usd: amountUsd.optional(),
  budget_alerts: budgetAlerts.optional(),
});

const consumerGroup = z.strictObject({
  name: longName("consumer group's name"),
  api_key: z
    .string()
    .regex(/^[\x21-\x7e]{8,256}$/, 'a key has 8 to 256 visible ASCII characters')
    .optional()
    .describe('A plaintext key: a local stage only.'),
  wallet_team_id: longName("wallet's team_id"),
  funding: z.array(longName("wallet's team_id")).max(LIMITS.funding).optional().describe('Further wallets, in order.'),
  models: z.array(routeName).min(1).max(LIMITS.routes).optional().describe('Routes that it may call; absent: all.'),
  max_output_tokens: z.int().min(1).max(MAX_OUTPUT_TOKENS).optional().describe('Cap and default of one answer.'),
  rate_limits: z
    .strictObject({
      requests_per_minute: z.int().min(1).max(MAX_REQUESTS_A_MINUTE).optional(),
      tokens_per_minute: z.int().min(1).max(MAX_TOKENS_A_MINUTE).optional(),
    })
    .optional(),
  budgets: z.array(groupBudget).max(LIMITS.groupBudgets).optional(),
});

const credential = z
  .union([
    z.literal('none'),
    z.strictObject({
      secret: secretName.optional(),
      iam: z
        .string()
        .regex(/^[a-z][a-z0-9-]{1,31}$/, "a service's name: bedrock")
        .optional(),
    }),
  ])
  .describe('{ secret: NAME }, { iam: bedrock }, or none for a loopback provider of a local stage.');

const provider = z.strictObject({
  name: longName("provider's name"),
  protocol: z.enum(['openai', 'anthropic']).optional(),
  apis: z
    .array(z.enum(['chat_completions', 'responses', 'embeddings', 'messages', 'count_tokens']))
    .min(1)
    .max(5)
    .optional()
    .describe(
      'What the endpoint serves; absent: all of its protocol. A call is translated where it can be, or goes on to the next target.',
    ),
  base_url: z
    .string()
    .regex(/^https?:\/\/[\x21-\x7e]{1,300}$/, 'an address that starts with https:// (http:// for loopback only)'),
  credential,
  timeout: z
    .strictObject({
      connect: duration.optional(),
      first_byte: duration.optional(),
      idle: duration.optional(),
      total: duration.optional(),
    })
    .optional(),
  output_cap_field: z.enum(['max_completion_tokens', 'max_tokens', 'max_output_tokens']).optional(),
  budgets: z.array(providerBudget).max(LIMITS.providerBudgets).optional(),
});

const route = z.strictObject({
  model: routeName.describe('The name that apps ask for.'),
  aliases: z.array(aliasName).max(LIMITS.aliases).optional(),
  strategy: z.enum(['ordered', 'weighted_round_robin', 'least_cost', 'lowest_latency']).optional(),
  targets: z
    .array(
      z.strictObject({ provider: longName("provider's name"), model: targetModel, weight: z.int().min(1).max(1000).optional() }),
    )
    .min(1)
    .max(LIMITS.targets),
  fallback: z
    .strictObject({
      on: z
        .array(z.enum(['timeout', 'rate_limit', 'server_error', 'provider_budget']))
        .max(4)
        .optional(),
      attempts: z.int().min(1).max(LIMITS.targets).optional(),
    })
    .optional(),
  cooldown: z.strictObject({ after_failures: z.int().min(1).max(1000), for: duration }).optional(),
  no_fallback_reason: z
    .string()
    .regex(/^[^\p{Cc}]{8,300}$/u, 'a reason that a reviewer understands: one line of 8 to 300 characters')
    .optional(),
  cache: z
    .strictObject({
      ttl: duration.describe('How long an answer is given again, 1s to 168h.'),
      on_service: z.literal(true).optional().describe('A service stage must say it.'),
    })
    .optional()
    .describe('The same request of the same group gets the stored answer at no cost. Off unless stated.'),
  when_budget_above: z.strictObject({ percent: z.int().min(1).max(100), use: routeName }).optional(),
});

const price = z.strictObject({
  provider: longName("provider's name"),
  model: targetModel,
  from: day.optional().describe('First day (UTC) that it holds; absent: always.'),
  input_usd_per_million: priceUsdPerMillion,
  cached_input_usd_per_million: priceUsdPerMillion.optional(),
  cache_write_input_usd_per_million: priceUsdPerMillion
    .optional()
    .describe(
      'Input written into a cache for minutes. Absent: 1.25 times the input price with protocol anthropic, else as input.',
    ),
  output_usd_per_million: priceUsdPerMillion,
});

const evaluations = z.strictObject({
  wallet_team_id: longName("wallet's team_id"),
  max_run_usd: amountUsd,
  allowed: z.boolean().optional(),
});

/** A stage's file, as written. */
export const policySchema = z.strictObject({
  stage: z
    .string()
    .regex(/^[a-z][a-z0-9-]{1,15}$/, "a stage's name has 2 to 16 characters of a-z, 0-9 and '-', and starts with a letter")
    .describe('dev, prod, or a name of your own.'),
  purpose: z.enum(['learning', 'service']).optional().describe('dev is learning and prod is service unless stated.'),
  timezone: z.string().min(1).max(64).optional().describe('IANA name; windows begin at midnight here. Default UTC.'),
  owner: ownerName.optional().describe('Who answers for alerts that name no nearer owner.'),
  cost_tracking: costTracking.optional(),
  alerts: alerts.optional(),
  wallets: z.array(wallet).min(1).max(LIMITS.wallets),
  consumer_groups: z.array(consumerGroup).min(1).max(LIMITS.groups),
  providers: z.array(provider).min(1).max(LIMITS.providers),
  default_route: routeName.optional().describe('What a request for an unknown model name gets; absent: 404.'),
  routes: z.array(route).min(1).max(LIMITS.routes),
  prices: z.array(price).max(LIMITS.prices).optional(),
  evaluations: evaluations.optional(),
});

/** The article's form: groups of several stages and one set of cost rules in one file. */
export const fragmentSchema = z.strictObject({
  consumer_groups: z
    .array(
      z.strictObject({
        name: longName("consumer group's name"),
        api_key: consumerGroup.shape.api_key,
        wallet_team_id: longName("wallet's team_id"),
      }),
    )
    .min(1)
    .max(LIMITS.groups),
  cost_tracking: costTracking.optional(),
});

/** A stage's file, as written: the words of the YAML, before any default. */
export type PolicyFile = z.infer<typeof policySchema>;
export type PolicyFragment = z.infer<typeof fragmentSchema>;
export type GroupInFile = PolicyFile['consumer_groups'][number];
export type ProviderInFile = PolicyFile['providers'][number];
export type RouteInFile = PolicyFile['routes'][number];
export type ThresholdInFile = z.infer<typeof threshold>;
export type BudgetInFile = z.infer<typeof groupBudget>;
