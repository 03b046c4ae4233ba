/** Starts the real program as a child process, as `npm start` does, and runs the operator's command line beside it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const PROGRAM = path.join(ROOT, 'bin', 'tollgate.ts');
const READY_MS = 30_000;
const END_MS = 40_000;

export interface Ready {
  readonly ready: true;
  readonly stages: Readonly<
    Record<
      'dev' | 'prod',
      { readonly baseUrl: string; readonly openaiBaseUrl: string; readonly keys: Readonly<Record<string, string>> }
    >
  >;
}

export interface Started {
  readonly ready: Ready;
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly stdout: () => string;
  /** Sends a signal and waits for the end. @returns the exit code, null when a signal ended it */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory that a test may fill, and how it is taken away. */
export async function temporaryDirectory(): Promise<{ readonly directory: string; readonly remove: () => Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'tollgate-test-'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Writes the two stage files into a directory and gives its path. */
export async function writePolicies(
  directory: string,
  policies: { readonly dev: string; readonly prod: string },
): Promise<string> {
  const folder = path.join(directory, 'policy');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'dev.yaml'), policies.dev);
  await writeFile(path.join(folder, 'prod.yaml'), policies.prod);
  return folder;
}

/** The environment of a child: this one's, without credentials and with what a test adds. */
function childEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(AWS_|TOLLGATE_)|_API_KEY$|^NODE_OPTIONS$|^JEST_/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: '1', CI: '1', ...extra };
}

/** Starts both stages on free ports. @throws Error with what it said when it does not become ready */
export async function startTollgate(
  options: { readonly home: string; readonly policy?: string; readonly more?: readonly string[]; readonly channel?: boolean },
  extra: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const words = [
    'start',
    '--json',
    '--home',
    options.home,
    '--dev-port',
    '0',
    '--prod-port',
    '0',
    ...(options.policy === undefined ? [] : ['--policy', options.policy]),
  ];
  const child = spawn(process.execPath, [PROGRAM, ...words, ...(options.more ?? [])], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.channel === true ? (['ipc'] as const) : [])],
    env: childEnvironment(extra),
  });
  if (child.stdout === null || child.stderr === null) throw new Error('the child has no pipes');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
    // A child whose channel was let go never gets to `close`.
    child.once('exit', (code) => setTimeout(() => resolve(code), 200));
  });
  const { stdout: output } = child;
  const ready = await new Promise<Ready>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(`${why}\nstdout: ${stdout}\nstderr: ${stderr}`));
    };
    const timer = setTimeout(() => fail('it did not become ready in time'), READY_MS);
    output.on('data', () => {
      if (!stdout.includes('\n')) return;
      clearTimeout(timer);
      resolve(JSON.parse(stdout) as Ready);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      fail(`it ended with code ${code}`);
    });
  });
  return {
    ready,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    end: async (signal) => {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Runs one command of the operator's command line. */
export async function tollgate(
  words: readonly string[],
  options: { readonly stdin?: string; readonly variables?: Readonly<Record<string, string>> } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: childEnvironment(options.variables ?? {}),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const code = await new Promise<number | null>((resolve) => child.once('close', (ended) => resolve(ended)));
  return { code, stdout, stderr };
}

/** Looks again and again until something holds. @throws Error when it does not in time */
export async function eventually<T>(look: () => Promise<T | undefined>, withinMs: number, what: string): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
