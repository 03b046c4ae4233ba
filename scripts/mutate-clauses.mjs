/**
 * Shows that the tests would notice a missing condition: takes one clause at a time out of the ledger's stores, in a temporary copy,
 * and runs the contract suite and the ledger's unit tests on it. Something must fail. The clauses are found in the code, so a
 * new one is mutated without being listed anywhere.
 *
 *   npm run mutate:clauses                     all of them; exit code 1 when one survives without a reason
 *   npm run mutate:clauses -- --only giveBack  those whose name contains a text
 *   npm run mutate:clauses -- --list           names only
 *   npm run mutate:clauses -- --write          also writes the results into docs/mutation.md
 *
 * Reasons for survivors stand in mutate-clauses.json, by name.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const DYNAMODB = 'lambdas/adapters/dynamodb';
const MEMORY = 'lambdas/adapters/memory';
const COPIED = ['lambdas', 'scripts', 'test', 'policy', 'package.json', 'jest.config.mjs', 'tsconfig.json'];
/** Test files by the folder that is mutated, the one most likely to notice first. */
const SUITES = {
  [DYNAMODB]: [
    'test/contract/ledger-store.test.ts',
    'test/contract/clauses.test.ts',
    'test/contract/stores.test.ts',
    'test/contract/answer-store.test.ts',
    'test/contract/health-store.test.ts',
    'test/contract/rate-store.test.ts',
    'test/contract/ledger-equivalence.test.ts',
  ],
  [MEMORY]: [
    'test/contract/ledger-store.test.ts',
    'test/contract/clauses.test.ts',
    'test/unit/ledger',
    'test/contract/ledger-equivalence.test.ts',
  ],
};
const WORKERS = 2;
const RUN_TIMEOUT_MS = 600_000;
/** An attribute that no item has. */
const TRUE_CLAUSE = `'attribute_not_exists(#neverThere)'`;
const FALSE_CLAUSE = `'attribute_exists(#neverThere)'`;

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, list: { type: 'boolean' }, write: { type: 'boolean' } },
});
const root = resolve(import.meta.dirname, '..');
const reasons = JSON.parse(readFileSync(join(root, 'scripts/mutate-clauses.json'), 'utf8'));

const all = named([...dynamoMutants(), ...memoryMutants()]);
const stale = Object.keys(reasons).filter((name) => !all.some((mutant) => mutant.name === name));
if (stale.length > 0) fail(`mutate-clauses.json explains what is not in the code: ${stale.join(', ')}`);
const chosen = all.filter(({ name }) => name.includes(options.only ?? ''));
if (chosen.length === 0) fail(`no clause's name contains '${options.only}'`);
if (options.list === true) {
  for (const { name } of chosen) console.log(name);
  process.exit(0);
}

const results = await run(chosen);
const survivors = results.filter(({ killer }) => killer === undefined);
const unexplained = survivors.filter(({ name }) => reasons[name] === undefined);
const superfluous = results.filter(({ name, killer }) => killer !== undefined && reasons[name] !== undefined);
console.log(`\n${results.length} mutants: ${results.length - survivors.length} caught, ${survivors.length} survived`);
for (const { name } of survivors) console.log(`survived: ${name} · ${reasons[name] ?? 'NOT EXPLAINED'}`);
for (const { name } of superfluous) console.log(`caught although mutate-clauses.json excuses it: ${name}`);
if (options.write === true) write(results);
process.exit(unexplained.length === 0 ? 0 : 1);

/** Every use of a clause, and every condition written in place. A use that is one of several alternatives is also made false. */
function dynamoMutants() {
  const mutants = [];
  const known = [...readFileSync(join(root, DYNAMODB, 'expressions.ts'), 'utf8').matchAll(/^ {2}(\w+): '/gm)].map(
    ([, name]) => name,
  );
  const used = new Set();
  for (const file of readdirSync(join(root, DYNAMODB)).filter((name) => name !== 'expressions.ts')) {
    const path = `${DYNAMODB}/${file}`;
    const text = readFileSync(join(root, path), 'utf8');
    for (const match of text.matchAll(/CLAUSES\.(\w+)|'(attribute_(?:not_)?exists\([^']*)'/g)) {
      const clause = match[1] ?? match[2];
      used.add(clause);
      const base = { path, at: match.index, length: match[0].length, place: enclosing(text, match.index), what: clause };
      mutants.push({ ...base, to: TRUE_CLAUSE, mode: 'always true' });
      if (insideCall(text, match.index, 'any')) mutants.push({ ...base, to: FALSE_CLAUSE, mode: 'always false' });
    }
  }
  const unused = known.filter((name) => !used.has(name));
  if (known.length === 0 || unused.length > 0) fail(`clauses without a use: ${unused.join(', ') || 'none found at all'}`);
  return mutants;
}

