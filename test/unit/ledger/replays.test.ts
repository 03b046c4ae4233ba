/** Answers given again, on the true ledger: the books hold one charge, and an entry of zero for each repeat. */
import { verifyLedger } from '../../../lambdas/application/verify.ts';
import type { Entry } from '../../../lambdas/domain/entries.ts';
import { GROUP, policy, price, provider, route } from '../../support/gateway-fixture.ts';
import { billed, realMoney } from '../../support/real-money.ts';

const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }], max_tokens: 10 };

test.each([
  ['under a key', { 'idempotency-key': 'key-1' }, undefined, 'replayed'],
  ['from a cache', {}, { ttlMs: 60_000 }, 'cached'],
] as const)(
  'an answer given again %s, by another process, leaves the books as they were',
  async (_how, headers, cache, purpose) => {
    const world = realMoney(
      policy({
        consumerGroups: [GROUP],
        providers: [provider('first', 'http://127.0.0.1:1/v1')],
        routes: [route('economy', ['first/small'], { cache })],
        prices: [price('first', 'small')],
      }),
      () => billed(3, 2),
    );
    await world.fund('1.00');
    expect((await world.open()(ASK, headers)).headers.get('x-tollgate-cost-usd')).toBe('0.000007');
    world.operations.length = 0;
    const repeat = await world.open()(ASK, headers);
    expect([repeat.status, repeat.headers.get('x-tollgate-cost-usd')]).toEqual([200, '0.00']);
    await world.idle();
    // Neither a hold nor a settlement: the entry, beside the answer.
    expect(world.operations).toEqual(['putEntry']);
    expect(world.sends).toHaveLength(1);

    const entries: Entry[] = [];
    for await (const page of world.store.allEntries()) entries.push(...page);
    expect(entries.map(({ chargeNanoUsd, detail }) => [detail.purpose, chargeNanoUsd])).toEqual([
      ['traffic', 7_000n],
      [purpose, 0n],
    ]);
    const report = await verifyLedger(world.store, true);
    expect(report).toMatchObject({ findings: [], spentNanoUsd: 7_000n, entriesNanoUsd: 7_000n, heldNanoUsd: 0n });
  },
);
