/** A fresh environment: loads a bundle as Lambda does and prints how long its init took, ms. */
globalThis.awslambda = { streamifyResponse: (handler) => handler, HttpResponseStream: { from: (stream) => stream } };
const started = performance.now();
const { handler } = await import(process.argv[2]);
const tookMs = performance.now() - started;
process.stdout.write(typeof handler === 'function' ? String(tookMs) : 'no handler');
process.exit(0);
