/**
 * The peer: `@portkey-ai/gateway` of `bench/peer`, installed there when it is first needed. Its dependencies are pinned by the
 * lock there: with the newest `@hono/node-server` that its range allows every streamed call fails (500, "immutable" headers);
 * 1.13.8 is the newest of those tried with which it streams (docs/performance.md).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Process, freePort, startProcess } from './processes.ts';

const PEER = path.join(import.meta.dirname, '..', 'peer');
const PACKAGE = path.join(PEER, 'node_modules', '@portkey-ai', 'gateway');
const START_MS = 30_000;

export interface Portkey {
  readonly process: Process;
  readonly url: string;
  /** What every call must carry. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The version that the lock states. */
export function portkeyVersion(): string {
  const { dependencies } = JSON.parse(readFileSync(path.join(PEER, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return dependencies['@portkey-ai/gateway'] ?? 'unknown';
}

/** Starts it as its own command does, without its console, before one provider. */
export async function startPortkey(providerUrl: string): Promise<Portkey> {
  if (!existsSync(PACKAGE)) {
    process.stderr.write('Installing the peer: npm ci in bench/peer (once)\n');
    const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: PEER, stdio: ['ignore', 2, 2] });
    if (done.status !== 0) throw new Error('npm ci in bench/peer failed');
  }
  const port = await freePort();
  const started = startProcess(path.join(PACKAGE, 'build', 'start-server.js'), {
    args: ['--headless', `--port=${port}`],
    env: { NODE_ENV: 'production' },
    cwd: PEER,
  });
  const url = `http://127.0.0.1:${port}`;
  for (const untilMs = Date.now() + START_MS; ; await sleep(100)) {
    const up = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (up) break;
    if (Date.now() > untilMs) throw new Error('the peer did not start');
  }
  const headers = {
    authorization: 'Bearer sk-bench',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': providerUrl,
  };
  return { process: started, url, headers };
}
