/** `npm start` itself: what a person types, with npm, its shell and the set-up script in between. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { isRunning } from '../../lambdas/local/database-process.ts';

interface Stages {
  readonly stages: Readonly<Record<string, { readonly openaiBaseUrl: string; readonly keys: Readonly<Record<string, string>> }>>;
}

let home: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tollgate-npm-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
});

function npmStart(...options: readonly string[]): ChildProcess {
  const args = ['start', '--silent', '--', '--home', join(home, 'home'), '--dev-port', '0', '--prod-port', '0', ...options];
  const child = spawn('npm', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  child.stderr?.resume();
  return child;
}

async function ready(child: ChildProcess): Promise<Stages> {
  let text = '';
  for await (const piece of child.stdout ?? []) {
    text += String(piece);
    if (text.includes('\n')) return JSON.parse(text) as Stages;
  }
  throw new Error('npm start ended before it was ready');
}

/** The database of the stages: it ends last. */
function databasePid(): number {
  return (JSON.parse(readFileSync(join(home, 'home', 'database.json'), 'utf8')) as { readonly pid: number }).pid;
}

async function untilGone(pid: number): Promise<void> {
  for (let look = 0; look < 300 && isRunning(pid); look += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
  expect(isRunning(pid)).toBe(false);
}

async function responds(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/models`)).status === 401;
  } catch {
    return false;
  }
}

test('a start that fails says why and ends', async () => {
  const child = npmStart('--policy', join(home, 'nowhere'));
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).not.toBe(0);
  expect(code).not.toBeNull();
});

test('SIGTERM to npm lets a stream in flight come to its end', async () => {
  const child = npmStart('--json');
  const { stages } = await ready(child);
  const pid = databasePid();
  const dev = stages.dev;
  if (dev === undefined) throw new Error('no dev stage');
  const openai = new OpenAI({ baseURL: dev.openaiBaseUrl, apiKey: Object.values(dev.keys)[0] ?? '', maxRetries: 0 });
  const stream = await openai.chat.completions.create({
    model: 'economy',
    stream: true,
    messages: [{ role: 'user', content: 'Hello' }],
  });
  let finish: string | null | undefined;
  let told = false;
  for await (const chunk of stream) {
    if (!told) child.kill('SIGTERM');
    told = true;
    finish = chunk.choices[0]?.finish_reason;
  }
  expect(finish).toBe('stop');
  await untilGone(pid);
});

test('when npm is killed the stages end by themselves and free their ports', async () => {
  const child = npmStart('--json');
  const { stages } = await ready(child);
  const url = stages.dev?.openaiBaseUrl ?? '';
  expect(await responds(url)).toBe(true);
  const pid = databasePid();
  child.kill('SIGKILL');
  await untilGone(pid);
  expect(await responds(url)).toBe(false);
});