/**
 * The same conditions in memory: each alternative of a guard (`if (…) return` or `throw`) and of a predicate is taken out, and each
 * comparison of a function that answers yes or no.
 */
function memoryMutants() {
  const mutants = [];
  for (const file of ['ledger-store.ts', 'pots.ts', 'preconditions.ts']) {
    const path = `${MEMORY}/${file}`;
    const text = readFileSync(join(root, path), 'utf8');
    const add = (at, part, to, mode) =>
      mutants.push({ path, at, length: part.length, place: enclosing(text, at), what: part, to, mode });
    for (const { 0: whole, index } of text.matchAll(/\bif \((?=.*\) (?:return|throw|\{)|.*\)$)/gm)) {
      const start = index + whole.length;
      const condition = text.slice(start, closing(text, start));
      for (const { at, part } of operands(condition, start)) add(at, part, 'false', 'never');
    }
    for (const { 0: whole, index } of text.matchAll(/\.(?:find|some)\(\([^)]*\) => /g)) {
      const start = index + whole.length;
      const predicate = text.slice(start, closing(text, start));
      for (const { at, part } of operands(predicate, start)) add(at, part, 'false', 'never');
    }
    for (const { 0: whole, 1: part, index } of text.matchAll(/^\s+(?:return |a\.|\().*$/gm).flatMap(comparisons)) {
      add(index + whole.indexOf(part), part, 'true', 'always true');
    }
  }
  // A comparison inside a guard was taken out with its guard.
  const inside = (inner, outer) =>
    outer.path === inner.path && outer.at <= inner.at && inner.at + inner.length <= outer.at + outer.length;
  return mutants.filter(
    (mutant) => mutant.mode !== 'always true' || !mutants.some((other) => other.mode === 'never' && inside(mutant, other)),
  );
}

/** Comparisons of a line that computes yes or no. */
function* comparisons({ 0: line, index }) {
  for (const match of line.matchAll(/([\w.]+(?:\[\w\])?(?:\.every\(.*?\))?) (?:===|!==|>=|<=|<) [\w.]+(?:\[\w\])?/g)) {
    yield { 0: match[0], 1: match[0], index: index + match.index };
  }
}

/** The alternatives of a condition, with their places. */
function operands(condition, start) {
  const parts = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= condition.length; i += 1) {
    const char = condition[i];
    if (char === '(' || char === '[' || char === '{') depth += 1;
    if (char === ')' || char === ']' || char === '}') depth -= 1;
    if (i < condition.length && !(depth === 0 && condition.startsWith(' || ', i))) continue;
    parts.push({ at: start + from, part: condition.slice(from, i) });
    from = i + ' || '.length;
  }
  return parts;
}

/** Where the bracket closes that is open at a place. */
function closing(text, start) {
  let depth = 1;
  for (let i = start; i < text.length; i += 1) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth === 0) return i;
  }
  return text.length;
}

/** Whether a place lies among the arguments of a call. */
function insideCall(text, at, name) {
  const start = text.lastIndexOf(`${name}(`, at);
  return start >= 0 && closing(text, start + name.length + 1) > at;
}

