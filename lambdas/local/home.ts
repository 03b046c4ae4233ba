/**
 * The home of the local stages: one directory with the database and the keys in plaintext, readable by its owner only.
 * Nothing here is ever deleted; a home that cannot be used is named in an error.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { LocalError, hasCode } from './local-error.ts';

/** Prepares the directory and gives its absolute path. @throws LocalError when something else stands there or it cannot be written */
export async function openHome(directory: string): Promise<string> {
  const home = path.resolve(directory);
  try {
    await makeDirectory(home);
    if (!(await stat(home)).isDirectory())
      throw new LocalError(`the home ${home} is not a directory`, 'give another one with --home');
    await chmod(home, 0o700);
  } catch (error) {
    if (hasCode(error, 'EEXIST') || hasCode(error, 'ENOTDIR')) {
      throw new LocalError(`the home ${home} is not a directory: a file stands there`, 'give another one with --home');
    }
    if (hasCode(error, 'ENOENT')) {
      throw new LocalError(`the home ${home} cannot be created there`, 'give another one with --home');
    }
    if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM') || hasCode(error, 'EROFS')) {
      throw new LocalError(`the home ${home} cannot be written`, 'give another one with --home, or change its owner');
    }
    throw error;
  }
  return home;
}

/** Step by step, because Node's own `recursive` never ends where the system refuses with ENOENT, such as under /proc. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    const parent = path.dirname(directory);
    if (!hasCode(error, 'ENOENT') || parent === directory) throw error;
    await makeDirectory(parent);
    await mkdir(directory, { mode: 0o700 }).catch((again: unknown) => {
      if (!hasCode(again, 'EEXIST')) throw again;
    });
  }
}

/** The text of a file; undefined when there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Writes a file for its owner only, whole or not at all, whatever happens meanwhile. */
export async function writePrivately(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text, 'utf8');
    await handle.sync();
    await handle.close();
    await rename(draft, file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
}
