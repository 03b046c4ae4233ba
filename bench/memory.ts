/** Resident memory of the gateway after 10,000 and after 100,000 calls, a quarter of them streamed: what a call leaves behind shows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageVersion } from '../lambdas/local/version.ts';
import { chatCall } from './support/chat-call.ts';
import type { GatewayMemory, GatewayReady } from './support/gateway.ts';
import type { LoadResult } from './support/load.ts';
import { startReady, withClosers } from './support/processes.ts';
import { type PartOptions, measuredOn, table } from './support/report.ts';

const FIRST = 10_000;
const ALL = 100_000;
/** Every reading stands behind the same mix: of each step a quarter is streamed. */
const STEP = 5_000;
const STREAMED = STEP / 4;
const CONNECTIONS = 32;
/** Late work of the last calls ends before memory is read. */
const REST_MS = 1_000;
const AIM = 0.1;

interface Reading extends GatewayMemory {
  readonly calls: number;
}

/** Measures, and gives the section. */
export async function memory({ quick }: PartOptions): Promise<string> {
  const all = quick ? FIRST * 2 : ALL;
  const { readings, failures } = await withClosers(async (closers) => {
    const upstream = await startReady<{ readonly port: number }>('upstream.ts');
    closers.push(() => upstream.process.stop());
    const home = await mkdtemp(path.join(tmpdir(), 'tollgate-bench-'));
    closers.push(() => rm(home, { recursive: true, force: true }));
    const providerUrl = `http://127.0.0.1:${upstream.ready.port}/v1`;
    const gateway = await startReady<GatewayReady>('gateway.ts', {
      args: ['memory', providerUrl, home],
      execArgv: ['--expose-gc'],
    });
    closers.push(() => gateway.process.stop());
    const load = await startReady('load.ts');
    closers.push(() => load.process.stop());

    const found: Reading[] = [];
    let failed = 0;
    for (let calls = STEP; calls <= all; calls += STEP) {
      for (const stream of [false, true]) {
        const { failures: now } = await load.process.ask<LoadResult>({
          url: `${gateway.ready.url}/v1/chat/completions`,
          headers: { authorization: `Bearer ${gateway.ready.key}` },
          body: chatCall('economy', stream),
          connections: CONNECTIONS,
          amount: stream ? STREAMED : STEP - STREAMED,
        });
        failed += now;
      }
      await sleep(REST_MS);
      if (calls % FIRST === 0) found.push({ calls, ...(await gateway.process.ask<GatewayMemory>({ memory: true })) });
    }
    return { readings: found, failures: failed };
  });
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing was read');
  const growth = last.rssBytes / first.rssBytes - 1;
  const heapGrowth = last.collectedHeapBytes / first.collectedHeapBytes - 1;
  const rows = readings.map(({ calls, rssBytes, collectedRssBytes, collectedHeapBytes }) => [
    calls.toLocaleString('en'),
    mib(rssBytes),
    mib(collectedRssBytes),
    mib(collectedHeapBytes),
  ]);
  return [
    measuredOn({ Tollgate: packageVersion() }),
    table(['calls', 'RSS MiB', 'RSS collected MiB', 'heap collected MiB'], rows),
    `From ${first.calls.toLocaleString('en')} to ${last.calls.toLocaleString('en')} calls RSS changed by ${(growth * 100).toFixed(1)} % (aim: within 10 %): ${Math.abs(growth) <= AIM ? 'met' : '**missed**'}. The heap after a full collection changed by ${(heapGrowth * 100).toFixed(1)} %. ${failures} calls failed.`,
  ].join('\n\n');
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
