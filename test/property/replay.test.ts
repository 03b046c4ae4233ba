/**
 * Charged once, as a property: whatever is lost, refused, cut off or raced on any call of any port, of all runs of a client's key
 * at most one costs anything, and the books agree.
 */
import fc from 'fast-check';
import type { AnswerStore } from '../../lambdas/application/ports-answers.ts';
import { verifyLedger } from '../../lambdas/application/verify.ts';
import { chargedTwice } from '../support/crash-judge.ts';
import { FAULTS, type Fault, Tracer } from '../support/crash-ports.ts';
import { chatPolicy } from '../support/crash-scenarios-chat.ts';
import { type ReplyScript, World } from '../support/crash-world.ts';

const seed = process.env.TOLLGATE_SEED === undefined ? undefined : Number(process.env.TOLLGATE_SEED);
const POLICY = chatPolicy({});
const KEYS = ['first', 'second'];

/** Calls on a port that a keyed call may wait for. */
const OPS = [
  'store.claimAnswer',
  'store.releaseClaim',
  'store.endClaim',
  'store.reserve',
  'store.grant',
  'store.readPots',
  'store.putEntry',
  'store.settle',
  'client.send',
  'body.next',
  'sink.write',
] as const;

const REPLIES: readonly ReplyScript[] = [
  'ok',
  'stream',
  'stream cut',
  'no usage',
  'cut',
  '400',
  '503',
  'timeout',
  'connect',
  'throw',
];

interface Trouble {
  readonly op: string;
  /** 0: every call of it. */
  readonly nth: number;
  readonly fault: Fault;
}

interface Ask {
  readonly key: string;
  readonly stream: boolean;
  readonly replies: readonly ReplyScript[];
  readonly troubles: readonly Trouble[];
  /** It is not waited for before the next one begins. */
  readonly beside: boolean;
  readonly waitMs: number;
}

const asks: fc.Arbitrary<readonly Ask[]> = fc.array(
  fc.record({
    key: fc.constantFrom('first', 'first', 'first', ...KEYS),
    stream: fc.boolean(),
    replies: fc.array(fc.constantFrom('ok' as const, ...REPLIES), { maxLength: 3 }),
    troubles: fc.array(
      fc.record({ op: fc.constantFrom(...OPS), nth: fc.integer({ min: 0, max: 3 }), fault: fc.constantFrom(...FAULTS) }),
      { maxLength: 3 },
    ),
    beside: fc.boolean(),
    waitMs: fc.oneof(fc.constant(0), fc.nat(20_000), fc.nat(3_600_000)),
  }),
  { minLength: 1, maxLength: 6 },
);

/** Plays a client's calls, then lets the keeper finish. @returns what is wrong */
async function play(plan: readonly Ask[], spoil: (store: AnswerStore) => void = () => undefined): Promise<readonly string[]> {
  const world = new World(undefined, undefined);
  spoil(world.answers);
  await world.fund(100_000n);
  const underWay: Promise<unknown>[] = [];
  for (const { key, stream, replies, troubles, beside, waitMs } of plan) {
    world.clock.advance(waitMs);
    world.replies.push(...replies);
    const tracer = new Tracer(undefined, false);
    for (const { op, nth, fault } of troubles) {
      // Waiting for an answer that does not come takes its time.
      tracer.script(op, nth, { fault, before: async () => world.clock.advance(1_000) });
    }
    tracer.arm();
    const process = world.process(tracer);
    const asked = process.chat(POLICY, { key, stream }).catch(() => 'threw');
    const over = Promise.race([asked.then(() => process.payments.idle()), tracer.crashed]);
    underWay.push(over);
    if (!beside) await over;
  }
  await Promise.all(underWay);
  const keeper = world.process().keeper;
  for (let pass = 0; pass < 5; pass += 1) {
    world.clock.advance(400_000);
    await keeper.pass(POLICY);
  }
  const entries = new Map<string, { readonly chargeNanoUsd: bigint }>();
  for await (const page of world.truth.allEntries()) for (const entry of page) entries.set(entry.hid, entry);
  const { findings } = await verifyLedger(world.truth, true);
  return [...chargedTwice(world, entries), ...findings.map(({ invariant, subject }) => `${subject}: not ${invariant}`)];
}

test('for one key at most one run is ever charged, whatever fails on whichever call of a port', async () => {
  await fc.assert(
    fc.asyncProperty(asks, async (plan) => {
      expect(await play(plan)).toEqual([]);
    }),
    { numRuns: 300, ...(seed === undefined ? {} : { seed }) },
  );
}, 120_000);

test('the property can fail: a store that forgets its claims, and one that gives back what was charged, are found out', async () => {
  const ask: Ask = { key: 'first', stream: false, replies: ['ok'], troubles: [], beside: false, waitMs: 0 };
  const twice = ['key first was charged for 2 runs'];
  const forgetful = (store: AnswerStore): void => {
    store.claimAnswer = async () => ({ kind: 'claimed' });
  };
  expect(await play([ask, ask], forgetful)).toEqual(twice);
  const generous = (store: AnswerStore): void => {
    store.endClaim = (claim) => store.releaseClaim(claim);
  };
  const lost: Ask = { ...ask, replies: ['timeout', 'timeout'] };
  expect(await play([lost, ask], generous)).toEqual(twice);
});
