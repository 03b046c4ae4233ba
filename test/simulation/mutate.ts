/**
 * Shows that the checker can fail: breaks each rule of the ledger alone in a copy of the code and simulates until it is
 * found.
 *
 *   node test/simulation/mutate.ts [--seeds N] [--only TEXT] [--json]
 *
 * Ends with 1 when a rule that must be found was not, or a text of the code has changed and its mutant must be renewed.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from './support/mutants.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** What the simulator runs; the rest of the tree is not copied. */
const COPIED = ['lambdas/domain', 'lambdas/application', 'lambdas/adapters/memory', 'lambdas/adapters/system', 'test/simulation'];

export interface MutantResult {
  readonly name: string;
  readonly outcome: 'caught' | 'survived' | 'outdated';
  readonly by?: string;
  readonly why?: string;
  readonly seconds: number;
}

/** Runs a mutant over its profiles until one finds it. */
export async function runMutant(mutant: Mutant, seeds: number): Promise<MutantResult> {
  const startedAt = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedAt) / 100) / 10;
  const home = mkdtempSync(join(tmpdir(), 'tollgate-mutant-'));
  try {
    if (!makeCopy(home, mutant)) return { name: mutant.name, outcome: 'outdated', seconds: seconds() };
    for (const profile of mutant.profiles) {
      const { code, text } = await runIn(home, ['--profile', profile, '--seeds', String(seeds), '--workers', '1', '--json']);
      if (code === 0) continue;
      const found = /VIOLATION in (profile \S+, seed \d+): (.*)/.exec(text);
      if (found === null) throw new Error(`mutant "${mutant.name}" ended with ${code}: ${text.slice(-2_000)}`);
      return { name: mutant.name, outcome: 'caught', by: found[1], why: found[2], seconds: seconds() };
    }
    return { name: mutant.name, outcome: 'survived', seconds: seconds() };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Copies the code with the rule broken. False: the text that it replaces does not stand there exactly once. */
function makeCopy(home: string, mutant: Mutant): boolean {
  const source = readFileSync(join(ROOT, 'lambdas', mutant.file), 'utf8');
  if (source.split(mutant.find).length !== 2) return false;
  for (const folder of COPIED) {
    mkdirSync(dirname(join(home, folder)), { recursive: true });
    cpSync(join(ROOT, folder), join(home, folder), { recursive: true });
  }
  cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  let broken = source.replace(mutant.find, () => mutant.replace);
  if (mutant.replace.startsWith('hid ??='))
    broken = broken.replace('let lostReplies = 0;', 'let lostReplies = 0;\n    let hid: string | undefined;');
  writeFileSync(join(home, 'lambdas', mutant.file), broken);
  return true;
}

function runIn(home: string, args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(home, 'test/simulation/run.ts'), ...args], { cwd: home });
    const pieces: string[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece.toString()));
    child.stderr.on('data', (piece: Buffer) => pieces.push(piece.toString()));
    child.on('error', fail);
    child.on('close', (code) => done({ code: code ?? -1, text: pieces.join('') }));
  });
}

/** All mutants, as many at once as there are processors. */
export async function runMutants(
  mutants: readonly Mutant[],
  seeds: number,
  note: (result: MutantResult) => void,
): Promise<readonly MutantResult[]> {
  const results: MutantResult[] = [];
  const queue = [...mutants];
  const worker = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const result = await runMutant(mutant, Math.max(seeds, mutant.seeds ?? 0));
      results.push(result);
      note(result);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seeds: { type: 'string' }, only: { type: 'string' }, json: { type: 'boolean' } } });
  const only = values.only ?? '';
  const chosen = MUTANTS.filter(({ name }) => name.includes(only));
  const results = await runMutants(chosen, Number(values.seeds ?? 20), ({ name, outcome, by, why, seconds }) => {
    const expected = MUTANTS.find((mutant) => mutant.name === name)?.survives === undefined ? '' : ' (a stated survivor)';
    process.stdout.write(
      `${outcome.padEnd(9)}${expected} ${name}${by === undefined ? '' : ` · ${by}: ${why ?? ''}`} · ${seconds} s\n`,
    );
  });
  const missed = results.filter(
    ({ name, outcome }) =>
      outcome === 'outdated' ||
      (outcome === 'survived' && MUTANTS.find((mutant) => mutant.name === name)?.survives === undefined),
  );
  const caught = results.filter(({ outcome }) => outcome === 'caught').length;
  process.stdout.write(`${caught} caught, ${results.length - caught} not, ${missed.length} unexpectedly\n`);
  process.exitCode = missed.length > 0 ? 1 : 0;
}
