/**
 * Runs the keeper again and again: one pass at a time, each bounded, and a pass that fails is reported while the next
 * goes on.
 */
import type { Reporter } from '../application/alert-desk.ts';
import type { Keeper } from '../application/keeper.ts';
import type { Clock, PolicySource } from '../application/ports.ts';

/** A pass that takes longer stops between two pages; the next begins anew. */
const LONGEST_PASS_MS = 50_000;

export interface KeeperLoopDeps {
  readonly keeper: Pick<Keeper, 'pass'>;
  readonly policies: PolicySource;
  readonly clock: Pick<Clock, 'now'>;
  readonly reporter: Reporter;
  /** From the end of a pass to the next one, ms. */
  readonly everyMs: number;
}

export interface KeeperLoop {
  /** No further pass begins; resolves when the one under way is over. */
  stop(): Promise<void>;
}

/** Starts with a pass at once, so that what a killed process left is looked at without delay. */
export function startKeeperLoop(deps: KeeperLoopDeps): KeeperLoop {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> = Promise.resolve();

  const next = (): void => {
    pass = onePass(deps).then(() => {
      if (!stopped) timer = setTimeout(next, deps.everyMs);
    });
  };
  next();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return pass;
    },
  };
}

async function onePass({ keeper, policies, clock, reporter }: KeeperLoopDeps): Promise<void> {
  try {
    const report = await keeper.pass(await policies.current(), clock.now() + LONGEST_PASS_MS);
    if (report.charged > 0 || report.released > 0) {
      reporter.info('holds without an outcome were ended', { charged: report.charged, released: report.released });
    }
    if (report.unfinished > 0) reporter.warn('the keeper left some lanes to its next pass', { unfinished: report.unfinished });
  } catch (error) {
    reporter.error('a pass of the keeper failed; the next one tries again', {
      reason: error instanceof Error ? error.name : 'unknown',
    });
  }
}
