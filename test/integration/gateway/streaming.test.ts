import { gzipSync } from 'node:zlib';
import { type Live, type LiveOptions, MESSAGES, live } from '../../support/live-gateway.ts';
import { price, provider, route } from '../../support/gateway-fixture.ts';
import { RawProvider } from '../../support/raw-provider.ts';

const STREAM = { model: 'economy', messages: MESSAGES, stream: true };
const CHUNK = 'data: {"choices":[{"index":0,"delta":{"content":"héllo"}}],  "x": 1.0}\n\n';
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}\n\n';

let open: (Live | RawProvider)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
  open = [];
});

async function start(options: LiveOptions = {}): Promise<Live> {
  const at = await live(options);
  open.push(at);
  return at;
}

async function withRaw(options: LiveOptions = {}): Promise<{ at: Live; raw: RawProvider }> {
  const raw = new RawProvider();
  const url = await raw.start();
  const at = await start({
    ...options,
    policy: {
      providers: [provider('raw', url, options.provider)],
      routes: [route('economy', ['raw/small'])],
      prices: [price('raw', 'small')],
      ...options.policy,
    },
  });
  open.push(raw);
  return { at, raw };
}

async function readSome(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const step = await reader.read();
  return step.done ? '' : Buffer.from(step.value).toString();
}

function readerOf(response: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (response.body === null) throw new Error('a body was expected');
  return response.body.getReader();
}

test('the first byte leaves as soon as the provider sends it, while the provider still works', async () => {
  const { at, raw } = await withRaw();
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(CHUNK);
  const reader = readerOf(await answer);
  // The provider has not ended: what is read here cannot have waited for its end.
  expect(await readSome(reader)).toBe(CHUNK);
  expect(res.writableEnded).toBe(false);
  expect(at.payments.settlements).toHaveLength(0);
  res.end(`${USAGE}data: [DONE]\n\n`);
  expect(await readSome(reader)).toBe('data: [DONE]\n\n');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(14_000n);
});

test('the bytes of a stream pass as they are, split anywhere, and only the usage chunk is missing', async () => {
  const { at, raw } = await withRaw();
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res, body } = await arrived;
  expect(JSON.parse(body)).toMatchObject({ stream_options: { include_usage: true } });
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const parts = [': comment\r\n\r\n', CHUNK, 'event: x\r\ndata: {"choices":[]}\r\n\r\n', USAGE, 'data: [DONE]\n\n', 'data: half'];
  const bytes = Buffer.from(parts.join(''));
  for (let i = 0; i < bytes.length; i += 7) res.write(bytes.subarray(i, i + 7));
  res.end();
  const response = await answer;
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(await response.text()).toBe(parts.filter((part) => part !== USAGE).join(''));
});

test('a stream tells the reserved bound in its headers, and no cost', async () => {
  const at = await start();
  const response = await at.post(STREAM);
  expect(response.headers.get('x-tollgate-reserved-usd')).toMatch(/^0\.\d+$/);
  expect(response.headers.get('x-tollgate-cost-usd')).toBeNull();
  await response.text();
});

test('a stream without usage is priced from the bytes seen: estimated, never zero, never above the bound', async () => {
  const at = await start({ first: { dropUsage: true } });
  await (await at.post(STREAM)).text();
  await at.payments.settled(1);
  const [settlement] = at.payments.settlements;
  expect(settlement?.detail.estimated).toBe(true);
  expect(settlement?.actualNanoUsd).toBeGreaterThan(0n);
  expect(settlement?.actualNanoUsd).toBeLessThanOrEqual(settlement?.boundNanoUsd ?? 0n);
});

test('usage sent twice counts as it was said last', async () => {
  const at = await start({ first: { repeatUsage: true } });
  await (await at.post(STREAM)).text();
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.usage?.outputTokens).toBe(24);
});

test('a provider that bills above the bound is handed to the ledger as it is, to be recorded as overage', async () => {
  const at = await start({ first: { lieFactor: 1_000 } });
  await (await at.post(STREAM)).text();
  await (await at.post({ model: 'economy', messages: MESSAGES })).text();
  await at.payments.settled(2);
  for (const settlement of at.payments.settlements) expect(settlement.actualNanoUsd).toBeGreaterThan(settlement.boundNanoUsd);
});

test('a provider that dies in mid-stream is told as an error event, and what was seen is paid', async () => {
  const at = await start({ first: { dieAfterBytes: 400, chunkDelayMs: 5 } });
  const failure = await (async () => {
    const stream = await at.openai.chat.completions.create({ model: 'economy', messages: MESSAGES, stream: true });
    let chunks = 0;
    for await (const chunk of stream) chunks += chunk.choices.length;
    return chunks;
  })().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'provider_disconnected' });
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'reset', estimated: true });
  expect(at.payments.settlements[0]?.actualNanoUsd).toBeGreaterThan(0n);
  expect(at.providers[1].requests).toBe(0);
});

