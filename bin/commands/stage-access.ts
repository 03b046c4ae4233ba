/** A stage as the operator's commands reach it: on this machine or on AWS, the commands cannot tell. */
import type { AlertDesk, Reporter } from '../../lambdas/application/alert-desk.ts';
import type { Persistence } from '../../lambdas/application/persistence.ts';
import type { AlertLog, KeyStore, LedgerStore } from '../../lambdas/application/ports.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import type { StageOptions } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface StageAccess {
  readonly stage: string;
  readonly local: boolean;
  readonly policy: Policy;
  readonly store: LedgerStore;
  readonly keys: KeyStore;
  readonly alertLog: AlertLog;
  readonly desk: AlertDesk;
  readonly persistence: Persistence;
  readonly reporter: Reporter;
}

/** Opens stages, hands them to `work` one after the other, and closes what it opened whatever happens. */
export async function withStages(
  stages: readonly string[],
  options: StageOptions,
  terminal: Terminal,
  work: (access: StageAccess) => Promise<void>,
): Promise<void> {
  if (options.local === true) {
    const { withLocalStages } = await import('./local-stages.ts');
    await withLocalStages(stages, options, terminal, work);
    return;
  }
  const { withAwsStages } = await import('./aws-stages.ts');
  await withAwsStages(stages, terminal, work);
}
