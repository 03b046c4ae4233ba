/**
 * The mock provider, a process of its own: one fixed chat completion of a realistic size, whole or as a stream of small
 * events, each in a write of its own as a provider's tokens come. It reads a request only to tell the two apart.
 */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const WORDS = 'The ledger pays for every request before it leaves, and what was not used goes back to the wallet. '.split(
  /(?<= )/,
);
/** Text events of a stream; the role, the end, the usage and `[DONE]` come on top. */
const TEXT_EVENTS = 32;

const words = Array.from({ length: TEXT_EVENTS }, (_, at) => WORDS[at % WORDS.length] ?? '');
const head = {
  id: 'chatcmpl-bench',
  created: 1_780_000_000,
  model: 'small',
  system_fingerprint: 'fp_bench',
  service_tier: 'default',
};
const usage = {
  prompt_tokens: 212,
  completion_tokens: 160,
  total_tokens: 372,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
};

const WHOLE = Buffer.from(
  JSON.stringify({
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: WORDS.join('').repeat(8), refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
  }),
);

function event(fields: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...fields })}\n\n`);
}

function choice(delta: object, finishReason: string | null = null): object {
  return { choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }], usage: null };
}

const EVENTS: readonly Buffer[] = [
  event(choice({ role: 'assistant', content: '', refusal: null })),
  ...words.map((content) => event(choice({ content }))),
  event(choice({}, 'stop')),
  event({ choices: [], usage }),
  Buffer.from('data: [DONE]\n\n'),
];

const server = createServer((req, res) => {
  const pieces: Buffer[] = [];
  req.on('data', (piece: Buffer) => pieces.push(piece));
  req.on('end', () => answer(req, res, Buffer.concat(pieces)));
});

function answer(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  if (req.method !== 'POST') {
    res.writeHead(404).end();
    return;
  }
  if (!body.includes('"stream":true')) {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': WHOLE.length, 'x-request-id': 'req_bench' });
    res.end(WHOLE);
    return;
  }
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': 'req_bench' });
  let at = 0;
  const next = (): void => {
    const piece = EVENTS[at];
    at += 1;
    if (res.destroyed) return;
    if (piece === undefined) res.end();
    else res.write(piece, () => setImmediate(next));
  };
  next();
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
  if (process.send === undefined) process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
// Ends with whoever started it.
process.on('disconnect', () => process.exit(0));