/** The function or method that a place lies in. */
function enclosing(text, at) {
  const heads = [
    ...text.slice(0, at).matchAll(/^(?:export )?(?:async )?function (\w+)|^ {2}(?:private )?(?:async )?\*?(\w+)\(/gm),
  ];
  const last = heads.at(-1);
  return last?.[1] ?? last?.[2] ?? 'top';
}

/** Names that say what is taken out where, and tell repeats apart. */
function named(mutants) {
  const seen = new Map();
  return mutants.map((mutant) => {
    const what = mutant.what.replaceAll(/\s+/g, ' ');
    const name = `${mutant.path.replace('lambdas/adapters/', '')} ${mutant.place}: ${what} ${mutant.mode}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    // What the tree is now: others may work in it while this runs.
    return { ...mutant, text: readFileSync(join(root, mutant.path), 'utf8'), name: count === 1 ? name : `${name} (${count})` };
  });
}

async function run(mutants) {
  const scratch = mkdtempSync(join(tmpdir(), 'tollgate-mutants-'));
  try {
    const copies = Array.from({ length: Math.min(WORKERS, mutants.length) }, (_, i) => copyTree(join(scratch, String(i))));
    for (const suites of Object.values(SUITES)) {
      const broken = await killerOf(copies[0], suites);
      if (broken !== undefined) throw new Error(`the tests fail on the code as it is: ${broken}`);
    }
    const done = [];
    const queue = [...mutants];
    await Promise.all(
      copies.map(async (copy) => {
        for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
          const killer = await tryMutant(copy, mutant);
          done.push({ ...mutant, killer });
          console.log(
            `${String(done.length).padStart(3)}/${mutants.length} ${killer === undefined ? 'SURVIVED' : 'caught  '} ${mutant.name}${killer === undefined ? '' : ` · ${killer}`}`,
          );
        }
      }),
    );
    return mutants.map(({ name }) => done.find((result) => result.name === name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function copyTree(to) {
  mkdirSync(to);
  for (const name of COPIED) cpSync(join(root, name), join(to, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'));
  return to;
}

/** The test that notices, or undefined. */
async function tryMutant(copy, { path, text, at, length, to }) {
  writeFileSync(join(copy, path), text.slice(0, at) + to + text.slice(at + length));
  try {
    return await killerOf(copy, SUITES[path.startsWith(DYNAMODB) ? DYNAMODB : MEMORY]);
  } finally {
    writeFileSync(join(copy, path), text);
  }
}

async function killerOf(copy, suites) {
  for (const files of suites) {
    let failure = await firstFailure(copy, files);
    // A machine too busy to answer notices nothing.
    for (let again = 0; failure?.late === true && again < 2; again += 1) failure = await firstFailure(copy, files);
    if (failure !== undefined) return failure.title;
  }
  return undefined;
}

function firstFailure(copy, files) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  // biome-ignore format: one argument a line says nothing more
  const jest = spawn(process.execPath, [
    '--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js',
    '--runInBand', '--env=./scripts/first-failure-environment.mjs', '--json', `--outputFile=${report}`, '--testTimeout=120000', files,
  ], { cwd: copy, stdio: 'ignore' });
  return new Promise((done, reject) => {
    const timer = setTimeout(() => jest.kill('SIGKILL'), RUN_TIMEOUT_MS);
    jest.on('error', reject);
    jest.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) return done(undefined);
      try {
        const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
        const failures = testResults.flatMap(({ assertionResults }) =>
          assertionResults.filter(({ status }) => status === 'failed'),
        );
        const [first] = failures;
        const text = first?.failureMessages.join() ?? testResults.map(({ message }) => message).join();
        const late = /Exceeded timeout|gave no answer|did not start|ECONN/.test(text);
        return done({ title: first?.fullName ?? 'a test file that does not load', late });
      } catch {
        return done({ title: 'a run that never ended', late: false });
      }
    });
  });
}

function write(rows) {
  const document = join(root, 'docs/mutation.md');
  const text = readFileSync(document, 'utf8');
  const [from, to] = ['<!-- clauses -->\n', '\n<!-- /clauses -->'];
  const [start, end] = [text.indexOf(from) + from.length, text.indexOf(to)];
  if (start < from.length || end < 0) fail('docs/mutation.md has no section clauses');
  const caught = rows.filter(({ killer }) => killer !== undefined).length;
  const cell = (part) => part.replaceAll('|', '\\|');
  const table = [
    `Run on ${new Date().toISOString().slice(0, 10)}: ${rows.length} mutants, ${caught} caught, ${rows.length - caught} survived.`,
    '',
    '| taken out | noticed by |',
    '|---|---|',
    ...rows.map(
      ({ name, killer }) => `| \`${cell(name)}\` | ${cell(killer ?? `**survives**: ${reasons[name] ?? 'not explained'}`)} |`,
    ),
  ];
  writeFileSync(document, `${text.slice(0, start)}${table.join('\n')}${text.slice(end)}`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
