/**
 * A provider of a test's own: OpenAI's chat protocol on loopback. What a call says in its last message, such as
 * `{"tokens":30,"delayMs":50}`, is what it gets, so every call states its own cost and pace.
 */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface UpstreamCall {
  readonly model: string;
  readonly authorization: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Upstream {
  readonly baseUrl: string;
  readonly calls: readonly UpstreamCall[];
  /** Calls for a model, which is how tests that share a server tell theirs. */
  countOf(model: string): number;
  stop(): Promise<void>;
}

interface Wish {
  /** Output tokens used; default: the cap of the request. */
  readonly tokens?: number;
  readonly delayMs?: number;
}

/** What a test asks the upstream for. */
export function wish(asked: Wish): [{ role: 'user'; content: string }] {
  return [{ role: 'user', content: JSON.stringify(asked) }];
}

export async function startUpstream(): Promise<Upstream> {
  const calls: UpstreamCall[] = [];
  const server = createServer((req, res) => {
    answer(req, res, calls).catch(() => res.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    countOf: (model) => calls.filter((call) => call.model === model).length,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(req: IncomingMessage, res: ServerResponse, calls: UpstreamCall[]): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of req as AsyncIterable<Buffer>) pieces.push(piece);
  const body = JSON.parse(Buffer.concat(pieces).toString()) as Readonly<Record<string, unknown>>;
  calls.push({ model: String(body.model), authorization: req.headers.authorization, body });
  const { tokens, delayMs = 0 } = readWish(body);
  const used = tokens ?? Number(body.max_tokens ?? body.max_completion_tokens ?? 1);
  await sleep(delayMs, undefined, { ref: false });
  const usage = { prompt_tokens: 5, completion_tokens: used, total_tokens: 5 + used };
  const head = { id: `up-${calls.length}`, created: 0, model: body.model };
  if (body.stream !== true) {
    const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }];
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    return;
  }
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (fields: object): void =>
    void res.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...fields })}\n\n`);
  event({ choices: [{ index: 0, delta: { role: 'assistant', content: 'o' }, finish_reason: null }] });
  await sleep(delayMs, undefined, { ref: false });
  event({ choices: [{ index: 0, delta: { content: 'k' }, finish_reason: null }] });
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  event({ choices: [], usage });
  res.end('data: [DONE]\n\n');
}

function readWish(body: Readonly<Record<string, unknown>>): Wish {
  const messages = body.messages as readonly { readonly content?: unknown }[];
  try {
    const asked: unknown = JSON.parse(String(messages.at(-1)?.content));
    return typeof asked === 'object' && asked !== null ? asked : {};
  } catch {
    return {};
  }
}