test('a provider that falls silent in mid-stream is cut off and told as an error event', async () => {
  const at = await start({
    first: { stall: true },
    provider: { timeoutMs: { connect: 1_000, firstByte: 1_000, idle: 150, total: 60_000 } },
  });
  const text = await (await at.post(STREAM)).text();
  expect(text).toContain('"code":"provider_timeout"');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.outcome).toBe('timeout');
});

test('a caller who leaves does not stop the books: the provider is read to its end and the true cost settled', async () => {
  const { at, raw } = await withRaw();
  const arrived = raw.next();
  const leaving = new AbortController();
  const answer = fetch(`${at.server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}` },
    body: JSON.stringify(STREAM),
    signal: leaving.signal,
  });
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(CHUNK);
  await readSome(readerOf(await answer));
  leaving.abort();
  for (let i = 0; i < 200; i += 1) res.write(CHUNK.repeat(50));
  expect(res.destroyed).toBe(false);
  res.end(`${USAGE}data: [DONE]\n\n`);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 14_000n, detail: { outcome: 'ok' } });
});

test('a silent stream is kept open by comment lines', async () => {
  const { at, raw } = await withRaw({ limits: { keepAliveMs: 20 } });
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(CHUNK);
  const reader = readerOf(await answer);
  expect(await readSome(reader)).toBe(CHUNK);
  expect(await readSome(reader)).toBe(': keep-alive\n\n');
  res.end('data: [DONE]\n\n');
  await reader.cancel();
});

test('into a compressed stream nothing is written: neither comments while it is silent, nor an error when it breaks', async () => {
  const { at, raw } = await withRaw({ limits: { keepAliveMs: 20 } });
  const events = gzipSync(`${CHUNK.repeat(3)}data: [DONE]\n\n`);
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
  res.write(events.subarray(0, 12));
  const response = await answer;
  const text = response.text();
  await new Promise((resolve) => setTimeout(resolve, 100));
  res.end(events.subarray(12));
  expect(await text).toBe(`${CHUNK.repeat(3)}data: [DONE]\n\n`);

  const second = raw.next();
  const broken = at.post(STREAM);
  const { res: breaking } = await second;
  breaking.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
  breaking.write(events.subarray(0, 12));
  const cut = (await broken).text();
  breaking.destroy();
  await expect(cut).rejects.toThrow('terminated');
  await at.payments.settled(2);
  for (const { actualNanoUsd, boundNanoUsd } of at.payments.settlements) expect(actualNanoUsd).toBe(boundNanoUsd);
});

test('an event without end is cut off', async () => {
  const { at, raw } = await withRaw({ limits: { eventBytes: 10_000 } });
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(CHUNK);
  res.write(`data: ${'x'.repeat(20_000)}`);
  expect(await (await answer).text()).toContain('"code":"provider_event_too_large"');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'too_large', estimated: true });
});

test('a provider that ignores stream and answers whole is passed on and priced from its usage', async () => {
  const { at, raw } = await withRaw();
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  const text = '{"choices":[{"message":{"content":"hi"}}], "usage":{"prompt_tokens":10,"completion_tokens":2}}';
  res.writeHead(200, { 'content-type': 'application/json' }).end(text);
  expect(await (await answer).text()).toBe(text);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(14_000n);
});

test('the figures of the headers are read only once the call is on its way, and a store that hangs delays nothing', async () => {
  const { at, raw } = await withRaw();
  at.payments.onStatement = () => new Promise(() => undefined);
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.end('data: [DONE]\n\n');
  const response = await answer;
  expect(response.headers.get('x-tollgate-budget-remaining-usd')).toBeNull();
  await response.text();
  await at.payments.settled(1);
  expect(at.payments.events.slice(0, 2)).toEqual(['hold', 'statement']);
});

test('a stream of comments only is cut when the whole time is over, and says so', async () => {
  const { at, raw } = await withRaw({
    provider: { timeoutMs: { connect: 2_000, firstByte: 2_000, idle: 2_000, total: 1_500 } },
  });
  const arrived = raw.next();
  const answer = at.post(STREAM);
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const comments = setInterval(() => res.write(': still here\n\n'), 20);
  const text = await (await answer).text();
  clearInterval(comments);
  expect(text).toContain('"code":"provider_timeout"');
  expect(text).toContain('The time for the whole answer was over');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.outcome).toBe('timeout');
});
