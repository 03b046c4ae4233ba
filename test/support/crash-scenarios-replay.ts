/** Crash matrix: calls with a client's Idempotency-Key, and calls on a route with a cache. After each, the client asks again with the same key. */
import type { Policy } from '../../lambdas/domain/policy.ts';
import type { Scenario, Stage } from './crash-matrix.ts';
import { Tracer } from './crash-ports.ts';
import { chatPolicy } from './crash-scenarios-chat.ts';
import type { ChatOptions, ReplyScript } from './crash-world.ts';

const KEY = 'a-key-of-the-client';

function keyed(
  name: string,
  outcome: string,
  replies: readonly ReplyScript[],
  more: Partial<Scenario> = {},
  stream = false,
): Scenario {
  const asked: ChatOptions = { key: KEY, stream };
  return {
    name,
    outcome,
    policy: chatPolicy({}),
    setup: async ({ world }) => {
      await world.fund(10_000n);
      world.replies.push(...replies);
    },
    run: ({ victim, policy }) => victim.chat(policy, asked).catch(() => 'threw'),
    again: async ({ policy }, fresh) => void (await fresh.chat(policy, asked).catch(() => 'threw')),
    ...more,
  };
}

function cached(name: string, outcome: string, warm: boolean, stream = false): Scenario {
  const policy = withCache(chatPolicy({}));
  const replies: readonly ReplyScript[] = stream ? ['stream', 'stream'] : ['ok', 'ok'];
  return {
    name,
    outcome,
    policy,
    setup: async ({ world, helper }) => {
      await world.fund(10_000n);
      world.replies.push(...replies);
      if (warm) await helper.chat(policy, { stream });
      await helper.payments.idle();
    },
    run: ({ victim }) => victim.chat(policy, { stream }),
  };
}

export function withCache(policy: Policy): Policy {
  return { ...policy, routes: policy.routes.map((route) => ({ ...route, cache: { ttlMs: 3_600_000 } })) };
}

/** A first call with the key, by a process that is well or that dies at that call of a port. */
function first(diesAt?: string, stream = false): Scenario['setup'] {
  return async ({ world, helper, policy }: Stage) => {
    await world.fund(10_000n);
    if (stream) world.replies.push('stream');
    if (diesAt === undefined) {
      await helper.chat(policy, { key: KEY, stream });
      await helper.payments.idle();
      return;
    }
    const tracer = new Tracer(undefined, false);
    tracer.script(diesAt, 1, { fault: 'crash before' });
    tracer.arm();
    await Promise.race([world.process(tracer).chat(policy, { key: KEY, stream }), tracer.crashed]);
    for (const record of world.records) record.abandoned = true;
  };
}

export const REPLAYS: readonly Scenario[] = [
  keyed('a chat with a key is answered', '200', ['ok']),
  keyed('a stream with a key', '200 stream', ['stream'], {}, true),
  keyed('a stream with a key breaks', '200 stream reset', ['stream cut'], {}, true),
  keyed('a call with a key that the provider refuses may be sent again', '400', ['400', '400']),
  keyed('a refusal after an attempt that was charged is kept', '400', ['timeout', '400']),
  keyed('nobody answers a call with a key, and nothing was charged', 'providers_unavailable', ['503', '503', 'ok']),
  keyed('nobody answers a call with a key, and an attempt was charged', 'providers_unavailable', ['503', 'timeout', 'ok']),
  keyed('a defect after money was held for a key', 'threw', ['throw', 'ok']),
  keyed('a repeat gets the answer', '200 replayed', [], { setup: first() }),
  keyed('a repeat gets the stream', '200 stream replayed', [], { setup: first(undefined, true) }, true),
  keyed('a repeat of a call whose process died waits, and is told', 'idempotency_in_flight', [], { setup: first('client.send') }),
  keyed('a key whose claim is not answered is not sent', 'ledger_unavailable', [], {
    setup: async ({ world, victim }) => {
      await world.fund(10_000n);
      victim.tracer.script('store.claimAnswer', 0, { fault: 'reply lost' });
    },
  }),
  cached('an answer is cached', '200', false),
  cached('a stream is cached', '200 stream', false, true),
  cached('a cached answer is given again', '200 replayed', true),
  cached('a cached stream is given again', '200 stream replayed', true, true),
];
