/** Crash matrix: whole chat completions, over the providers of a route. */
import type { Policy, Route } from '../../lambdas/domain/policy.ts';
import type { Scenario, Stage } from './crash-matrix.ts';
import { ROOMY, call } from './crash-steps.ts';
import type { ReplyScript } from './crash-world.ts';
import { type PolicyParts, PRICE, limit, makePolicy } from './ledger.ts';

const TARGETS = [PRICE, { ...PRICE, provider: 'spare' }];

const RATES = { requestsPerMinute: 10, tokensPerMinute: 100_000 };

const COOLDOWN = { afterFailures: 1, forMs: 30_000 };

/** Two targets, one after the other. */
export function chatPolicy(parts: PolicyParts, more: Partial<Route> = {}): Policy {
  const policy = makePolicy({ ...ROOMY, ...parts });
  const route: Route = {
    model: 'economy',
    aliases: [],
    strategy: 'ordered',
    targets: TARGETS.map(({ provider, model }) => ({ provider, model, weight: 1 })),
    fallback: { on: ['timeout', 'rate_limit', 'server_error', 'provider_budget'], attempts: 3 },
    ...more,
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

/** The same over a route that goes by the health of its targets. */
function healthChat(name: string, outcome: string, replies: readonly ReplyScript[], more: Partial<Route>): Scenario {
  return { ...chatOf(name, outcome, replies), policy: chatPolicy({}, more) };
}

/** The first target has cooled down, and the victim knows it. */
async function cooledDown({ world, victim, policy }: Stage): Promise<void> {
  await world.health.addFailure('mock/mock-1');
  await world.health.cool('mock/mock-1', world.clock.now() - 1, world.clock.now() - 2);
  await victim.health.warmUp(policy);
}

export const CHATS: readonly Scenario[] = [
  healthChat('a target that fails cools down, then another provider', '200', ['503', 'ok'], { cooldown: COOLDOWN }),
  healthChat('the speed of an answer is kept', '200', ['ok'], { strategy: 'lowest_latency' }),
  healthChat('every provider asks to wait, and the first that is free answers', '200', ['503 wait', '503 wait', 'ok'], {}),
  {
    ...healthChat('a target is probed after its cooldown and recovers', '200', ['ok'], { cooldown: COOLDOWN }),
    setup: async (stage) => {
      await stage.world.fund(10_000n);
      await cooledDown(stage);
    },
  },
  {
    ...healthChat('a probe that the wallet does not pay for is given back', 'insufficient_funds', [], { cooldown: COOLDOWN }),
    setup: cooledDown,
  },
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
