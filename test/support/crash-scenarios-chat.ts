/** Crash matrix: whole chat completions, over the providers of a route. */
import type { Policy, Route } from '../../lambdas/domain/policy.ts';
import type { Scenario } from './crash-matrix.ts';
import { ROOMY, call } from './crash-steps.ts';
import type { ReplyScript } from './crash-world.ts';
import { type PolicyParts, PRICE, limit, makePolicy } from './ledger.ts';

const TARGETS = [PRICE, { ...PRICE, provider: 'spare' }];

const RATES = { requestsPerMinute: 10, tokensPerMinute: 100_000 };

function chatPolicy(parts: PolicyParts): Policy {
  const policy = makePolicy({ ...ROOMY, ...parts });
  const route: Route = {
    model: 'economy',
    aliases: [],
    strategy: 'ordered',
    targets: TARGETS.map(({ provider, model }) => ({ provider, model, weight: 1 })),
    fallback: { on: ['timeout', 'rate_limit', 'server_error', 'provider_budget'], attempts: 3 },
  };
  return { ...policy, routes: [route], prices: TARGETS };
}

function chatOf(
  name: string,
  outcome: string,
  replies: readonly ReplyScript[],
  parts: PolicyParts = {},
  stream = false,
): Scenario {
  return {
    name,
    outcome,
    policy: chatPolicy(parts),
    setup: async ({ world }) => {
      await world.fund(10_000n);
      world.replies.push(...replies);
    },
    run: ({ victim, policy }) => victim.chat(policy, { stream }).catch(() => 'threw'),
  };
}

export const CHATS: readonly Scenario[] = [
  chatOf('a chat is answered', '200', ['ok']),
  chatOf('a chat is streamed', '200 stream', ['stream'], {}, true),
  chatOf('a stream whose last event has no end', '200 stream', ['stream unended'], {}, true),
  chatOf('a stream that came compressed', '200 stream', ['stream encoded'], {}, true),
  chatOf('an answer without usage', '200', ['no usage']),
  chatOf('a stream that breaks', '200 stream reset', ['stream cut'], {}, true),
  chatOf('an answer that breaks, then another provider', '200', ['cut', 'ok']),
  chatOf('the request itself is refused', '400', ['400']),
  chatOf('a refusal that breaks, then another provider', '200', ['400 cut', 'ok']),
  chatOf('a timeout that is charged, then another provider', '200', ['timeout', 'ok']),
  chatOf(
    'a timeout that is released, then another provider',
    '200 stream',
    ['timeout', 'stream'],
    { unknownOutcome: 'release' },
    true,
  ),
  chatOf('a 503, then another provider', '200', ['503', 'ok']),
  chatOf('no connection, then another provider', '200', ['connect', 'ok']),
  chatOf('nobody answers', 'providers_unavailable', ['503', 'timeout']),
  chatOf('a chat under rate limits is answered', '200', ['ok'], { rateLimits: RATES }),
  chatOf('a stream under rate limits', '200 stream', ['stream'], { rateLimits: RATES }, true),
  chatOf('nobody answers under rate limits', 'providers_unavailable', ['503', 'timeout'], { rateLimits: RATES }),
  {
    ...chatOf('a minute without room refuses what was held beside it', 'rate_limit_exceeded', [], {
      rateLimits: { requestsPerMinute: 1 },
    }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await helper.chat(policy);
      await helper.payments.idle();
    },
  },
  {
    ...chatOf('a chat that the wallet refuses does not count', 'insufficient_funds', [], { rateLimits: RATES }),
    setup: async () => undefined,
  },
  chatOf('a defect after the money was held', 'threw', ['throw']),
  {
    ...chatOf("a provider's budget is used up, so another provider answers", '200', ['ok'], {
      providerBudgets: [limit('month', 150n, { window: 'month' })],
    }),
    setup: async ({ world, helper, policy }) => {
      await world.fund(10_000n);
      await call(helper, policy, 140n, 140n);
      await helper.payments.idle();
    },
  },
];
