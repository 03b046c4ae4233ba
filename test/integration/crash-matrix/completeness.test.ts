/** The crash matrix leaves nothing out: its scenarios meet every port call and every await that the application's text holds. */
import type { Boundary } from '../../support/crash-ports.ts';
import { replay } from '../../support/crash-matrix.ts';
import { SCENARIOS } from '../../support/crash-scenarios.ts';
import { awaitSites, callSites, portMethods } from '../../support/crash-sites.ts';

/** Awaits under which no port is called: they wait for work whose own awaits are boundaries. */
const NO_BOUNDARY: ReadonlySet<string> = new Set([
  'await Promise.allSettled(this.underWay)',
  'await Promise.all(this.underWay)',
  // Counted beside the first hold: its write is a boundary from the moment that it begins.
  'await job.admission',
  'await admission',
  'await refusalOf(job.admission)',
  // A settlement that began before; its writes are boundaries from then on.
  'await settled',
]);

let boundaries: readonly Boundary[] = [];

beforeAll(async () => {
  const all: Boundary[] = [];
  for (const scenario of SCENARIOS) all.push(...(await replay(scenario)).boundaries);
  boundaries = all;
});

test('every call of a port in the application is a boundary of some scenario', () => {
  const sites = callSites();
  expect(sites.length).toBeGreaterThan(50);
  const met = new Set(boundaries.map(({ op, frames }) => `${frames[0] ?? '?'} ${op}`));
  expect(sites.filter(({ at, op }) => !met.has(`${at} ${op}`))).toEqual([]);
});

test('every await of the application waits for a boundary of some scenario', () => {
  const met = new Set(boundaries.flatMap(({ frames }) => frames));
  const missed = awaitSites().filter(({ lines, text }) => !lines.some((line) => met.has(line)) && !NO_BOUNDARY.has(text));
  expect(missed.map(({ at, text }) => `${at} ${text}`)).toEqual([]);
});

test('every method of the store that a payment or the keeper can call is called by some scenario', () => {
  const met = new Set(boundaries.map(({ op }) => op));
  const methods = [...portMethods()].flatMap(([method, ports]) => ports.map((port) => `${port}.${method}`));
  const needed = methods.filter(
    (op) => !op.startsWith('store.all') && !['log.list', 'sink.fail', 'sink.end', 'body.cancel'].includes(op),
  );
  expect(needed.filter((op) => !met.has(op))).toEqual([]);
});
