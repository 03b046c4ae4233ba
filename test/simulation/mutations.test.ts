/**
 * The checker can fail: each rule of the ledger is broken alone in a copy of the code, and a simulation of the copy must
 * notice. `node test/simulation/mutate.ts` shows the survivors too, over more seeds.
 */
import { runMutants } from './mutate.ts';
import { MUTANTS } from './support/mutants.ts';

test('every rule of the ledger that is broken alone is noticed by the simulation', async () => {
  const mutants = MUTANTS.filter(({ survives, rare }) => survives === undefined && rare !== true);
  const missed: string[] = [];
  await runMutants(mutants, 16, ({ name, outcome }) => {
    if (outcome !== 'caught') missed.push(`${outcome}: ${name}`);
  });
  expect(missed).toEqual([]);
}, 400_000);

test('every rule whose absence no run notices states why', () => {
  for (const { name, survives } of MUTANTS) expect([name, survives === undefined || survives.length > 40]).toEqual([name, true]);
});
