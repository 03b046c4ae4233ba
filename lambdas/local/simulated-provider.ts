/**
 * A provider to play with: the APIs of `simulated-provider/` on a loopback port, streaming and not, with honest usage and a
 * deterministic answer. Its latency and its faults are options, and can be changed while it runs by `POST /control`.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SIMULATED_CHAT } from './simulated-provider/chat-completions.ts';
import { SIMULATED_EMBEDDINGS } from './simulated-provider/embeddings.ts';
import { SIMULATED_COUNT_TOKENS, SIMULATED_MESSAGES } from './simulated-provider/messages.ts';
import { HONEST, type SimulatorOptions, readOptions } from './simulated-provider/options.ts';
import { SIMULATED_RESPONSES } from './simulated-provider/responses.ts';
import { type SimulatedAnswer, type SimulatedApi, openAiError, parseObject } from './simulated-provider/simulated-api.ts';

export type { SimulatorOptions } from './simulated-provider/options.ts';

/** Every API that it plays. */
const APIS: readonly SimulatedApi[] = [
  SIMULATED_CHAT,
  SIMULATED_RESPONSES,
  SIMULATED_EMBEDDINGS,
  SIMULATED_MESSAGES,
  SIMULATED_COUNT_TOKENS,
];

/** What it was sent, for tests. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const KEEP_SEEN = 1_000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The simulated provider. `start` first; `baseUrl` goes into a policy with `credential: none`. */
export class SimulatedProvider {
  /** Requests taken, the failed ones too. */
  requests = 0;
  /** The last of them. */
  readonly seen: SeenRequest[] = [];
  private options: SimulatorOptions;
  private readonly server: Server;

  constructor(options: Partial<SimulatorOptions> = {}) {
    this.options = { ...HONEST, ...options };
    this.server = createServer((req, res) => {
      this.serve(req, res).catch(() => res.destroy());
    });
    // A gateway's pooled connection must not meet a server that is just closing it.
    this.server.keepAliveTimeout = 65_000;
  }

  /** Listens on loopback. @param port 0 picks a free one */
  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
  }

  /** `http://127.0.0.1:PORT/v1` */
  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** Changes its behaviour from the next request on. */
  set(options: Partial<SimulatorOptions>): void {
    this.options = { ...this.options, ...options };
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await readBody(req);
    if (req.method === 'POST' && req.url === '/control') {
      this.set(readOptions(parseObject(body) ?? {}));
      sendJson(res, 200, JSON.stringify(this.options));
      return;
    }
    if (req.method === 'GET' && req.url === '/control') {
      sendJson(res, 200, JSON.stringify({ requests: this.requests, options: this.options }));
      return;
    }
    const { url = '' } = req;
    const api = APIS.find(({ path }) => url.split('?')[0]?.endsWith(path) === true);
    if (req.method !== 'POST' || api === undefined) {
      sendJson(res, 404, openAiError('There is nothing here.', 'not_found'));
      return;
    }
    this.requests += 1;
    const number = this.requests;
    this.seen.push({ path: url, headers: req.headers, body });
    if (this.seen.length > KEEP_SEEN) this.seen.shift();
    const { options } = this;
    if (options.hang) return;
    await pause(options.latencyMs);
    if (options.failEvery > 0 && number % options.failEvery === 0) {
      if (options.retryAfterSeconds > 0) res.setHeader('retry-after', String(options.retryAfterSeconds));
      sendJson(res, options.failStatus, api.error('The simulated provider fails as it was told to.', 'simulated_failure'));
      return;
    }
    const answer = api.read(parseObject(body) ?? {}, options, number);
    if (answer === undefined) {
      sendJson(res, 400, api.error(`The body is no request of ${api.path}.`, 'invalid_request'));
      return;
    }
    if (answer.events === undefined) this.whole(res, answer, options);
    else await this.stream(res, answer.events(), options);
  }

  private whole(res: ServerResponse, answer: SimulatedAnswer, options: SimulatorOptions): void {
    const text = options.cannedBody === '' ? JSON.stringify(answer.whole()) : options.cannedBody;
    res.setHeader('x-ratelimit-remaining-requests', '99');
    res.setHeader('openai-processing-ms', String(options.latencyMs));
    res.setHeader('set-cookie', 'simulated=1');
    if (options.dieAfterBytes > 0) {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      res.write(Buffer.from(text).subarray(0, options.dieAfterBytes), () => res.destroy());
      return;
    }
    sendJson(res, 200, text);
  }

  private async stream(res: ServerResponse, events: Iterable<string>, options: SimulatorOptions): Promise<void> {
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-ratelimit-remaining-requests': '99',
    });
    let written = 0;
    for (const event of events) {
      if (res.destroyed) return;
      const bytes = Buffer.from(event);
      if (options.dieAfterBytes > 0 && written + bytes.length > options.dieAfterBytes) {
        res.write(bytes.subarray(0, options.dieAfterBytes - written), () => res.destroy());
        return;
      }
      written += bytes.length;
      if (!res.write(bytes)) await new Promise((resolve) => res.once('drain', resolve).once('close', resolve));
      if (options.stall) return;
      await pause(options.chunkDelayMs);
    }
    res.end();
  }
}

async function readBody(req: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of req as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES) throw new RangeError('the body is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function sendJson(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

function pause(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}
