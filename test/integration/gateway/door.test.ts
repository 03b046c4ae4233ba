import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { APIError } from 'openai';
import { type Live, MESSAGES, live } from '../../support/live-gateway.ts';
import { RawProvider } from '../../support/raw-provider.ts';
import { provider } from '../../support/gateway-fixture.ts';

const ASK = { model: 'economy', messages: MESSAGES };

let at: Live;
beforeEach(async () => {
  at = await live();
});
afterEach(async () => {
  await at.stop();
});

test('a body of 30 MB is refused with 413, which the SDK reads and does not repeat', async () => {
  const failure = await at.openai.chat.completions
    .create({ model: 'economy', messages: [{ role: 'user', content: 'x'.repeat(30 * 1024 * 1024) }] })
    .catch((error: unknown) => error);
  if (!(failure instanceof APIError)) throw new Error(`an APIError was expected, not ${String(failure)}`);
  expect(failure.status).toBe(413);
  expect(failure.code).toBe('invalid_request');
  expect(at.payments.events).toEqual([]);
});

test('a body that grows past the limit without saying so is refused too', async () => {
  const piece = new Uint8Array(1024 * 1024).fill(120);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      if (sent > 10) controller.close();
      else controller.enqueue(piece);
    },
  });
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}` },
    body,
    duplex: 'half',
  };
  const response = await fetch(`${at.server.url}/v1/chat/completions`, init);
  expect(response.status).toBe(413);
});

test('a body under the limit is forwarded byte for byte where nothing must change', async () => {
  const raw = new RawProvider(({ res }) =>
    res
      .writeHead(200, { 'content-type': 'application/json' })
      .end('{ "choices":[], "usage":{"prompt_tokens":3,"completion_tokens":1}, "big":1e400 }'),
  );
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', await raw.start())] };
  const filler = 'é\\u00e9 '.repeat(100_000);
  const text = `{ "model" :"economy",\n\t"messages":[{"role":"user","content":"${filler}"}],  "temperature":1.0e0, "unknown_thing": 12345678901234567890,"max_completion_tokens":7 }`;
  const response = await at.post(text);
  expect(raw.calls[0]?.body).toBe(text.replace('"economy"', '"small"'));
  expect(await response.text()).toBe('{ "choices":[], "usage":{"prompt_tokens":3,"completion_tokens":1}, "big":1e400 }');
  expect(response.headers.get('x-tollgate-unlisted-fields')).toBe('unknown_thing');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail.unlistedFields).toEqual(['unknown_thing']);
  await raw.stop();
});

test('headers past 16 KB are a 431 in our shape', async () => {
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(at.server.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('close', () => resolve(text));
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(20_000)}\r\n\r\n`);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(answer).toContain('"code":"invalid_request"');
  expect(answer).toMatch(/\r\nx-request-id: req_/);
});

test('what is no HTTP is a 400', async () => {
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(at.server.port, '127.0.0.1', () => socket.write('hello\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
});

test('past the limit of open calls a call is a 503 with Retry-After, and room comes back', async () => {
  await at.stop();
  const timeoutMs = { connect: 500, firstByte: 500, idle: 500, total: 5_000 };
  at = await live({ limits: { openCalls: 1 }, first: { hang: true }, provider: { timeoutMs } });
  const first = at.post(ASK);
  while (at.providers[0].requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const second = await at.post(ASK);
  expect(second.status).toBe(503);
  expect(second.headers.get('retry-after')).toBe('1');
  at.providers[0].set({ hang: false });
  await first;
  await at.payments.settled(2);
  expect((await at.post(ASK)).status).toBe(200);
});

test('a stop waits for the call in flight and its money, and takes no new connection', async () => {
  const raw = new RawProvider();
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', await raw.start())] };
  const arrived = raw.next();
  const answer = at.post({ ...ASK, stream: true });
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write('data: {"choices":[]}\n\n');
  const response = await answer;
  at.payments.settleDelayMs = 100;
  const stopped = at.server.stop(5_000);
  await expect(at.post(ASK)).rejects.toThrow('fetch failed');
  res.end('data: [DONE]\n\n');
  expect(await response.text()).toContain('[DONE]');
  await stopped;
  expect(at.payments.settlements).toHaveLength(1);
  await raw.stop();
});

test('twenty calls at once are each held once and settled once', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => at.post(ASK).then((response) => response.status)));
  expect(answers).toEqual(Array.from({ length: 20 }, () => 200));
  await at.payments.settled(20);
  expect(at.payments.holds).toHaveLength(20);
  expect(new Set(at.payments.settlements.map((settlement) => settlement.hid)).size).toBe(20);
});

test('a wrong key is refused before its 30 MB are read, and the caller can read the refusal', async () => {
  const body = 'x'.repeat(30 * 1024 * 1024);
  const response = await at.post(body, { authorization: 'Bearer tg_dev_nope' });
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
});

test('a caller who leaves before a whole answer is there still pays its true cost', async () => {
  const raw = new RawProvider();
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', await raw.start())] };
  const arrived = raw.next();
  const leaving = new AbortController();
  const answer = fetch(`${at.server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}` },
    body: JSON.stringify(ASK),
    signal: leaving.signal,
  });
  const { res } = await arrived;
  leaving.abort();
  await expect(answer).rejects.toThrow('aborted');
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end('{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(14_000n);
  await raw.stop();
});

