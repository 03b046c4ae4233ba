/**
 * A provider to play with: OpenAI's chat protocol on a loopback port, streaming and not, with honest usage and a deterministic
 * answer. Its latency and its faults are options, and can be changed while it runs by `POST /control`.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How it behaves; all faults are off by default. */
export interface SimulatorOptions {
  /** Before the answer's head, milliseconds. */
  readonly latencyMs: number;
  /** Between two chunks of a stream, milliseconds. */
  readonly chunkDelayMs: number;
  /** Every nth request fails with `failStatus`; 0: none. */
  readonly failEvery: number;
  readonly failStatus: number;
  /** Sent with failures, seconds; 0: not. */
  readonly retryAfterSeconds: number;
  /** Leaves the usage out. */
  readonly dropUsage: boolean;
  /** Sends the usage chunk twice, the first one too low. */
  readonly repeatUsage: boolean;
  /** Reported usage is the true one times this. */
  readonly lieFactor: number;
  /** Cuts the connection after so many bytes of body; 0: never. */
  readonly dieAfterBytes: number;
  /** Takes the request and never answers. */
  readonly hang: boolean;
  /** After the first chunk of a stream, nothing more. */
  readonly stall: boolean;
  /** The whole body of answers that are not streams, as it is; for tests of byte-exactness. */
  readonly cannedBody: string;
  /** Most tokens of an answer; the request's cap may be lower. */
  readonly answerTokens: number;
}

/** Normal service. */
export const HONEST: SimulatorOptions = {
  latencyMs: 0,
  chunkDelayMs: 0,
  failEvery: 0,
  failStatus: 500,
  retryAfterSeconds: 0,
  dropUsage: false,
  repeatUsage: false,
  lieFactor: 1,
  dieAfterBytes: 0,
  hang: false,
  stall: false,
  cannedBody: '',
  answerTokens: 24,
};

/** What it was sent, for tests. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const WORDS = ['This ', 'is ', 'a ', 'simulated ', 'answer ', 'from ', 'the ', 'local ', 'stage. '];
const BYTES_PER_TOKEN = 4;
const KEEP_SEEN = 1_000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

interface Ask {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly answers: number;
  readonly tokens: number;
  readonly usage: Readonly<Record<string, unknown>>;
}

/** The simulated provider. `start` first; `baseUrl` goes into a policy with `credential: none`. */
export class SimulatedProvider {
  /** Chat requests taken, the failed ones too. */
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
      this.set(readOptions(body));
      sendJson(res, 200, JSON.stringify(this.options));
      return;
    }
    if (req.method === 'GET' && req.url === '/control') {
      sendJson(res, 200, JSON.stringify({ requests: this.requests, options: this.options }));
      return;
    }
    if (req.method !== 'POST' || req.url?.endsWith('/chat/completions') !== true) {
      sendJson(res, 404, errorText('There is nothing here.', 'not_found'));
      return;
    }
    this.requests += 1;
    const number = this.requests;
    this.seen.push({ path: req.url, headers: req.headers, body });
    if (this.seen.length > KEEP_SEEN) this.seen.shift();
    const { options } = this;
    if (options.hang) return;
    await pause(options.latencyMs);
    if (options.failEvery > 0 && number % options.failEvery === 0) {
      if (options.retryAfterSeconds > 0) res.setHeader('retry-after', String(options.retryAfterSeconds));
      sendJson(res, options.failStatus, errorText('The simulated provider fails as it was told to.', 'simulated_failure'));
      return;
    }
    const ask = readAsk(body, options);
    if (ask === undefined) {
      sendJson(res, 400, errorText('The body is not a chat request.', 'invalid_request'));
      return;
    }
    if (ask.stream) await this.stream(res, ask, number, options);
    else this.whole(res, ask, number, options);
  }

  private whole(res: ServerResponse, ask: Ask, number: number, options: SimulatorOptions): void {
    const text = options.cannedBody === '' ? JSON.stringify(wholeAnswer(ask, number, options.dropUsage)) : options.cannedBody;
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

  private async stream(res: ServerResponse, ask: Ask, number: number, options: SimulatorOptions): Promise<void> {
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-ratelimit-remaining-requests': '99',
    });
    let written = 0;
    for (const event of streamEvents(ask, number, options)) {
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

function wholeAnswer(ask: Ask, number: number, dropUsage: boolean): unknown {
  const choices = Array.from({ length: ask.answers }, (_, index) => ({
    index,
    message: { role: 'assistant', content: answerText(ask.tokens) },
    finish_reason: 'stop',
  }));
  const usage = dropUsage ? undefined : ask.usage;
  return { id: `chatcmpl-sim-${number}`, object: 'chat.completion', created: 0, model: ask.model, choices, usage };
}

function* streamEvents(ask: Ask, number: number, options: SimulatorOptions): Generator<string> {
  const head = { id: `chatcmpl-sim-${number}`, object: 'chat.completion.chunk', created: 0, model: ask.model };
  const event = (fields: object): string => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  for (let token = 0; token < ask.tokens; token += 1) {
    for (let index = 0; index < ask.answers; index += 1) {
      const delta = { ...(token === 0 ? { role: 'assistant' } : {}), content: tokenText(token) };
      yield event({ choices: [{ index, delta, finish_reason: null }] });
    }
  }
  for (let index = 0; index < ask.answers; index += 1) yield event({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });
  if (ask.includeUsage && !options.dropUsage) {
    if (options.repeatUsage) yield event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });
    yield event({ choices: [], usage: ask.usage });
  }
  yield 'data: [DONE]\n\n';
}

/** Four bytes each, so that a token is what the usage says it is. */
function tokenText(token: number): string {
  const text = WORDS.join('');
  const at = (token * BYTES_PER_TOKEN) % text.length;
  return (text + text).slice(at, at + BYTES_PER_TOKEN);
}

function answerText(tokens: number): string {
  return Array.from({ length: tokens }, (_, token) => tokenText(token)).join('');
}

function readAsk(body: string, options: SimulatorOptions): Ask | undefined {
  const parsed = parseObject(body);
  if (parsed === undefined || !Array.isArray(parsed.messages)) return undefined;
  const cap = [parsed.max_completion_tokens, parsed.max_tokens, parsed.max_output_tokens].find(
    (value) => typeof value === 'number',
  );
  const tokens = Math.max(1, Math.min(options.answerTokens, typeof cap === 'number' ? cap : options.answerTokens));
  const answers = typeof parsed.n === 'number' ? parsed.n : 1;
  const streamOptions = parsed.stream_options;
  const prompt = Math.max(1, Math.ceil(Buffer.byteLength(JSON.stringify(parsed.messages)) / BYTES_PER_TOKEN));
  const promptTokens = Math.ceil(prompt * options.lieFactor);
  const completionTokens = Math.ceil(tokens * answers * options.lieFactor);
  return {
    model: typeof parsed.model === 'string' ? parsed.model : 'unknown',
    stream: parsed.stream === true,
    includeUsage:
      typeof streamOptions === 'object' &&
      streamOptions !== null &&
      'include_usage' in streamOptions &&
      streamOptions.include_usage === true,
    answers,
    tokens,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  };
}

/** Only the known options, each of the type of its default. */
function readOptions(body: string): Partial<SimulatorOptions> {
  const parsed = parseObject(body) ?? {};
  const known = Object.entries(HONEST).filter(([name, value]) => typeof parsed[name] === typeof value);
  return Object.fromEntries(known.map(([name]) => [name, parsed[name]]));
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
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

function errorText(message: string, code: string): string {
  return JSON.stringify({ error: { message, type: 'simulated', param: null, code } });
}

function pause(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}
