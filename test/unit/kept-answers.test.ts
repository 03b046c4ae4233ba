/** Who has a client's key, as processes see it whose clocks differ. */
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import { sha256Hex } from '../../lambdas/adapters/system/system.ts';
import { KeptAnswers, type KeptRequest } from '../../lambdas/application/kept-answers.ts';
import { FakeLog, GROUP, policy, provider } from '../support/gateway-fixture.ts';
import { HandClock, seeded } from '../support/ledger.ts';

const MINUTE_MS = 60_000;

function setUp() {
  const store = new MemoryAnswerStore();
  const inForce = policy({ providers: [provider('first', 'http://127.0.0.1:1/v1')] });
  const totalMs = Math.max(...inForce.providers.map(({ timeoutMs }) => timeoutMs.total));
  const request: KeptRequest = {
    api: { path: '/v1/chat/completions' },
    policy: inForce,
    group: GROUP,
    body: new TextEncoder().encode('{}'),
    headers: {},
  };
  const processAt = (seed: number, offMs: number) => {
    const clock = new HandClock(1_800_000_000_000 + offMs);
    const answers = new KeptAnswers(store, { clock, random: seeded(seed) }, sha256Hex, new FakeLog());
    return { clock, claim: async () => answers.claim(request, 'key', 0) };
  };
  return { totalMs, processAt };
}

test.each([
  ['ahead', 5 * MINUTE_MS],
  ['behind', -5 * MINUTE_MS],
])('a call that may still be under way is in flight for a process five minutes %s, and not lost', async (_what, offMs) => {
  const { totalMs, processAt } = setUp();
  const [one, other] = [processAt(1, 0), processAt(2, offMs)];
  expect((await one.claim()).kind).toBe('mine');
  other.clock.advance(totalMs);
  expect(await other.claim()).toEqual({ kind: 'refused', code: 'idempotency_in_flight' });
});

test('the key of a process that died is lost in the end, for all', async () => {
  const { totalMs, processAt } = setUp();
  const [one, other] = [processAt(1, 0), processAt(2, -5 * MINUTE_MS)];
  expect((await one.claim()).kind).toBe('mine');
  other.clock.advance(totalMs + 11 * MINUTE_MS);
  expect(await other.claim()).toEqual({ kind: 'refused', code: 'idempotency_answer_lost' });
});
