/** The store goes away in the middle of whatever a process does, at every boundary: it fails closed in time and nothing is lost. */
import { STORE_TIMEOUT_MS, replay } from '../../support/crash-matrix.ts';
import { SCENARIOS } from '../../support/crash-scenarios.ts';

/** The void of a hold in doubt goes on in the background; its first pause is on the one clock of the world. */
const BACKGROUND_MS = 1_000;
/** A store that says nothing is tried for 3 s, and a call under way then is waited for. */
const LONGEST_HOLD_MS = 3_000 + STORE_TIMEOUT_MS + BACKGROUND_MS;

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  '%s: the store goes silent or refuses from any boundary on, and the process fails closed in time',
  async (_name, scenario) => {
    const { boundaries } = await replay(scenario);
    const failures: string[] = [];
    for (const [index, { op, frames }] of boundaries.entries()) {
      if (!op.startsWith('store.')) continue;
      for (const outage of ['silent', 'refusing'] as const) {
        const { problems, longestHoldMs } = await replay(scenario, { index, outage });
        const where = `#${index} ${op} at ${frames[0] ?? '?'}, ${outage}`;
        failures.push(...problems.map((problem) => `${where}: ${problem}`));
        // Two flows at once push the one clock of the world twice as fast.
        const alone = scenario.either === undefined && scenario.inBackground !== true;
        if (alone && longestHoldMs > LONGEST_HOLD_MS) failures.push(`${where}: a hold took ${longestHoldMs} ms`);
      }
    }
    expect(failures).toEqual([]);
  },
);
