/**
 * The crash matrix: runs a scenario once to number its boundaries, then once for every boundary and fault, and lets a
 * fresh process and the keeper finish each time.
 */
import { LedgerUnavailableError } from '../../lambdas/application/payments.ts';
import { isTransient } from '../../lambdas/application/persistence.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { judge, potsOverLimit } from './crash-judge.ts';
import { type Boundary, FAULTS, type Plan, Tracer } from './crash-ports.ts';
import { type Process, World } from './crash-world.ts';
import { payment } from './ledger.ts';

/** What a scenario works with: `victim` is the process whose calls can fail, `helper` another one that is well. */
export interface Stage {
  readonly world: World;
  readonly policy: Policy;
  readonly victim: Process;
  readonly helper: Process;
}

export interface Scenario {
  /** What happens, in words. */
  readonly name: string;
  readonly policy: Policy;
  /** The policy before a limit was lowered: money that it let into lanes may be spent. */
  readonly before?: Policy;
  /** ISO instant. */
  readonly startsAt?: string;
  readonly mostLanes?: number;
  /** Before the first numbered boundary. */
  readonly setup?: (stage: Stage) => Promise<void>;
  /** The victim's work. @returns its outcome in a word: a fault that is not a crash must not change it */
  readonly run: (stage: Stage) => Promise<string>;
  /** What a client or an operator does after a crash, on a fresh process; default: a call of 1. */
  readonly again?: (stage: Stage, fresh: Process) => Promise<void>;
  /** The outcome comes after the hold's expiry. */
  readonly late?: boolean;
  readonly silentPercents?: readonly number[];
  /** Faults that belong to the scenario itself. */
  readonly ownFaults?: number;
  /** Nobody repeats this operation by itself: who called it sees the error and asks again. */
  readonly surfaces?: boolean;
  /** What `run` says without a fault, and with any fault that is no crash of its own; default: `ok`. */
  readonly outcome?: string;
  /** Two outcomes are as good: it is a race. */
  readonly either?: string;
  /** Something in the background pushes the world's one clock beside a hold. */
  readonly inBackground?: boolean;
}

export interface Replay {
  readonly outcome: string;
  /** What is not one of the stated outcomes. */
  readonly problems: readonly string[];
  readonly boundaries: readonly Boundary[];
  /** Whether the fault could happen at that boundary. */
  readonly happened: boolean;
  /** How long the victim's longest hold took, on the world's clock. */
  readonly longestHoldMs: number;
}

const KEEPER_PASSES = 5;
/** Longer than a hold stands, a lane lies idle and a marker waits. */
const BETWEEN_PASSES_MS = 400_000;
/** What the store's client waits for an answer on AWS. */
export const STORE_TIMEOUT_MS = 3_000;

/** Runs a scenario with one fault, or with none. */
export async function replay(scenario: Scenario, plan?: Plan): Promise<Replay> {
  const world = new World(scenario.startsAt, scenario.mostLanes);
  const tracer = new Tracer(plan, plan === undefined);
  const { policy } = scenario;
  const stage: Stage = { world, policy, victim: world.process(tracer), helper: world.process() };
  const problems: string[] = [];
  world.watch = async () => void problems.push(...(await potsOverLimit(world.truth, scenario.before ?? policy)));
  tracer.timeout = async () => world.clock.advance(STORE_TIMEOUT_MS);
  await scenario.setup?.(stage);
  world.said.length = 0;
  world.longestHoldMs = 0;
  tracer.arm();
  const outcome = await Promise.race([runOf(scenario, stage), tracer.crashed.then(() => 'crashed')]);
  if (!tracer.dead) await Promise.race([stage.victim.payments.idle(), tracer.crashed]);
  tracer.disarm();
  const { happened, dead } = tracer;
  const boundaries = [...tracer.boundaries];
  const { longestHoldMs } = world;
  const away = plan !== undefined && 'outage' in plan;
  // Whoever is cut off from the store leaves as much to the keeper as the dead.
  const crashed = dead || away;
  const providerLost = happened !== undefined && /^(client|body|sink)/.test(happened.op);
  const expected = scenario.outcome ?? 'ok';
  const allowed = [expected, scenario.either, ...(scenario.surfaces === true ? ['surfaced'] : [])];
  if (away) allowed.push('ledger_unavailable');
  if (!dead && !providerLost && !allowed.includes(outcome)) problems.push(`the outcome was ${outcome} and not ${expected}`);
  const fresh = world.process();
  await (scenario.again ?? callOnce)(stage, fresh);
  await fresh.payments.idle();
  await stage.helper.payments.idle();
  for (let pass = 0; pass < KEEPER_PASSES; pass += 1) {
    world.clock.advance(BETWEEN_PASSES_MS);
    await fresh.keeper.pass(policy);
  }
  problems.push(
    ...(await judge(world, {
      policy,
      crashed,
      providerLost,
      late: scenario.late === true,
      silentPercents: scenario.silentPercents ?? [],
      mostDeliveries: 1 + (happened === undefined ? 0 : 1) + (scenario.ownFaults ?? 0),
    })),
  );
  return { outcome, problems: [...new Set(problems)], boundaries, happened: happened !== undefined, longestHoldMs };
}

async function runOf(scenario: Scenario, stage: Stage): Promise<string> {
  try {
    const outcome = await scenario.run(stage);
    return outcome;
  } catch (error) {
    if (scenario.surfaces === true && isTransient(error)) return 'surfaced';
    if (error instanceof LedgerUnavailableError) return error.code;
    throw error;
  }
}

async function callOnce({ policy }: Stage, fresh: Process): Promise<void> {
  const result = await fresh.payments.hold(payment(policy, 1n, { userId: 'probe' }));
  if (result.ok) await fresh.payments.settle(result.held, 1n, {});
}

export interface MatrixReport {
  readonly boundaries: number;
  /** Runs in which the fault could happen. */
  readonly points: number;
  readonly failures: readonly string[];
}

/** A scenario without a fault, then at every boundary with every fault. */
export async function matrix(scenario: Scenario): Promise<MatrixReport> {
  const clean = await replay(scenario);
  const failures = clean.problems.map((problem) => `without a fault: ${problem}`);
  let points = 0;
  if (failures.length > 0) return { boundaries: clean.boundaries.length, points, failures };
  for (const [index, { op, frames }] of clean.boundaries.entries()) {
    for (const fault of FAULTS) {
      const run = await replay(scenario, { index, fault }).catch((error: unknown) => ({
        happened: true,
        problems: [`threw ${error instanceof Error ? error.message : 'something'}`],
      }));
      if (run.happened) points += 1;
      failures.push(...run.problems.map((problem) => `#${index} ${op} at ${frames[0] ?? '?'}, ${fault}: ${problem}`));
    }
  }
  return { boundaries: clean.boundaries.length, points, failures };
}
