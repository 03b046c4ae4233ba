/**
 * Requests a second and latency beside the peer: the mock provider alone, the peer, and Tollgate on its two stores answer the
 * same calls in turn, in short alternating rounds of one run, so that whatever else the machine does falls on all of them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageVersion } from '../lambdas/local/version.ts';
import { chatCall } from './support/chat-call.ts';
import type { GatewayReady } from './support/gateway.ts';
import type { LoadJob, LoadResult } from './support/load.ts';
import { portkeyVersion, startPortkey } from './support/portkey.ts';
import { type Process, startReady, withClosers } from './support/processes.ts';
import { type PartOptions, measuredOn } from './support/report.ts';
import { type Cell, type Figures, type SystemName, figuresOf, speedReport } from './support/speed-report.ts';

const CONNECTIONS = [1, 16, 64];
const ROUNDS = 3;
const ROUND_SECONDS = 1.2;
const WARM_UP_SECONDS = 1;

/** Something that answers chat completions. */
interface System {
  readonly name: SystemName;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly model: string;
  readonly process: Process;
}

/** Measures, and gives the section. */
export async function speed(options: PartOptions): Promise<string> {
  const cells = await withClosers(async (closers) => {
    const systems = await startSystems(options, closers);
    const load = await startReady('load.ts');
    closers.push(() => load.process.stop());
    for (const system of systems) for (const stream of [false, true]) await checkAnswer(system, stream);
    return measure(systems, (job) => load.process.ask<LoadResult>(job), options);
  });
  const versions = {
    Tollgate: packageVersion(),
    '@portkey-ai/gateway': `${portkeyVersion()} (with @hono/node-server 1.13.8)`,
    autocannon: '9.0.0',
  };
  return speedReport(cells, measuredOn(versions));
}

async function startSystems(
  { only = '', profile }: PartOptions,
  closers: (() => Promise<unknown>)[],
): Promise<readonly System[]> {
  const upstream = await startReady<{ readonly port: number }>('upstream.ts');
  closers.push(() => upstream.process.stop());
  const providerUrl = `http://127.0.0.1:${upstream.ready.port}/v1`;
  const systems: System[] = [{ name: 'mock', url: providerUrl, headers: {}, model: 'small', process: upstream.process }];
  if (only === '' || only === 'portkey') {
    const peer = await startPortkey(providerUrl);
    closers.push(() => peer.process.stop());
    systems.push({ name: 'portkey', url: `${peer.url}/v1`, headers: peer.headers, model: 'small', process: peer.process });
  }
  for (const store of ['memory', 'database'] as const) {
    if (only !== '' && only !== store) continue;
    const home = await mkdtemp(path.join(tmpdir(), 'tollgate-bench-'));
    closers.push(() => rm(home, { recursive: true, force: true }));
    const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const { process, ready } = await startReady<GatewayReady>('gateway.ts', { args: [store, providerUrl, home], execArgv });
    closers.push(() => process.stop());
    systems.push({
      name: store,
      url: `${ready.url}/v1`,
      headers: { authorization: `Bearer ${ready.key}` },
      model: 'economy',
      process,
    });
  }
  return systems;
}

/** Nobody is measured who does not give the whole answer, usage included. */
async function checkAnswer({ name, url, headers, model }: System, stream: boolean): Promise<void> {
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: chatCall(model, stream),
  });
  const text = await response.text();
  const whole = text.includes('"completion_tokens":160') && (!stream || text.trimEnd().endsWith('data: [DONE]'));
  if (!response.ok || !whole)
    throw new Error(`${name} does not answer a ${stream ? 'streamed' : 'plain'} call: ${response.status}`);
}

async function measure(
  systems: readonly System[],
  ask: (job: LoadJob) => Promise<LoadResult>,
  { quick }: PartOptions,
): Promise<readonly Cell[]> {
  const job = ({ url, headers, model }: System, stream: boolean, connections: number, seconds: number): LoadJob => ({
    url: `${url}/chat/completions`,
    headers,
    body: chatCall(model, stream),
    connections,
    seconds,
  });
  const cells: Cell[] = [];
  for (const stream of [false, true]) {
    for (const system of systems) await ask(job(system, stream, 64, WARM_UP_SECONDS));
    for (const connections of CONNECTIONS) {
      const rounds = new Map<SystemName, Figures[]>();
      for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
        for (const system of systems) {
          const before = system.process.cpuSeconds();
          const result = await ask(job(system, stream, connections, ROUND_SECONDS));
          const figures = figuresOf(result, system.process.cpuSeconds() - before);
          rounds.set(system.name, [...(rounds.get(system.name) ?? []), figures]);
        }
      }
      for (const [system, figures] of rounds) cells.push({ system, stream, connections, rounds: figures });
    }
  }
  return cells;
}
