/**
 * Everything that must hold, in one run: format, lint (with the import rules), types, then each suite of tests. Prints
 * `N passed, N failed` alone on the last line; a check counts as one, a test as one. `npm test -- unit` runs one step.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = (name) => join('node_modules', '.bin', name);
const CHECKS = {
  format: [bin('biome'), ['format', '.']],
  lint: [bin('oxlint'), ['--type-aware', '--deny-warnings']],
  types: [bin('tsc'), ['-p', '.']],
};
const SUITES = ['unit', 'property', 'simulation', 'contract', 'integration', 'infrastructure', 'e2e'];
/** A deadline against hanging, never a measure: what starts processes is slow on a busy machine. */
const TEST_TIMEOUT_MS = { unit: 20_000, property: 120_000 };
const PROCESS_TIMEOUT_MS = 120_000;

const wanted = process.argv.slice(2);
const chosen = (name) => wanted.length === 0 || wanted.includes(name);
const unknown = wanted.filter((name) => !(name in CHECKS) && !SUITES.includes(name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}. Steps: ${[...Object.keys(CHECKS), ...SUITES].join(', ')}`);
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
let passed = 0;
let failed = 0;
let skipped = 0;

for (const [name, [command, args]] of Object.entries(CHECKS)) {
  if (!chosen(name)) continue;
  console.log(`\n== ${name}`);
  const ok = spawnSync(command, args, { stdio: 'inherit' }).status === 0;
  if (ok) passed += 1;
  else failed += 1;
}

for (const suite of SUITES) {
  if (!chosen(suite)) continue;
  console.log(`\n== ${suite}`);
  const report = join(scratch, `${suite}.json`);
  // biome-ignore format: one argument a line says nothing more
  const run = spawnSync(process.execPath, [
    '--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js',
    '--json', `--outputFile=${report}`, `--testPathPatterns=/test/${suite}/`,
    `--testTimeout=${TEST_TIMEOUT_MS[suite] ?? PROCESS_TIMEOUT_MS}`,
    ...(suite === 'e2e' ? ['--runInBand'] : []),
  ], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    passed += result.numPassedTests;
    skipped += result.numPendingTests + result.numTodoTests;
    // A file that does not load has no test of its own to fail.
    failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
    if (result.numTotalTests === 0) {
      console.error(`no test in suite ${suite}`);
      failed += 1;
    } else if (run.status !== 0 && result.numFailedTests + result.numRuntimeErrorTestSuites === 0) {
      failed += 1;
    }
  } catch {
    console.error(`suite ${suite} gave no result`);
    failed += 1;
  }
}

rmSync(scratch, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
