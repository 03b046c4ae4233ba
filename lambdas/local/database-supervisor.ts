/**
 * Looks after a database while a process uses it: one that died is started again, soon at first and more and more patiently
 * when it keeps dying. Until it is back, calls to it fail, and the gateway fails closed.
 */

/** What the supervisor looks at and does. */
export interface Supervised {
  /** Whether the database's process runs. Cheap: it is asked four times a second. */
  isUp(): boolean;
  /** Brings it back, or finds that somebody else has. @throws when it could not be started */
  revive(): Promise<void>;
  /** Told what went wrong, in a sentence. */
  tell(line: string): void;
}

export interface Supervisor {
  /** Looks no more; resolves when a restart under way is over. */
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A database that has run for so long is well, and its next death is the first again. */
const WELL_AFTER_MS = 60_000;

/** Starts to look. It keeps no process alive. */
export function superviseDatabase(database: Supervised): Supervisor {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let look: Promise<void> = Promise.resolve();
  let restarts = 0;
  let lastRestartMs = 0;

  const later = (ms: number): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      look = once();
    }, ms);
    timer.unref();
  };
  const once = async (): Promise<void> => {
    if (database.isUp()) {
      later(LOOK_EVERY_MS);
      return;
    }
    if (performance.now() - lastRestartMs > WELL_AFTER_MS) restarts = 0;
    try {
      await database.revive();
    } catch (error) {
      database.tell(`the database is away and could not be started again: ${error instanceof Error ? error.message : 'unknown'}`);
    }
    lastRestartMs = performance.now();
    later(Math.min(LONGEST_PAUSE_MS, LOOK_EVERY_MS * 2 ** restarts));
    restarts += 1;
  };
  later(LOOK_EVERY_MS);
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return look;
    },
  };
}
