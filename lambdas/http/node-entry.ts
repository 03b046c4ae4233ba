/**
 * The Node entry: the gateway on a loopback port. It passes bytes both ways with back pressure and, when it is told to
 * stop, takes no more calls and waits for those in flight and their money.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Gateway } from './core.ts';
import { GatewayError, errorBody } from './errors.ts';
import { LIMITS } from './limits.ts';

export interface NodeServerOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** @default 127.0.0.1 */
  readonly host?: string;
}

export interface NodeServer {
  readonly port: number;
  /** `http://127.0.0.1:4101` */
  readonly url: string;
  /**
   * Ends the server: no new calls at once, then the running ones and their settlements.
   * @param graceMs what still runs after it is cut off; its holds are the keeper's
   */
  stop(graceMs: number): Promise<void>;
}

/** A request must have arrived whole in this time. */
const REQUEST_TIMEOUT_MS = 120_000;
const HEADERS_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_MS = 65_000;
/** Of a refused body this much is read away, so that the caller gets to read the refusal. */
const DISCARD_BYTES = 64 * 1024 * 1024;
/** Tells a body's reader that nobody takes it any more. */
const DISCARD = Symbol('discard');

/** Starts to listen. @throws the listen error, such as EADDRINUSE */
export async function startNodeServer(gateway: Gateway, options: NodeServerOptions): Promise<NodeServer> {
  const host = options.host ?? '127.0.0.1';
  const running = new Set<Promise<void>>();
  let stopping = false;
  const server = createServer(
    {
      maxHeaderSize: LIMITS.headerBytes,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (req, res) => {
      if (stopping) res.setHeader('connection', 'close');
      const call = serve(gateway, req, res).catch(() => {
        res.destroy();
      });
      running.add(call);
      void call.finally(() => running.delete(call));
    },
  );
  server.on('clientError', refuseRaw);
  await listenOn(server, options.port, host);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host}:${port}`,
    async stop(graceMs) {
      stopping = true;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([Promise.all(running), grace]);
      clearTimeout(timer);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(gateway: Gateway, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const request = toRequest(req);
  if (request === undefined) {
    const error = new GatewayError({ status: 400, code: 'invalid_request', message: 'This request line is not understood.' });
    const requestId = newRequestId();
    res.writeHead(error.status, rawHeaders(requestId)).end(errorBody(error, 'openai', requestId));
    return;
  }
  const { response, done } = await gateway.handle(request);
  try {
    if (!req.readableEnded) discardRest(req);
    await send(response, res);
  } finally {
    await done;
  }
}

function toRequest(req: IncomingMessage): Request | undefined {
  const method = req.method ?? 'GET';
  try {
    const headers = new Headers();
    for (const [name, values] of Object.entries(req.headersDistinct))
      for (const value of values ?? []) headers.append(name, value);
    const path = req.url ?? '/';
    const url = path.startsWith('/') ? `http://localhost${path}` : path;
    if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers });
    return new Request(url, { method, headers, body: bodyOf(req), duplex: 'half' } as RequestInit);
  } catch {
    return undefined;
  }
}

/** The body as a web stream, read only as fast as it is taken. */
function bodyOf(req: IncomingMessage): ReadableStream<Uint8Array> {
  let listening = false;
  const listen = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    listening = true;
    const onData = (chunk: Buffer): void => {
      req.pause();
      controller.enqueue(new Uint8Array(chunk));
    };
    const onEnd = (): void => controller.close();
    const onError = (error: Error): void => controller.error(error);
    req.on('data', onData).on('end', onEnd).on('error', onError);
    req.once(DISCARD, () => req.off('data', onData).off('end', onEnd).off('error', onError));
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!listening) listen(controller);
        req.resume();
      },
      cancel: () => discardRest(req),
    },
    { highWaterMark: 0 },
  );
}

/** Reads a refused body away, so that the caller gets to read the refusal; past a limit the connection ends. */
function discardRest(req: IncomingMessage): void {
  req.emit(DISCARD);
  req.on('error', () => undefined);
  let discarded = 0;
  req.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > DISCARD_BYTES) req.destroy();
  });
  req.resume();
}

async function send(response: Response, res: ServerResponse): Promise<void> {
  res.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) {
    res.end();
    return;
  }
  res.flushHeaders();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  // The caller's leaving is told to the gateway, which then reads the provider to its end without us.
  res.once('close', () => {
    if (!res.writableFinished) void reader.cancel().catch(() => undefined);
  });
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      if (res.destroyed) {
        await reader.cancel();
        return;
      }
      if (!res.write(step.value)) await drained(res);
    }
    res.end();
  } catch {
    res.destroy();
  }
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (res.destroyed) {
      resolve();
      return;
    }
    const go = (): void => {
      res.off('drain', go);
      res.off('close', go);
      resolve();
    };
    res.on('drain', go);
    res.on('close', go);
  });
}

/** What never became a request: headers past the limit, or no HTTP. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const refusal = tooLarge
    ? new GatewayError({
        status: 431,
        code: 'invalid_request',
        message: `The headers are larger than ${LIMITS.headerBytes} bytes together.`,
      })
    : new GatewayError({ status: 400, code: 'invalid_request', message: 'This is not a valid HTTP request.' });
  const requestId = newRequestId();
  const body = errorBody(refusal, 'openai', requestId);
  const headers = { ...rawHeaders(requestId), 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${tooLarge ? 'Request Header Fields Too Large' : 'Bad Request'}\r\n${head.join('')}\r\n${body}`,
  );
}

function rawHeaders(requestId: string): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    'x-request-id': requestId,
    'request-id': requestId,
    'x-tollgate-cost-usd': '0.00',
  };
}

function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
}

function listenOn(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
