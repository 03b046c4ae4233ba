/**
 * A provider that dies at every byte of its answer, sends garbage, no usage, usage twice or above the bound, redirects, or is slow by the
 * byte: the caller gets the whole answer or a typed error, the money is right, and no secret appears.
 */
import { type Usage, costNanoUsd } from '../../../lambdas/domain/prices.ts';
import { BEDROCK, ROLE, framesOf } from '../../support/bedrock.ts';
import { FakeLog, price, provider, route } from '../../support/gateway-fixture.ts';
import { type Live, live } from '../../support/live-gateway.ts';
import { type RawCall, RawProvider } from '../../support/raw-provider.ts';

const SECRET = 'sk-provider-secret';
/** Calls at once. */
const AT_ONCE = 16;
const USAGE = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 };
const CHAT_EVENTS = [
  { choices: [{ index: 0, delta: { content: 'Hä' } }] },
  { choices: [{ index: 0, delta: { content: 'llo' }, finish_reason: 'stop' }] },
  { choices: [], usage: USAGE },
];
const CHAT_STREAM = `${CHAT_EVENTS.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
const CHAT_WHOLE = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hällo' } }], usage: USAGE });
const MESSAGE_EVENTS = [
  { type: 'message_start', message: { usage: { input_tokens: 4, output_tokens: 1 } } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hä' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'llo' } },
  { type: 'message_delta', usage: { output_tokens: 2 } },
  { type: 'message_stop' },
];
const MESSAGE_STREAM = MESSAGE_EVENTS.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
/** The whole stream as a caller who did not ask for usage gets it. */
const CHAT_FOR_CALLER = CHAT_STREAM.replace(`data: ${JSON.stringify(CHAT_EVENTS[2])}\n\n`, '');

interface Kind {
  readonly name: string;
  readonly model: string;
  /** Letters that begin the names of its calls. */
  readonly tag: string;
  readonly path: string;
  readonly stream: boolean;
  readonly type: string;
  readonly answer: Buffer;
  /** What the caller gets when all went well. */
  readonly whole: string;
}

const EVENTS = 'text/event-stream';
const CHAT = { model: 'chat', path: '/v1/chat/completions' } as const;
const MESSAGES = { path: '/v1/messages', stream: true, whole: MESSAGE_STREAM } as const;
const KINDS: readonly Kind[] = [
  {
    ...CHAT,
    name: 'chat, whole',
    tag: 'w',
    stream: false,
    type: 'application/json',
    answer: Buffer.from(CHAT_WHOLE),
    whole: CHAT_WHOLE,
  },
  {
    ...CHAT,
    name: 'chat, stream',
    tag: 's',
    stream: true,
    type: EVENTS,
    answer: Buffer.from(CHAT_STREAM),
    whole: CHAT_FOR_CALLER,
  },
  { ...MESSAGES, name: 'messages, stream', tag: 'm', model: 'claude', type: EVENTS, answer: Buffer.from(MESSAGE_STREAM) },
  {
    ...MESSAGES,
    name: 'messages at Bedrock, stream',
    tag: 'b',
    model: 'bedrock',
    type: 'application/vnd.amazon.eventstream',
    answer: Buffer.concat(framesOf(MESSAGE_STREAM)),
  },
];

let raw: RawProvider;
let at: Live;
const log = new FakeLog();
let onCall: (call: RawCall) => void = () => undefined;

beforeAll(async () => {
  raw = new RawProvider((call) => onCall(call));
  const url = await raw.start();
  const secret = { kind: 'secret', name: 'vendor' } as const;
  const apis = ['messages'] as const;
  at = await live({
    secrets: { vendor: SECRET },
    awsCredentials: () => Promise.resolve(ROLE),
    log,
    policy: {
      providers: [
        provider('open', url, { credential: secret, apis: ['chat_completions'] }),
        provider('anth', url, { credential: secret, protocol: 'anthropic', apis }),
        provider('bedr', url.replace(/\/v1$/, ''), BEDROCK),
      ],
      routes: [route('chat', ['open/small']), route('claude', ['anth/small']), route('bedrock', ['bedr/small'])],
      prices: ['open', 'anth', 'bedr'].map((name) => price(name, 'small')),
      consumerGroups: [
        {
          name: 'dev',
          walletTeamId: 'team',
          funding: [],
          models: ['chat', 'claude', 'bedrock'],
          maxOutputTokens: 64,
          budgets: [],
        },
      ],
    },
  });
  at.payments.settleDelayMs = 0;
});
afterAll(async () => {
  await at.stop();
  await raw.stop();
});

interface Seen {
  readonly status: number;
  readonly headers: string;
  readonly text: string;
}

/** A call that names itself by a tag, and asks the provider to end its answer after so many bytes. */
async function ask(kind: Kind, tag: string): Promise<Seen> {
  const response = await fetch(`${at.server.url}${kind.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}`, 'x-tollgate-tags': `cut=${tag}` },
    body: JSON.stringify({
      model: kind.model,
      max_tokens: 16,
      messages: [{ role: 'user', content: `cut:${tag}:` }],
      ...(kind.stream ? { stream: true } : {}),
    }),
  });
  return { status: response.status, headers: JSON.stringify([...response.headers]), text: await response.text() };
}

/** Where the call that came asks to be cut. */
function cutOf({ body }: RawCall): number {
  return Number(/cut:[a-z]*(\d+):/.exec(body)?.[1]);
}

async function settlementOf(tag: string) {
  for (let count = 1; ; count += 1) {
    const found = at.payments.settlements.find(({ detail }) => detail.tags?.cut === tag);
    if (found !== undefined) return found;
    await at.payments.settled(Math.max(count, at.payments.settlements.length + 1));
  }
}

/** What had been generated at the least when this had reached the caller: each piece of text is a token. */
function generated(text: string): Usage {
  const pieces = text.match(/"(Hä|llo)"/g) ?? [];
  return { inputTokens: pieces.length > 0 ? 4 : 0, cachedInputTokens: 0, outputTokens: pieces.length };
}

function expectNoSecret(...texts: readonly string[]): void {
  for (const text of texts)
    for (const secret of [SECRET, ROLE.secretAccessKey, ROLE.sessionToken ?? SECRET]) expect(text).not.toContain(secret);
}

describe.each(KINDS)('$name', (kind) => {
  test('cut at every byte', async () => {
    const length = kind.answer.length;
    onCall = (come) => {
      const { res, req } = come;
      const cut = cutOf(come);
      res.writeHead(200, {
        'content-type': kind.type,
        'x-echo': JSON.stringify(req.headers),
        ...(kind.stream ? {} : { 'content-length': length }),
      });
      if (cut === length) res.end(kind.answer);
      else if (cut === 0) res.flushHeaders();
      if (cut === 0) res.destroy();
      else if (cut < length) res.write(kind.answer.subarray(0, cut), () => res.destroy());
    };
    const cuts = Array.from({ length: length + 1 }, (_, cut) => cut);
    const begun = at.payments.settlements.length;
    const seen = new Map<number, Seen>();
    const queue = [...cuts];
    const work = async (): Promise<void> => {
      for (let cut = queue.pop(); cut !== undefined; cut = queue.pop()) seen.set(cut, await ask(kind, `${kind.tag}${cut}`));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await at.payments.settled(begun + cuts.length);
    expect(at.payments.settlements).toHaveLength(begun + cuts.length);

    for (const cut of cuts) {
      const { status, headers, text } = seen.get(cut) ?? { status: 0, headers: '', text: '' };
      const settled = await settlementOf(`${kind.tag}${cut}`);
      expectNoSecret(headers, text, JSON.stringify(settled.detail));
      expect(settled.actualNanoUsd).toBeLessThanOrEqual(settled.boundNanoUsd);
      if (cut === length) {
        expect({ status, text }).toEqual({ status: 200, text: kind.whole });
        // 4 tokens in at 1 dollar and 2 out at 2 dollars a million.
        expect(settled).toMatchObject({ actualNanoUsd: 8_000n, detail: { outcome: 'ok' } });
        continue;
      }
      expect(settled.detail.outcome).toMatch(/reset/);
      if (status === 200) {
        // What came whole went on as it was, and then the caller heard that it broke.
        expect(kind.stream).toBe(true);
        const errorAt = text.search(/(event: error\n)?data: \{"(type":"error|error)"/);
        expect(errorAt).toBeGreaterThanOrEqual(0);
        const delivered = text.slice(0, errorAt);
        expect(kind.whole.startsWith(delivered)).toBe(true);
        expect(settled.actualNanoUsd).toBeGreaterThanOrEqual(costNanoUsd(price('any', 'small'), generated(delivered)));
      } else {
        // Nothing had reached the caller: whether it was billed is unknown, and costs the bound.
        expect(status).toBe(502);
        expect(JSON.parse(text)).toMatchObject({ error: { message: expect.any(String) } });
        expect(settled.actualNanoUsd).toBe(settled.boundNanoUsd);
      }
    }
    expectNoSecret(JSON.stringify([log.lines, at.log.lines]));
  }, 60_000);
});

describe('an answer that is odd from its first byte', () => {
  const [WHOLE, STREAM, MESSAGE] = KINDS;
  const answer =
    (body: string, type = 'application/json', status = 200, headers: Record<string, string> = {}) =>
    ({ res }: RawCall): void => {
      res.writeHead(status, { 'content-type': type, ...headers }).end(body);
    };
  const twice = CHAT_STREAM.replace(
    'data: [DONE]',
    `data: ${JSON.stringify({ choices: [], usage: { ...USAGE, completion_tokens: 1 } })}\n\ndata: [DONE]`,
  );
  const above = CHAT_WHOLE.replace('"completion_tokens":2', '"completion_tokens":500');
  const noUsage = MESSAGE_STREAM.replaceAll(/,?"usage":\{[^}]*\}/g, '');

  test.each([
    ['garbage in place of an answer', WHOLE, answer('\u0000<html>'), 'bytes'],
    ['garbage in place of a stream', STREAM, answer('\u0000\u0001 no event at all\n\n', EVENTS), 'bytes'],
    ['no usage', STREAM, answer(CHAT_FOR_CALLER, EVENTS), 'bytes'],
    ['no usage in messages', MESSAGE, answer(noUsage, EVENTS), 'bytes'],
    ['usage twice', STREAM, answer(twice, EVENTS), 'usage'],
    ['usage above the bound', WHOLE, answer(above), 'overage'],
    ['a redirect', WHOLE, answer('', 'text/html', 307, { location: 'https://elsewhere.example/' }), 'free'],
    ['a redirect of messages', MESSAGE, answer('', 'text/html', 301, { location: '/v1/other' }), 'free'],
    ['a refusal of our key', WHOLE, answer(`{"error":"no ${SECRET}"}`, 'application/json', 401), 'free'],
  ] as const)('%s', async (what, kind, respond, costs) => {
    if (kind === undefined) throw new Error('there are three kinds');
    onCall = respond;
    const tag = what.replaceAll(/[^a-z]/g, '');
    const { status, headers, text } = await ask(kind, tag);
    const settled = await settlementOf(tag);
    expectNoSecret(headers, text, JSON.stringify([settled.detail, log.lines, at.log.lines]));
    if (costs === 'free') {
      expect(status).toBe(502);
      expect(settled.actualNanoUsd).toBe(0n);
      expect(raw.calls.filter(({ body }) => body.includes(`cut:${tag}:`))).toHaveLength(1);
      return;
    }
    expect(status).toBe(200);
    if (costs === 'usage') expect(settled.actualNanoUsd).toBe(8_000n);
    // What a provider reports is recorded as it is, and the books show how far it is over.
    if (costs === 'overage') expect(settled.actualNanoUsd).toBe(1_004_000n);
    if (costs === 'bytes') {
      expect(settled.detail.estimated).toBe(true);
      expect(settled.actualNanoUsd).toBeGreaterThan(costNanoUsd(price('any', 'small'), generated(text)));
      expect(settled.actualNanoUsd).toBeLessThanOrEqual(settled.boundNanoUsd);
    }
  });

  test.each(KINDS)('slow by the byte ($name)', async (kind) => {
    onCall = ({ res }) => {
      res.writeHead(200, { 'content-type': kind.type });
      let sent = 0;
      const next = (): void => {
        if (sent >= kind.answer.length) res.end();
        else if (res.write(kind.answer.subarray(sent, (sent += 1)))) setImmediate(next);
        else res.once('drain', next);
      };
      next();
    };
    const { status, text } = await ask(kind, `${kind.tag}slow`);
    expect({ status, text }).toEqual({ status: 200, text: kind.whole });
    expect((await settlementOf(`${kind.tag}slow`)).actualNanoUsd).toBe(8_000n);
  });
});
