/** Steps that the scenarios of the crash matrix are made of. Amounts are nano-USD. */
import type { HoldResult } from '../../lambdas/application/payments.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import type { Scenario, Stage } from './crash-matrix.ts';
import { type Fault, Tracer } from './crash-ports.ts';
import type { Process } from './crash-world.ts';
import { type PolicyParts, limit, makePolicy, payment } from './ledger.ts';

export type Held = Extract<HoldResult, { ok: true }>['held'];
export interface CallOptions {
  readonly userId?: string;
  readonly groupName?: string;
}

export const ROOMY: PolicyParts = {
  budgets: [limit('day', 10_000n)],
  providerBudgets: [limit('month', 10_000n, { window: 'month' })],
};
export const ANN = { userId: 'ann' };
export const OTHER = { groupName: 'other' };

export async function call(by: Process, policy: Policy, bound: bigint, actual: bigint, more: CallOptions = {}): Promise<string> {
  const result = await by.payments.hold(payment(policy, bound, more));
  if (!result.ok) return result.refusal.code;
  await by.payments.settle(result.held, actual, {});
  return 'ok';
}

export async function hold(by: Process, policy: Policy, bound: bigint, more: CallOptions = {}): Promise<Held> {
  const result = await by.payments.hold(payment(policy, bound, more));
  if (!result.ok) throw new Error(`not held: ${result.refusal.code}`);
  return result.held;
}

/** A process that does one call and dies, or loses something, at a stated boundary: what it leaves is the scenario's start. */
export async function earlier(
  { world, policy }: Stage,
  faults: readonly { readonly op: string; readonly fault: Fault }[],
  bound: bigint,
  actual: bigint,
  more: CallOptions = {},
): Promise<void> {
  const tracer = new Tracer(undefined, false);
  const process = world.process(tracer);
  for (const { op, fault } of faults) tracer.script(op, 1, { fault });
  tracer.arm();
  const known = world.records.length;
  const over = call(process, policy, bound, actual, more).then(() => process.payments.idle());
  await Promise.race([over, tracer.crashed]);
  for (const record of world.records.slice(known)) if (record.actualNanoUsd === undefined) record.abandoned = true;
}

export const pays = (bound = 100n, actual = 60n, more: CallOptions = {}): Scenario['run'] => {
  return ({ victim, policy }) => call(victim, policy, bound, actual, more);
};

export const keeps: Scenario['run'] = async ({ victim, policy }) => {
  const report = await victim.keeper.pass(policy);
  return report.complete ? 'kept' : 'cut off';
};

/** The keeper asks nobody twice within a pass where the next one will: a pass that fails is repeated in a minute. */
export const KEEPER = { run: keeps, outcome: 'kept', surfaces: true } as const;

export const USERS = makePolicy({ ...ROOMY, budgets: [limit('day', 10_000n), limit('each', 1_000n, { per: 'user' })] });

/** Sixteen holds in lane 0: as many as it takes. */
export async function fill(by: Process, policy: Policy): Promise<readonly Held[]> {
  const all: Held[] = [];
  for (let count = 0; count < 16; count += 1) {
    const held = await hold(by, policy, 10n);
    by.payments.abandon(held);
    all.push(held);
  }
  return all;
}

export async function settleKnown(by: Process, held: Held): Promise<void> {
  await by.payments.settle(held, 6n, {});
}

export async function funded(world: Stage['world'], amountNanoUsd: bigint): Promise<void> {
  await world.fund(amountNanoUsd);
}

export function release(policy: Policy): Pick<Policy, 'costTracking'> {
  return { costTracking: { ...policy.costTracking, unknownOutcome: 'release' } };
}
