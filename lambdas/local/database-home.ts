/**
 * What a home knows about its database: which process serves it, who uses it, and one lock for everybody who changes either.
 * A process that was killed leaves its files behind, so each carries what is needed to see that its owner is gone.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type DatabaseEngine, isRunning, startTicks } from './database-process.ts';
import { readIfThere, writePrivately } from './home.ts';
import { LocalError, hasCode } from './local-error.ts';

/** The process that serves a home's database, as its state file says. */
export interface DatabaseState {
  readonly pid: number;
  readonly port: number;
  readonly engine: DatabaseEngine;
  readonly startedAt: string;
}

const stateSchema = z.object({
  pid: z.int().positive(),
  port: z.int().min(1).max(65_535),
  engine: z.enum(['dynoxide', 'dynamodb-local']),
  startedAt: z.string(),
});
const identitySchema = z.object({ id: z.string().min(1) });
const ownerSchema = z.object({ pid: z.int().positive(), startTicks: z.string().optional() });

const LOCK_TIMEOUT_MS = 30_000;

/** The database's files in a home. */
export class DatabaseHome {
  /** The database's own data. */
  readonly dataFolder: string;
  readonly logFile: string;
  private readonly stateFile: string;
  private readonly identityFile: string;
  private readonly lockFile: string;
  private readonly instances: string;

  /** @param home its real path: the database's process is known by it */
  private constructor(home: string) {
    this.dataFolder = path.join(home, 'database');
    this.logFile = path.join(home, 'database.log');
    this.stateFile = path.join(home, 'database.json');
    this.identityFile = path.join(home, 'home.json');
    this.lockFile = path.join(home, 'database.lock');
    this.instances = path.join(home, 'instances');
  }

  /** @throws LocalError when a folder of the home cannot be made or written */
  static async open(directory: string): Promise<DatabaseHome> {
    const wanted = path.resolve(directory);
    // What stands in the way is told by what follows.
    await mkdir(wanted, { recursive: true, mode: 0o700 }).catch(() => undefined);
    const home = new DatabaseHome(await realpath(wanted).catch(() => wanted));
    await home.prepare();
    return home;
  }

  private async prepare(): Promise<void> {
    for (const folder of [this.dataFolder, this.instances]) {
      const probe = path.join(folder, `.probe-${randomBytes(6).toString('hex')}`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(probe, '');
        await rm(probe);
      } catch (error) {
        const taken = hasCode(error, 'EEXIST') || hasCode(error, 'ENOTDIR');
        const why = taken
          ? 'a file stands where a directory is needed'
          : error instanceof Error
            ? error.message
            : 'unknown reason';
        const advice = 'give another home with --home, or make this one a directory that you can write';
        throw new LocalError(`${folder} cannot be used: ${why}`, advice, { cause: error });
      }
    }
  }

  /** Runs `work` while no other process starts, adopts or stops this home's database. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.lock();
    try {
      return await work();
    } finally {
      await release();
    }
  }

  /** @throws LocalError when the file is there but is not what this program writes */
  async readState(): Promise<DatabaseState | undefined> {
    const text = await readIfThere(this.stateFile);
    if (text === undefined) return undefined;
    const parsed = stateSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new LocalError(
      `${this.stateFile} is damaged: it does not say which process serves the database`,
      `see that no tollgate runs on this home and remove that file; the ledger's data is in ${this.dataFolder} and stays`,
    );
  }

  async writeState(state: DatabaseState): Promise<void> {
    await writePrivately(this.stateFile, `${JSON.stringify(state)}\n`);
  }

  async clearState(): Promise<void> {
    await rm(this.stateFile, { force: true });
  }

  /** The home's id, which its database holds too; made when there is none. @throws LocalError when the file is damaged */
  async identity(): Promise<string> {
    const text = await readIfThere(this.identityFile);
    if (text === undefined) {
      const id = randomUUID();
      await this.writeIdentity(id);
      return id;
    }
    const parsed = identitySchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data.id;
    const advice = `remove that file: the id is read from the database again, and the ledger's data in ${this.dataFolder} stays`;
    throw new LocalError(`${this.identityFile} is damaged: it holds no id of this home`, advice);
  }

  async writeIdentity(id: string): Promise<void> {
    await writePrivately(this.identityFile, `${JSON.stringify({ id })}\n`);
  }

  /** Notes that this process uses the database. @returns the name to leave by */
  async join(): Promise<string> {
    const name = `${process.pid}-${randomBytes(4).toString('hex')}`;
    await writeFile(path.join(this.instances, name), ownerText(), { mode: 0o600 });
    return name;
  }

  /** @returns how many other users the database still has; those whose process is gone are cleared away */
  async leave(name: string): Promise<number> {
    await rm(path.join(this.instances, name), { force: true });
    let others = 0;
    for (const file of await readdir(this.instances)) {
      const text = await readIfThere(path.join(this.instances, file));
      if (text === undefined) continue;
      if (isAlive(text)) others += 1;
      else await rm(path.join(this.instances, file), { force: true });
    }
    return others;
  }

  private async lock(): Promise<() => Promise<void>> {
    const deadline = Date.now() + LOCK_TIMEOUT_MS;
    const mine = ownerText();
    for (;;) {
      try {
        // Written aside and linked into place, so that nobody ever sees a lock without its owner.
        const draft = `${this.lockFile}.${randomBytes(6).toString('hex')}`;
        await writeFile(draft, mine, { mode: 0o600 });
        try {
          await link(draft, this.lockFile);
        } finally {
          await rm(draft, { force: true });
        }
        return () => rm(this.lockFile, { force: true });
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
      const held = await readIfThere(this.lockFile);
      if (held !== undefined && !isAlive(held)) await this.breakLock(held);
      else await sleep(20 + Math.random() * 60);
      if (Date.now() > deadline) {
        const advice = `end that process, or remove ${this.lockFile} when it is none of tollgate's`;
        throw new LocalError(
          `another process is starting or stopping this home's database: ${held?.trim() ?? 'unknown'}`,
          advice,
        );
      }
    }
  }

  /** Takes away the lock of a process that is gone. One that a living process took meanwhile is put back. */
  private async breakLock(stale: string): Promise<void> {
    const aside = `${this.lockFile}.${randomBytes(6).toString('hex')}`;
    try {
      await rename(this.lockFile, aside);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, this.lockFile).catch(() => undefined);
    await rm(aside, { force: true });
  }
}

function ownerText(): string {
  return `${JSON.stringify({ pid: process.pid, startTicks: startTicks(process.pid) })}\n`;
}

/** Whether the process that a file names still runs, and is not another one that got its number. */
function isAlive(text: string): boolean {
  const owner = ownerSchema.safeParse(parseJson(text));
  if (!owner.success || !isRunning(owner.data.pid)) return false;
  return owner.data.startTicks === undefined || owner.data.startTicks === startTicks(owner.data.pid);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
