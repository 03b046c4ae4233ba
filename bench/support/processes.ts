/** The processes of a benchmark: each started on its own, told and asked over IPC, ended by its id with whoever started it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = path.join(import.meta.dirname, '..', '..');
const START_MS = 60_000;
const ASK_MS = 300_000;
const END_MS = 10_000;

export interface StartOptions {
  readonly args?: readonly string[];
  /** Flags of Node itself. */
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A running child. Its answers are what it sends over IPC, in order. */
export class Process {
  readonly pid: number;
  private readonly child: ChildProcess;
  private readonly name: string;

  constructor(child: ChildProcess, name: string) {
    if (child.pid === undefined) throw new Error(`${name} did not start`);
    this.pid = child.pid;
    this.child = child;
    this.name = name;
  }

  /** The next message. @throws when the process ends or is silent for too long */
  async next<T>(withinMs = ASK_MS): Promise<T> {
    const over = new AbortController();
    const { signal } = over;
    try {
      const ended = once(this.child, 'exit', { signal }).then(([code]) => {
        throw new Error(`${this.name} ended with ${String(code)}`);
      });
      const late = sleep(withinMs, undefined, { signal }).then(() => {
        throw new Error(`${this.name} said nothing for ${withinMs} ms`);
      });
      const message = once(this.child, 'message', { signal }).then(([told]) => told as T);
      return await Promise.race([message, ended, late]);
    } finally {
      over.abort();
    }
  }

  /** Sends a question and waits for the answer to it. */
  ask<T>(question: object): Promise<T> {
    const answer = this.next<T>();
    this.child.send(question);
    return answer;
  }

  /** Processor time of the process so far, all its threads; NaN where the system does not tell. */
  cpuSeconds(): number {
    try {
      // Behind the name in brackets, which may hold anything: fields 14 and 15, in hundredths of a second.
      const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return Number.NaN;
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await Promise.race([ended, sleep(END_MS, undefined, { ref: false }).then(() => this.child.kill('SIGKILL'))]);
  }
}

/**
 * Starts a module of this folder, or a file by its absolute path, with this process's own Node.
 * @param file such as `upstream.ts`
 */
export function startProcess(file: string, { args = [], execArgv = [], env = {}, cwd = ROOT }: StartOptions = {}): Process {
  const module = path.isAbsolute(file) ? file : path.join(import.meta.dirname, file);
  const child = fork(module, args, {
    cwd,
    execArgv: [...execArgv],
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Process(child, path.basename(file));
}

/** A process, and what it told when it was ready. */
export interface Ready<T> {
  readonly process: Process;
  readonly ready: T;
}

/** Starts a process that tells when it is ready. */
export async function startReady<T>(file: string, options: StartOptions = {}): Promise<Ready<T>> {
  const started = startProcess(file, options);
  return { process: started, ready: await started.next<T>(START_MS) };
}

/** A loopback port that is free now, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs work with what it opens, and closes that in reverse, whatever happens. */
export async function withClosers<T>(work: (closers: (() => Promise<unknown>)[]) => Promise<T>): Promise<T> {
  const closers: (() => Promise<unknown>)[] = [];
  try {
    return await work(closers);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}
