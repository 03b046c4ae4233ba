/**
 * The Node entry: the gateway on a loopback port. It passes bytes both ways with back pressure and, when it is told to
 * stop, takes no more calls and waits for those in flight and their money.
 */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import { CallerStream } from './caller-stream.ts';
import type { PlainGateway } from './core.ts';
import { GatewayError, errorBody } from './errors.ts';
import { LIMITS } from './limits.ts';
import { type Answer, CallerLeftError, type GatewayRequest, type RequestHeaders, joinBytes } from './messages.ts';

export interface NodeServerOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** @default 127.0.0.1 */
  readonly host?: string;
  /** A request's headers must have arrived in this time, ms. @default 20,000 */
  readonly headersTimeoutMs?: number;
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
/** Node looks at its connections this often; its own 30 s would let slow headers be. */
const TIMEOUT_CHECK_MS = 500;
const KEEP_ALIVE_MS = 65_000;
/** Of a refused body this much is read away, so that the caller gets to read the refusal. */
const DISCARD_BYTES = 64 * 1024 * 1024;

/** Starts to listen. @throws the listen error, such as EADDRINUSE */
export async function startNodeServer(gateway: PlainGateway, options: NodeServerOptions): Promise<NodeServer> {
  const host = options.host ?? '127.0.0.1';
  const running = new Set<Promise<void>>();
  let stopping = false;
  const server = createServer(
    {
      maxHeaderSize: LIMITS.headerBytes,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
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

async function serve(gateway: PlainGateway, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const request = toRequest(req);
  if (request === undefined) {
    const error = new GatewayError({ status: 400, code: 'invalid_request', message: 'This request line is not understood.' });
    const requestId = newRequestId();
    res.writeHead(error.status, rawHeaders(requestId)).end(errorBody(error, 'openai', requestId));
    return;
  }
  const { answer, done } = await gateway.answer(request);
  try {
    if (!req.readableEnded) discardRest(req);
    send(answer, res);
  } finally {
    await done;
  }
}

function toRequest(req: IncomingMessage): GatewayRequest | undefined {
  const path = pathOf(req.url ?? '/');
  if (path === undefined) return undefined;
  return {
    method: req.method ?? 'GET',
    path,
    headers: headersOf(req.rawHeaders),
    readBody: (limitBytes) => readBody(req, limitBytes),
  };
}

/** What every path of ours looks like: a URL would not change it. */
const PLAIN_PATH = /^\/[A-Za-z0-9/_-]*$/;

function pathOf(target: string): string | undefined {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (PLAIN_PATH.test(path)) return path;
  const url = target.startsWith('/') ? `http://localhost${target}` : target;
  return URL.canParse(url) ? new URL(url).pathname : undefined;
}

/** Every header of the request, those that came twice joined, as `Headers` would. */
function headersOf(raw: readonly string[]): RequestHeaders {
  const named = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    const before = named.get(name);
    named.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return {
    get: (name) => named.get(name) ?? null,
    has: (name) => named.has(name),
    forEach: (visit) => named.forEach(visit),
  };
}

function readBody(req: IncomingMessage, limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return new Promise((resolve, reject) => {
    if (req.destroyed) {
      reject(new CallerLeftError());
      return;
    }
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const stop = (): void => void req.off('data', onData).off('end', onEnd).off('close', onClose);
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes <= limitBytes) return;
      stop();
      resolve(undefined);
    };
    const onEnd = (): void => {
      stop();
      // A copy: a piece is a view of all that came in one read.
      resolve(joinBytes(pieces, bytes));
    };
    const onClose = (): void => {
      stop();
      reject(new CallerLeftError());
    };
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/** Reads a refused body away, so that the caller gets to read the refusal; past a limit the connection ends. */
function discardRest(req: IncomingMessage): void {
  req.on('error', () => undefined);
  let discarded = 0;
  req.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > DISCARD_BYTES) req.destroy();
  });
  req.resume();
}

function send({ status, headers, body }: Answer, res: ServerResponse): void {
  const head = [...headers].flat();
  if (body instanceof CallerStream) {
    res.writeHead(status, head);
    stream(body, res);
    return;
  }
  if (body !== null) head.push('content-length', String(Buffer.byteLength(body)));
  // One write for head and body.
  res.writeHead(status, head).end(body ?? undefined);
}

function stream(body: CallerStream, res: ServerResponse): void {
  res.on('drain', () => body.room());
  // The caller's leaving is told to the gateway, which then reads the provider to its end without us.
  res.once('close', () => body.leave());
  if (res.destroyed) body.leave();
  let begun = false;
  body.open({
    write: (bytes) => {
      begun = true;
      // Its close is about to be told; a write would be an error nobody awaits.
      return res.destroyed || res.write(bytes);
    },
    end: () => {
      begun = true;
      res.end();
    },
    abort: () => res.destroy(),
  });
  // The head goes out with the first bytes, and alone where there are none yet.
  if (!begun) res.flushHeaders();
}

/** What never became a request: headers past the limit, too slow, or no HTTP. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = rawRefusal(error.code);
  const requestId = newRequestId();
  const body = errorBody(refusal, 'openai', requestId);
  const headers = { ...rawHeaders(requestId), 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n${head.join('')}\r\n${body}`);
}

function rawRefusal(code: string | undefined): GatewayError {
  const refused = (status: number, message: string): GatewayError =>
    new GatewayError({ status, code: 'invalid_request', message });
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return refused(431, `The headers are larger than ${LIMITS.headerBytes} bytes together.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refused(408, 'The request did not arrive whole in time.');
    default:
      return refused(400, 'This is not a valid HTTP request.');
  }
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