test('a caller who reads slowly gets every byte, and the provider is not read far ahead of them', async () => {
  const raw = new RawProvider();
  at.inForce.policy = { ...at.inForce.policy, providers: [provider('first', await raw.start())] };
  const arrived = raw.next();
  const answer = at.post({ ...ASK, stream: true });
  const { res } = await arrived;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'x'.repeat(64 * 1024) } }] })}\n\n`;
  let written = 0;
  const total = 400;
  const write = (): void => {
    while (written < total) {
      written += 1;
      if (!res.write(event)) {
        res.once('drain', write);
        return;
      }
    }
    res.end('data: [DONE]\n\n');
  };
  write();
  const response = await answer;
  // Nobody reads: what the sockets and the gateway hold is bounded, so the provider must be waiting.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(written).toBeLessThan(total);
  expect((await response.text()).length).toBe(event.length * total + 'data: [DONE]\n\n'.length);
  await raw.stop();
});

test('headers that do not come in time are a 408 in our shape', async () => {
  await at.stop();
  at = await live({ headersTimeoutMs: 50 });
  const socket = connect(at.server.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n');
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  expect(answer).toContain('"code":"invalid_request"');
  expect(answer).toMatch(/\r\nx-request-id: req_/);
});

test('a caller who breaks off its upload is no error of ours: nothing is held, and the call is closed', async () => {
  await at.stop();
  at = await live({ limits: { openCalls: 1 } });
  const socket = connect(at.server.port, '127.0.0.1');
  const head = ['POST /v1/chat/completions HTTP/1.1', 'host: x', 'content-type: application/json', 'content-length: 1000'];
  socket.write(`${[...head, `authorization: Bearer ${at.key}`].join('\r\n')}\r\n\r\n{"model":`);
  // The call is open once its key was looked up.
  while (at.keys.lookups === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.destroy();
  const left = (): boolean => at.log.lines.some(({ message }) => message === 'the caller broke off its request');
  while (!left()) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(at.log.lines.map(({ level }) => level)).toEqual(['info']);
  expect(at.payments.events).toEqual([]);
  expect((await at.post(ASK)).status).toBe(200);
});

test('HEAD is answered as GET is, without the body', async () => {
  const [head, get] = await Promise.all(['HEAD', 'GET'].map((method) => fetch(`${at.server.url}/healthz`, { method })));
  expect(head?.status).toBe(200);
  expect(head?.headers.get('content-length')).toBe(String((await get?.text())?.length));
  expect(await head?.text()).toBe('');
  expect((await fetch(`${at.server.url}/v1/chat/completions`, { method: 'HEAD' })).status).toBe(405);
});

test('a header that came twice counts as both, so that no second key hides behind a first', async () => {
  const socket = connect(at.server.port, '127.0.0.1');
  const lines = ['GET /v1/models HTTP/1.1', 'host: x', `authorization: Bearer ${at.key}`, 'Authorization: Bearer other'];
  socket.write(`${[...lines, 'connection: close'].join('\r\n')}\r\n\r\n`);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);
});

test('paths count as a URL reads them', async () => {
  const status = async (target: string): Promise<string> => {
    const socket = connect(at.server.port, '127.0.0.1');
    socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    await once(socket, 'close');
    return answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  };
  expect(await status('/healthz?x=1')).toBe('200');
  expect(await status('/v1/../healthz')).toBe('200');
  expect(await status('http://localhost/healthz')).toBe('200');
  expect(await status('//healthz')).toBe('404');
  expect(await status('http://[')).toBe('400');
});

test('a whole answer says its length and leaves in one piece', async () => {
  const response = await at.post(ASK);
  expect(response.headers.get('content-length')).toBe(String((await response.text()).length));
  expect(response.headers.has('transfer-encoding')).toBe(false);
});

test('a call through the Node entry makes no WHATWG request, headers, response or stream', async () => {
  const call = (body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${at.key}` };
      const sent = request(`${at.server.url}/v1/chat/completions`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
        response.on('end', () => resolve(text));
      });
      sent.on('error', reject).end(JSON.stringify(body));
    });
  const { Request, Response, Headers, ReadableStream } = globalThis;
  const made: string[] = [];
  const counted = <T extends new (...args: never[]) => object>(type: T): T =>
    new Proxy(type, {
      construct: (target, args, newTarget) => {
        made.push(type.name);
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
  Object.assign(globalThis, {
    Request: counted(Request),
    Response: counted(Response),
    Headers: counted(Headers),
    ReadableStream: counted(ReadableStream),
  });
  try {
    expect(JSON.parse(await call(ASK))).toMatchObject({ choices: [{}] });
    expect(await call({ ...ASK, stream: true })).toContain('[DONE]');
    expect(made).toEqual([]);
    await at.gateway.handle(new globalThis.Request('http://localhost/healthz'));
    expect(new Set(made)).toEqual(new Set(['Request', 'Response']));
  } finally {
    Object.assign(globalThis, { Request, Response, Headers, ReadableStream });
  }
});
