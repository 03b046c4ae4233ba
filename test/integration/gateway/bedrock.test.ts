/** Amazon Bedrock on the wire: signed requests, InvokeModel's form of the Messages API, and its frames. */
import { readFileSync } from 'node:fs';
import { FakeLog, price, provider, route } from '../../support/gateway-fixture.ts';
import { BEDROCK, ROLE, answerFrames, frame, framesOf, verifySignature } from '../../support/bedrock.ts';
import { type Live, type LiveOptions, live } from '../../support/live-gateway.ts';
import { type RawCall, RawProvider } from '../../support/raw-provider.ts';

const MODEL = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
const ASK = { model: 'economy', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const SCOPE = 'eu-central-1/bedrock/aws4_request content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const file = (name: string): string =>
  readFileSync(new URL(`../../fixtures/providers/anthropic/${name}`, import.meta.url), 'utf8');

interface Bedrock extends Live {
  readonly raw: RawProvider;
  readonly log: FakeLog;
}

/** A gateway before one provider at Bedrock whose every answer a test writes. */
async function before(onCall: (call: RawCall) => void, options: LiveOptions = {}): Promise<Bedrock> {
  const raw = new RawProvider(onCall);
  const url = (await raw.start()).replace(/\/v1$/, '');
  const log = new FakeLog();
  const at = await live({
    awsCredentials: () => Promise.resolve(ROLE),
    log,
    ...options,
    policy: {
      providers: [provider('raw', url, { ...BEDROCK, ...options.provider })],
      routes: [route('economy', []), route('spare', [])].map((one) => ({
        ...one,
        targets: [{ provider: 'raw', model: MODEL, weight: 1 }],
      })),
      prices: [price('raw', MODEL)],
    },
  });
  stops.push(
    () => at.stop(),
    () => raw.stop(),
  );
  return { ...at, raw, log };
}

function send(at: Live, body: unknown, headers: Record<string, string> = {}, path = '/v1/messages'): Promise<Response> {
  return fetch(`${at.server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': at.key, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

const answer =
  (text: string, status = 200, headers: Record<string, string> = {}) =>
  ({ res }: RawCall): void => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
  };

test('a whole call is signed over exactly what is sent, in the form of InvokeModel, and its answer passes byte for byte', async () => {
  const at = await before(answer(file('message.json')));
  const body =
    '{ "stream": false, "novel": [1.0, "é"],"model":"economy", "messages":[{"role":"user","content":"hi"}] ,"max_tokens":9 }';
  const response = await send(at, body, {
    'anthropic-beta': 'one-2026-01-01, two-2026-01-01',
    'anthropic-version': '2023-06-01',
    accept: 'text/event-stream',
  });
  expect(await response.text()).toBe(file('message.json'));
  const [call] = at.raw.calls;
  if (call === undefined) throw new Error('nothing was sent');
  expect(call.req.url).toBe('/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke');
  expect(call.body).toBe(
    '{ "novel": [1.0, "é"], "messages":[{"role":"user","content":"hi"}] ,"max_tokens":9,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["one-2026-01-01","two-2026-01-01"] }',
  );
  expect(verifySignature(call, ROLE)).toBe(SCOPE);
  expect(call.req.headers).toMatchObject({ 'x-amz-security-token': ROLE.sessionToken, accept: 'application/json' });
  expect(Object.keys(call.req.headers).filter((name) => /anthropic|x-api-key/.test(name))).toEqual([]);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok' });
});

test.each(['stream-text.sse', 'stream-tool.sse', 'stream-thinking.sse', 'stream-cache.sse'])(
  "%s in Bedrock's frames, a byte at a time, is Anthropic's stream for the caller and costs the same",
  async (name) => {
    const at = await before(({ res }) => {
      res.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      for (const byte of Buffer.concat(framesOf(file(name)))) res.write(Uint8Array.of(byte));
      res.end();
    });
    const native = await before(({ res }) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).end(file(name)), {
      provider: { credential: { kind: 'none' } },
    });
    const data = (text: string): unknown[] =>
      text.split('\n').flatMap((line): unknown[] => (line.startsWith('data: ') ? [JSON.parse(line.slice(6))] : [line]));
    const [framed, plain] = await Promise.all(
      [at, native].map(async (one) => (await send(one, { ...ASK, stream: true })).text()),
    );
    expect(data(framed ?? '')).toEqual(data(plain ?? ''));
    expect(at.raw.calls[0]?.req.url).toMatch(/\/invoke-with-response-stream$/);
    await Promise.all([at.payments.settled(1), native.payments.settled(1)]);
    expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok' });
    expect(at.payments.settlements[0]?.actualNanoUsd).toBe(native.payments.settlements[0]?.actualNanoUsd);
  },
);

const HALF = framesOf(file('stream-text.sse')).slice(0, 4);
const damaged = Buffer.from(HALF[3] ?? []);
damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 1;
test.each([
  [
    'an exception',
    frame({ message: 'secret words' }, { ':message-type': 'exception', ':exception-type': 'throttlingException' }),
  ],
  ['a frame that is cut off', (HALF[3] ?? Buffer.alloc(0)).subarray(0, 20)],
  ['a frame with a wrong checksum', damaged],
  ['a frame that cannot be so long', Buffer.from([0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  ['a frame that cannot be so short', Buffer.alloc(12)],
  ['a frame without an event', frame({ other: 1 })],
  ['an event that is no JSON', frame({ bytes: Buffer.from('nothing').toString('base64') })],
])('a stream that breaks with %s is a typed error after what was whole, and costs what was generated', async (_what, last) => {
  const at = await before((call) => answerFrames(call, Buffer.concat([...HALF, last])));
  const text = await (await send(at, { ...ASK, stream: true })).text();
  expect(text).toContain('"text":"Hello"');
  expect(text).toContain('event: error\n');
  expect(text).not.toContain('secret words');
  await at.payments.settled(1);
  const [settled] = at.payments.settlements;
  expect(settled?.detail.outcome).toMatch(/reset|too_large/);
  expect(settled?.actualNanoUsd).toBeGreaterThan(0n);
  expect(settled?.actualNanoUsd).toBeLessThanOrEqual(settled?.boundNanoUsd ?? 0n);
});

test('a frame of another kind is nothing to the caller', async () => {
  const frames = framesOf(file('stream-text.sse'));
  const at = await before((call) => answerFrames(call, Buffer.concat([frame({}, { ':event-type': 'initial' }), ...frames])));
  expect(await (await send(at, { ...ASK, stream: true })).text()).toMatch(/^event: message_start\n/);
});

test('a chat call is translated for a model of Anthropic at Bedrock, streams too', async () => {
  const at = await before((call) => {
    if (call.req.url?.endsWith('/invoke') === true) answer(file('message.json'))(call);
    else answerFrames(call, Buffer.concat(framesOf(file('stream-text.sse'))));
  });
  const whole = await at.post({ model: 'economy', messages: ASK.messages });
  expect(await whole.json()).toMatchObject({ object: 'chat.completion' });
  const stream = await (await at.post({ model: 'economy', messages: ASK.messages, stream: true })).text();
  expect(stream).toContain('"content":"Hello"');
  expect(stream).toMatch(/data: \[DONE\]\n\n$/);
  const [first, second] = at.raw.calls.map(({ body }) => JSON.parse(body) as object);
  for (const body of [first, second]) {
    expect(body).toMatchObject({ anthropic_version: 'bedrock-2023-05-31', messages: [{ role: 'user' }] });
    expect(Object.keys(body ?? {})).not.toContain('model');
    expect(Object.keys(body ?? {})).not.toContain('stream');
  }
});

test('credentials that are over fail one call at no cost, are not sent twice, and are read anew for the next', async () => {
  const reads: boolean[] = [];
  const fresh = { ...ROLE, accessKeyId: 'AKIDFRESH' };
  const at = await before(
    (call) => {
      if (call.req.headers.authorization?.includes('AKIDFRESH') === true) answer(file('message.json'))(call);
      else answer('{"message":"expired"}', 403, { 'x-amzn-errortype': 'ExpiredTokenException' })(call);
    },
    {
      awsCredentials: ({ forceRefresh = false } = {}) => {
        reads.push(forceRefresh);
        return Promise.resolve(forceRefresh || reads.includes(true) ? fresh : ROLE);
      },
    },
  );
  const failedCall = await send(at, ASK);
  expect(failedCall.status).toBe(502);
  expect(at.raw.calls).toHaveLength(1);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'refused_by_provider' } });
  expect((await send(at, ASK)).status).toBe(200);
  expect(reads).toEqual([false, true]);
});

test('without credentials nothing is sent and nothing is charged', async () => {
  const at = await before(answer('{}'), { awsCredentials: () => Promise.reject(new Error('no role, secret words')) });
  const response = await send(at, ASK);
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('credential_missing');
  expect(at.raw.calls).toEqual([]);
  expect(JSON.stringify(at.log.lines)).not.toContain('secret words');
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.actualNanoUsd).toBe(0n);
});

test("an error body that repeats our credentials goes on without them, and the provider's words of a refusal do not", async () => {
  const at = await before((call) => {
    const text = `bad ${JSON.stringify(call.req.headers)} ${ROLE.secretAccessKey}`;
    answer(JSON.stringify({ message: text }), 400)(call);
  });
  const response = await send(at, ASK);
  expect(response.status).toBe(400);
  const text = await response.text();
  const signature = /Signature=([0-9a-f]{64})/.exec(at.raw.calls[0]?.req.headers.authorization ?? '')?.[1] ?? 'none';
  for (const secret of [ROLE.accessKeyId, ROLE.secretAccessKey, ROLE.sessionToken ?? 'none', signature])
    expect(text).not.toContain(secret);
  expect(text).toContain('[credential]');
});

test('a count of tokens has no counterpart there and is refused by name before anything is held', async () => {
  const at = await before(answer('{}'));
  const response = await send(at, { model: 'economy', messages: ASK.messages }, {}, '/v1/messages/count_tokens');
  expect(response.status).toBe(400);
  expect(await response.text()).toContain('/v1/messages/count_tokens');
  expect(at.payments.holds).toEqual([]);
});

test.each([
  ['bedrock', 'openai', '/openai/v1', '/openai/v1/chat/completions'],
  ['bedrock-mantle', 'openai', '/v1', '/v1/chat/completions'],
  ['bedrock-mantle', 'anthropic', '/anthropic/v1', '/anthropic/v1/messages'],
] as const)(
  "%s's endpoint of protocol %s gets ordinary calls, signed under its own name",
  async (service, protocol, path, url) => {
    const at = await before(answer(protocol === 'openai' ? '{"choices":[]}' : file('message.json')));
    const [first] = at.inForce.policy.providers;
    if (first === undefined) throw new Error('the fixture has a provider');
    const credential = { kind: 'iam', service, region: 'us-east-1' } as const;
    const apis = protocol === 'openai' ? (['chat_completions'] as const) : (['messages'] as const);
    at.inForce.policy = {
      ...at.inForce.policy,
      providers: [{ ...first, protocol, apis, credential, baseUrl: `${first.baseUrl}${path}` }],
    };
    const response = protocol === 'openai' ? await at.post({ model: 'economy', messages: ASK.messages }) : await send(at, ASK);
    expect(response.status).toBe(200);
    const [call] = at.raw.calls;
    if (call === undefined) throw new Error('nothing was sent');
    expect(call.req.url).toBe(url);
    expect(JSON.parse(call.body)).toMatchObject({ model: MODEL });
    expect(verifySignature(call, ROLE)).toMatch(new RegExp(`^us-east-1/${service}/aws4_request `));
  },
);
