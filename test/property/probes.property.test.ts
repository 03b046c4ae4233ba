/** However many processes and requests there are, a cooldown ends with one probe a window. */
import * as fc from 'fast-check';
import { HealthWorld } from '../support/health-world.ts';
import { route } from '../support/gateway-fixture.ts';

const FOR_MS = 10_000;
const ROUTE = route('r', ['a/m', 'b/m'], { cooldown: { afterFailures: 1, forMs: FOR_MS } });

test('a target that stays away is tried at most once in the time of its cooldown, by one of all processes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.integer({ min: 1, max: 7_000 }), { minLength: 1, maxLength: 25 }),
      fc.boolean(),
      async (processCount, requests, pauses, answers) => {
        const world = new HealthWorld();
        const processes = Array.from({ length: processCount }, () => world.process());
        // Everybody knows: a process that does not may send one request before its first read.
        await processes[0]?.note(ROUTE, 'a', { failed: true });
        for (const process of processes) await process.order(ROUTE).then(() => process.health.idle());
        const tried: number[] = [];
        for (const pause of pauses) {
          world.nowEpochMs += pause;
          const orders = processes.flatMap((process) =>
            Array.from({ length: requests }, async () => ((await process.order(ROUTE)).startsWith('a') ? process : undefined)),
          );
          const probers = (await Promise.all(orders)).filter((process) => process !== undefined);
          expect(probers.length).toBeLessThanOrEqual(1);
          if (probers.length === 1) tried.push(world.nowEpochMs);
          world.nowEpochMs += 1;
          if (answers) for (const prober of probers) await prober.note(ROUTE, 'a', { failed: true });
        }
        for (const [at, epochMs] of tried.entries()) {
          if (at > 0) expect(epochMs - (tried[at - 1] ?? 0)).toBeGreaterThanOrEqual(FOR_MS);
        }
        // And it is tried: traffic after a whole window always finds somebody to probe.
        world.nowEpochMs += FOR_MS;
        const last = await Promise.all(processes.map((process) => process.order(ROUTE)));
        expect(last.filter((order) => order.startsWith('a'))).toHaveLength(1);
      },
    ),
    { numRuns: 200 },
  );
});
