/** A bundled handler in a child process of its own, called as Lambda calls it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

interface Told {
  readonly id?: number;
  readonly type: 'ready' | 'head' | 'chunk' | 'end' | 'error';
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly result?: unknown;
  readonly message?: string;
}

/** One invocation as it comes back. */
export class Invocation {
  head: Told | undefined;
  text = '';
  end: Told | undefined;
  private waiting: (() => void)[] = [];

  note(told: Told): void {
    if (told.type === 'head') this.head = told;
    else if (told.type === 'chunk') this.text += told.text ?? '';
    else this.end = told;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Waits until something has come. @throws after 20 s */
  async until(what: string, come: (invocation: Invocation) => boolean): Promise<this> {
    const giveUpAt = Date.now() + 20_000;
    while (!come(this)) {
      if (this.end?.type === 'error') throw new Error(`the handler threw: ${this.end.message}`);
      if (Date.now() > giveUpAt) throw new Error(`no ${what} came; so far ${this.head?.statusCode} ${this.text}`);
      await Promise.race([
        new Promise<void>((resolve) => this.waiting.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, 500)),
      ]);
    }
    return this;
  }

  finished(): Promise<this> {
    return this.until('end', ({ end }) => end?.type === 'end');
  }
}

/** The child process and everything it logged. */
export class BundledFunction {
  readonly logs: string[] = [];
  private readonly child: ChildProcess;
  private readonly invocations = new Map<number, Invocation>();
  private readonly started: Promise<void>;

  /** @param bundle the handler's file, outside of the project so that it finds no packages */
  constructor(bundle: string, environment: Readonly<Record<string, string>>) {
    const runner = join(import.meta.dirname, 'lambda-runner.mjs');
    this.child = spawn(process.execPath, ['--enable-source-maps', runner, pathToFileURL(bundle).href], {
      // A clean environment: what the stack gives is all there is.
      env: { PATH: '/usr/bin:/bin', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.child;
    if (!stdout || !stderr) throw new Error('the child has no pipes');
    createInterface({ input: stderr }).on('line', (line) => this.logs.push(line));
    this.started = new Promise((resolve, reject) => {
      this.child.once('exit', (code) => reject(new Error(`the function ended with ${code}:\n${this.logs.join('\n')}`)));
      createInterface({ input: stdout }).on('line', (line) => {
        if (!line.startsWith('@@')) {
          this.logs.push(line);
          return;
        }
        const told: Told = JSON.parse(line.slice(2));
        if (told.type === 'ready') resolve();
        else if (told.id !== undefined) this.invocations.get(told.id)?.note(told);
      });
    });
    this.started.catch(() => undefined);
  }

  /** Resolves when the handler is loaded. */
  ready(): Promise<void> {
    return this.started;
  }

  invoke(event: unknown): Invocation {
    const id = this.invocations.size + 1;
    const invocation = new Invocation();
    this.invocations.set(id, invocation);
    this.child.stdin?.write(`${JSON.stringify({ id, event })}\n`);
    return invocation;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** A REST API event of API Gateway, as far as it is read. */
export function restEvent(method: string, path: string, headers: Readonly<Record<string, string>>, body?: unknown): object {
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: method,
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: { requestId: `api-${path}`, stage: 'dev', path: `/dev${path}`, httpMethod: method },
    body: body === undefined ? null : JSON.stringify(body),
    isBase64Encoded: false,
  };
}
