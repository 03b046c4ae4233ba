/**
 * Every call on a port that a payment or the keeper waits for, times every way in which it can fail: the process dies before or
 * after it, the request or the reply is lost, the store does not take it. Then a fresh process and the keeper finish.
 */
import { SCENARIOS } from '../../support/crash-scenarios.ts';
import { type MatrixReport, type Scenario, matrix } from '../../support/crash-matrix.ts';
import type { World } from '../../support/crash-world.ts';

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  '%s: at every boundary, whatever fails, the books end as stated',
  async (_name, scenario) => {
    const { boundaries, points, failures } = await matrix(scenario);
    expect(failures).toEqual([]);
    expect(boundaries).toBeGreaterThan(0);
    expect(points).toBeGreaterThanOrEqual(boundaries * 2);
  },
);

test('the matrix can fail: a store that forgets void entries, keeps no sent marker or ends holds against the policy is found out', async () => {
  const [cold] = SCENARIOS.filter(({ name }) => name === 'a reserve: reply lost');
  const [crossing] = SCENARIOS.filter(({ name }) => name === 'spend that crosses a threshold');
  const [expiry] = SCENARIOS.filter(({ name }) => name === 'the keeper ends an expired hold: charge');
  if (cold === undefined || crossing === undefined || expiry === undefined) throw new Error('a scenario was renamed');
  const broken = (scenario: Scenario, spoil: (world: World) => void): Promise<MatrixReport> =>
    matrix({
      ...scenario,
      setup: async (stage) => {
        await scenario.setup?.(stage);
        spoil(stage.world);
      },
    });
  const noVoid = await broken(cold, ({ truth }) => {
    const putEntry = truth.putEntry.bind(truth);
    truth.putEntry = async (entry) => (entry.status === 'VOID' ? { ok: true } : putEntry(entry));
    const settle = truth.settle.bind(truth);
    truth.settle = async (request) => (request.chargeNanoUsd === 0n ? { ok: false } : settle(request));
  });
  expect(noVoid.failures.join()).toContain('which nobody was given, is ESTIMATED');
  const noSentMarker = await broken(crossing, ({ truth }) => {
    truth.sendMarker = async () => undefined;
  });
  expect(noSentMarker.failures.join()).toContain('is PENDING for ever');
  const overCharge = await broken(expiry, ({ truth }) => {
    const expire = truth.expire.bind(truth);
    truth.expire = async (lane, hold, entry) => {
      await expire(lane, hold, { ...entry, status: 'RELEASED', chargeNanoUsd: 0n });
      return true;
    };
  });
  expect(overCharge.failures.join()).toContain('without an outcome is RELEASED at 0');
});
