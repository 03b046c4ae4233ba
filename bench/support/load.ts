/**
 * The load generator, a process of its own: autocannon, a closed loop over so many connections. Latencies are taken from each
 * answer to the microsecond, since autocannon's own histogram counts whole milliseconds.
 */
import autocannon from 'autocannon';

/** One round of load. */
export interface LoadJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  /** Ends the round: a time, or a number of answers. */
  readonly seconds?: number;
  readonly amount?: number;
}

export interface LoadResult {
  readonly answers: number;
  readonly seconds: number;
  /** Answers that were not 2xx, connection errors and timeouts. */
  readonly failures: number;
  /** Latencies of the 2xx answers, ms, ascending. */
  readonly latenciesMs: readonly number[];
}

function run(job: LoadJob): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const latenciesMs: number[] = [];
    const startedMs = performance.now();
    let lastMs = startedMs;
    const instance = autocannon(
      {
        url: job.url,
        method: 'POST',
        headers: { ...job.headers, 'content-type': 'application/json' },
        body: job.body,
        connections: job.connections,
        timeout: 30,
        ...(job.amount === undefined ? { duration: job.seconds ?? 1 } : { amount: job.amount }),
      },
      (error: Error | null, result) => {
        if (error !== null) {
          reject(error);
          return;
        }
        const failures = result.non2xx + result.errors + result.timeouts;
        const seconds = (lastMs - startedMs) / 1_000;
        resolve({ answers: latenciesMs.length, seconds, failures, latenciesMs: latenciesMs.toSorted((a, b) => a - b) });
      },
    );
    instance.on('response', (_client, statusCode, _bytes, responseTimeMs) => {
      lastMs = performance.now();
      if (statusCode >= 200 && statusCode < 300) latenciesMs.push(responseTimeMs);
    });
  });
}

process.on('message', (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
