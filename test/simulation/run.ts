/**
 * The simulator's command line.
 *
 *   npm run simulate -- --seeds 20 --profile chaos --seed 1
 *   npm run simulate -- --operations 100000000
 *
 * Ends with 0 when no seed broke an invariant, with 1 when one did (its trace is printed), with 2 on wrong usage.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Profile, PROFILES } from './support/profile.ts';
import { type SimulationResult, simulateAndExplain } from './support/simulation.ts';

interface Job {
  readonly profile: string;
  readonly seed: number;
}

interface Tally {
  seeds: number;
  operations: number;
  crashes: number;
  late: number;
  calls: number;
  violations: number;
}

/** Set for the processes that this one starts. */
const WORKER = 'TOLLGATE_SIMULATION_WORKER';

const USAGE = `usage: npm run simulate -- [--profile NAME,… | all] [--seeds N | --operations N] [--seed FIRST] [--workers N] [--keep-going] [--json]
profiles: ${Object.keys(PROFILES).join(', ')}`;

/** Seeds of all profiles in turn, without end unless their number is given. */
function* jobs(profiles: readonly string[], first: number, seeds: number): Generator<Job> {
  for (let seed = first; seed < first + seeds; seed += 1) for (const profile of profiles) yield { profile, seed };
}

function profileOf(name: string): Profile {
  const profile = PROFILES[name];
  if (profile === undefined) throw new RangeError(`there is no profile '${name}'`);
  return profile;
}

function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}\n`);
  process.exit(2);
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(value) || value < 0) usage(`--${name} takes a whole number, not '${text}'`);
  return value;
}

function explain(result: SimulationResult): string {
  const { profile, seed, violation, trace } = result;
  return [
    '',
    ...(trace ?? []),
    '',
    `VIOLATION in profile ${profile}, seed ${seed}: ${violation?.message ?? ''}`,
    `  about: ${violation?.subjects.join(', ') ?? ''}`,
    `  again: npm run simulate -- --profile ${profile} --seed ${seed} --seeds 1`,
    '',
  ].join('\n');
}

function options() {
  try {
    return parseArgs({
      options: {
        profile: { type: 'string' },
        seeds: { type: 'string' },
        seed: { type: 'string' },
        operations: { type: 'string' },
        workers: { type: 'string' },
        'keep-going': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<void> {
  const given = options();
  if (given.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const names = given.profile === undefined || given.profile === 'all' ? Object.keys(PROFILES) : given.profile.split(',');
  for (const name of names) if (PROFILES[name] === undefined) usage(`there is no profile '${name}'`);
  const operations = wholeNumber('operations', given.operations, Number.POSITIVE_INFINITY);
  const seeds = wholeNumber('seeds', given.seeds, given.operations === undefined ? 5 : 1_000_000_000);
  const first = wholeNumber('seed', given.seed, 1);
  const workers = wholeNumber('workers', given.workers, availableParallelism());
  const startedAt = performance.now();
  const tallies = new Map<string, Tally>();
  const todo = jobs(names, first, seeds);
  let done = 0;
  let failed = false;
  const shown = { at: 0 };

  const note = (result: SimulationResult): void => {
    const tally = tallies.get(result.profile) ?? { seeds: 0, operations: 0, crashes: 0, late: 0, calls: 0, violations: 0 };
    tallies.set(result.profile, tally);
    tally.seeds += 1;
    tally.operations += result.operations;
    tally.crashes += result.crashes;
    tally.late += result.late;
    tally.calls += result.calls;
    done += result.operations;
    if (result.violation !== undefined) {
      tally.violations += 1;
      failed = true;
      process.stderr.write(explain(result));
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    if (given.json !== true && seconds - shown.at >= 30) {
      shown.at = seconds;
      process.stderr.write(`${Math.round(seconds)} s: ${done.toLocaleString('en')} store operations\n`);
    }
  };
  const next = (): Job | undefined => {
    if (done >= operations || (failed && given['keep-going'] !== true)) return undefined;
    const step = todo.next();
    return step.done ? undefined : step.value;
  };

  await (workers <= 1 ? here(next, note) : Promise.all(Array.from({ length: workers }, () => inWorker(next, note))));
  const total = [...tallies.values()].reduce((sum, tally) => sum + tally.violations, 0);
  const report = {
    operations: done,
    violations: total,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    profiles: Object.fromEntries(tallies),
  };
  if (given.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const format = (value: number): string => value.toLocaleString('en').padStart(14);
    process.stdout.write(
      `profile   ${['seeds', 'operations', 'crashes', 'late', 'violations'].map((name) => name.padStart(14)).join('')}\n`,
    );
    for (const [name, tally] of tallies) {
      const { seeds: ran, operations: ops, crashes, late, violations } = tally;
      process.stdout.write(`${name.padEnd(10)}${[ran, ops, crashes, late, violations].map(format).join('')}\n`);
    }
    process.stdout.write(`${done.toLocaleString('en')} store operations in ${report.seconds} s, ${total} violations\n`);
  }
  process.exitCode = failed ? 1 : 0;
}

async function here(next: () => Job | undefined, note: (result: SimulationResult) => void): Promise<void> {
  for (let job = next(); job !== undefined; job = next()) {
    note(await simulateAndExplain({ profile: profileOf(job.profile), seed: job.seed }));
  }
}

/** A process of its own for a share of the seeds. */
function inWorker(next: () => Job | undefined, note: (result: SimulationResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker: ChildProcess = fork(import.meta.filename, {
      env: { ...process.env, [WORKER]: '1' },
      serialization: 'advanced',
    });
    let ended = false;
    const give = (): void => {
      const job = next();
      if (job === undefined) {
        ended = true;
        worker.disconnect();
        resolve();
      } else worker.send(job);
    };
    worker.on('message', (result: SimulationResult) => {
      note(result);
      give();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (!ended) reject(new Error(`a worker ended with ${code}`));
    });
    give();
  });
}

async function work(job: Job): Promise<void> {
  process.send?.(await simulateAndExplain({ profile: profileOf(job.profile), seed: job.seed }));
}

if (process.env[WORKER] === undefined) await main();
else process.on('message', (job: Job) => void work(job));
