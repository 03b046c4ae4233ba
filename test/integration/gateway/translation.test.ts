import Anthropic, { APIError as AnthropicError, BadRequestError as AnthropicBadRequest } from '@anthropic-ai/sdk';
import OpenAI, { APIError, BadRequestError } from 'openai';
import { HttpProvider } from '../../../lambdas/adapters/providers/http-provider.ts';
import { estimate } from '../../../lambdas/domain/estimate.ts';
import { parseUsd } from '../../../lambdas/domain/money.ts';
import { type NodeServer, startNodeServer } from '../../../lambdas/http/node-entry.ts';
import { FakeLog, type Fixture, GROUP, fixture, policy, price, provider, route } from '../../support/gateway-fixture.ts';
import { type Asked, ScriptedProvider } from '../../support/scripted-provider.ts';

/** `claude` serves Anthropic's messages only, `gpt` OpenAI's chat completions only; route `either` goes to both in turn. */
const claude = new ScriptedProvider();
const gpt = new ScriptedProvider();
let made: Fixture;
let server: NodeServer;
let client: HttpProvider;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  await Promise.all([claude.start(), gpt.start()]);
});
afterAll(async () => {
  await Promise.all([claude.stop(), gpt.stop()]);
});

beforeEach(async () => {
  claude.asked.length = 0;
  gpt.asked.length = 0;
  const inForce = policy({
    providers: [
      provider('claude', claude.baseUrl, {
        protocol: 'anthropic',
        apis: ['messages', 'count_tokens'],
        outputCapField: 'max_tokens',
      }),
      provider('gpt', gpt.baseUrl, { apis: ['chat_completions'] }),
    ],
    consumerGroups: [{ ...GROUP, models: ['sonnet', 'mini', 'either'] }],
    routes: [
      route('sonnet', ['claude/claude-s']),
      route('mini', ['gpt/gpt-m']),
      route('either', ['claude/claude-s', 'gpt/gpt-m']),
    ],
    prices: [price('claude', 'claude-s', '3.00', '15.00'), price('gpt', 'gpt-m', '1.00', '2.00')],
  });
  client = new HttpProvider({ find: () => Promise.resolve(undefined) }, new FakeLog(), '0.0.0-test');
  made = fixture(inForce, client);
  server = await startNodeServer(made.gateway, { port: 0 });
  openai = new OpenAI({ apiKey: made.key, baseURL: `${server.url}/v1` });
  anthropic = new Anthropic({ apiKey: made.key, baseURL: server.url });
});
afterEach(async () => {
  await server.stop(5_000);
  await client.close();
});

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-s-1',
  content: [
    { type: 'text', text: 'Let me look.' },
    { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Rome' } },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 50, output_tokens: 20 },
};
const MESSAGE_EVENTS = [
  {
    type: 'message_start',
    message: { ...MESSAGE, content: [], stop_reason: null, usage: { ...MESSAGE.usage, output_tokens: 1 } },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Let me ' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'löök. 🌦' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"Rome"}' } },
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} } },
  { type: 'content_block_stop', index: 2 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 20 } },
  { type: 'message_stop' },
];
/** 150 input tokens at 3,000 nano-USD and 20 output tokens at 15,000: the fixture prices cached input as other input. */
const MESSAGE_COST = 150n * 3_000n + 20n * 15_000n;

const USAGE = {
  prompt_tokens: 150,
  completion_tokens: 20,
  total_tokens: 170,
  prompt_tokens_details: { cached_tokens: 50 },
};
const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-m-1',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'Let me look.',
        refusal: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
      },
      finish_reason: 'tool_calls',
    },
  ],
  usage: USAGE,
};
const chunk = (delta: unknown, finish: string | null = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'gpt-m-1',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const CHUNKS = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'Let me ' }),
  chunk({ content: 'löök. 🌦' }),
  chunk({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
  chunk({ tool_calls: [{ index: 1, id: 'call_2', type: 'function', function: { name: 'now', arguments: '{' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '"Rome"}' } }] }),
  chunk({ tool_calls: [{ index: 1, function: { arguments: '}' } }] }),
  chunk({}, 'tool_calls'),
  { ...chunk({}), choices: [], usage: USAGE },
  '[DONE]',
];
const COMPLETION_COST = 150n * 1_000n + 20n * 2_000n;

const PARAMETERS = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const CHAT: OpenAI.ChatCompletionCreateParamsNonStreaming = {
  model: 'sonnet',
  max_completion_tokens: 200,
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Weather?' },
  ],
  tools: [{ type: 'function', function: { name: 'weather', parameters: PARAMETERS } }],
  tool_choice: 'required',
};
const ASK: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'mini',
  max_tokens: 200,
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'Weather?' }],
  tools: [{ name: 'weather', input_schema: PARAMETERS }],
  tool_choice: { type: 'any' },
};

function refuseMoney(): void {
  made.payments.onHold = () => ({
    ok: false,
    by: 'caller',
    refusal: {
      code: 'budget_exceeded',
      limitedBy: 'budget/dev/month',
      limitNanoUsd: parseUsd('1.00'),
      spentNanoUsd: parseUsd('1.00'),
      reservedNanoUsd: 0n,
      requestedNanoUsd: parseUsd('0.02'),
    },
  });
}

/** What was held is the bound of the body that was sent, and what was charged is what the provider reported. */
async function expectMoney(asked: Asked | undefined, actualNanoUsd: bigint, prices: readonly [string, string]): Promise<void> {
  await made.payments.settled(1);
  const [settlement] = made.payments.settlements;
  expect(settlement?.actualNanoUsd).toBe(actualNanoUsd);
  expect(settlement?.detail).toMatchObject({
    outcome: 'ok',
    usage: { inputTokens: 150, cachedInputTokens: 50, outputTokens: 20 },
  });
  expect(settlement?.detail.estimated).toBeUndefined();
  const bodyBytes = Buffer.byteLength(asked?.text ?? '');
  const least = estimate(price('p', 'm', ...prices), bodyBytes, 200, 1).nanoUsd;
  expect(made.payments.holds[0]?.boundNanoUsd).toBeGreaterThanOrEqual(least);
}

describe('an OpenAI caller on a target that only serves messages', () => {
  test('gets an answer with a call, for text and tools, and pays what the provider reported', async () => {
    claude.script = { answer: MESSAGE };
    const { data, response } = await openai.chat.completions.create(CHAT).withResponse();
    const [asked] = claude.asked;
    expect(asked?.path).toBe('/v1/messages');
    expect(asked?.headers['anthropic-version']).toBeDefined();
    expect(asked?.body).toEqual({
      model: 'claude-s',
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Weather?' }] }],
      max_tokens: 200,
      tools: [{ name: 'weather', input_schema: PARAMETERS }],
      tool_choice: { type: 'any' },
    });
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Let me look.',
        tool_calls: [{ id: 'toolu_1', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
      },
    });
    expect(data.model).toBe('claude-s-1');
    expect(data.usage).toMatchObject({ prompt_tokens: 150, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 50 } });
    expect(Math.abs(data.created - Date.now() / 1_000)).toBeLessThan(3_600);
    expect(response.headers.get('x-tollgate-provider')).toBe('claude');
    expect(response.headers.get('x-tollgate-route')).toBe('sonnet');
    expect(response.headers.get('x-tollgate-cost-usd')).toBe('0.00075');
    await expectMoney(asked, MESSAGE_COST, ['3.00', '15.00']);
  });

  test("streams through the SDK's helper: text, parallel calls and the usage that it asked for", async () => {
    claude.script = { events: MESSAGE_EVENTS };
    const stream = openai.chat.completions.stream({ ...CHAT, stream: true, stream_options: { include_usage: true } });
    const final = await stream.finalChatCompletion();
    expect(claude.asked[0]?.body).toMatchObject({ stream: true });
    expect(claude.asked[0]?.body).not.toHaveProperty('stream_options');
    expect(final.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Let me löök. 🌦',
        tool_calls: [
          { id: 'toolu_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
          { id: 'toolu_2', type: 'function', function: { name: 'now', arguments: '{}' } },
        ],
      },
    });
    expect(final.usage).toMatchObject({ prompt_tokens: 150, completion_tokens: 20, total_tokens: 170 });
    await made.payments.settled(1);
    expect(made.payments.settlements[0]?.actualNanoUsd).toBe(MESSAGE_COST);
  });

  test('gets no usage chunk that it did not ask for', async () => {
    claude.script = { events: MESSAGE_EVENTS };
    const stream = await openai.chat.completions.create({ ...CHAT, stream: true });
    for await (const each of stream) expect(each.choices).toHaveLength(1);
    await made.payments.settled(1);
    expect(made.payments.settlements[0]?.actualNanoUsd).toBe(MESSAGE_COST);
  });

  test('is told of an error, a lost connection and an early end in the middle of a stream', async () => {
    const told = async (): Promise<unknown> => {
      const stream = await openai.chat.completions.create({ ...CHAT, stream: true });
      try {
        for await (const each of stream) expect(each.choices).toHaveLength(1);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const begun = MESSAGE_EVENTS.slice(0, 5);
    claude.script = { events: [...begun, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }] };
    const overloaded = await told();
    expect(overloaded).toBeInstanceOf(APIError);
    expect(overloaded).toMatchObject({ message: expect.stringContaining('Overloaded'), type: 'overloaded_error' });
    claude.script = { events: begun, cut: true };
    expect(await told()).toMatchObject({ code: 'provider_disconnected' });
    claude.script = { events: begun };
    expect(await told()).toMatchObject({ message: expect.stringContaining('before it was whole') });
    await made.payments.settled(3);
    // What had been generated is paid for, and stays inside what was held.
    for (const { actualNanoUsd, boundNanoUsd } of made.payments.settlements) {
      expect(actualNanoUsd).toBeGreaterThan(0n);
      expect(actualNanoUsd).toBeLessThanOrEqual(boundNanoUsd);
    }
  });

  test("gets a provider's refusal in its own shape, once and for nothing", async () => {
    claude.script = {
      status: 400,
      answer: { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long' } },
    };
    const error = await openai.chat.completions.create(CHAT).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', message: '400 prompt is too long' });
    expect(claude.asked).toHaveLength(1);
    await made.payments.settled(1);
    expect(made.payments.settlements[0]?.actualNanoUsd).toBe(0n);
  });

  test('without money is refused with 402, and nothing is sent', async () => {
    refuseMoney();
    await expect(openai.chat.completions.create(CHAT)).rejects.toMatchObject({ status: 402, code: 'budget_exceeded' });
    expect(claude.asked).toHaveLength(0);
  });

  test('is refused by the name of a field that has no counterpart, and nothing is held or sent', async () => {
    const error = await openai.chat.completions.create({ ...CHAT, seed: 7 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', param: 'seed' });
    expect([claude.asked.length, made.payments.holds.length]).toEqual([0, 0]);
  });

  test('goes to the next target where its own API is served, as it came', async () => {
    gpt.script = { answer: COMPLETION };
    const { response } = await openai.chat.completions.create({ ...CHAT, model: 'either', seed: 7 }).withResponse();
    expect(response.headers.get('x-tollgate-provider')).toBe('gpt');
    expect(claude.asked).toHaveLength(0);
    expect(gpt.asked[0]?.body).toEqual({ ...CHAT, model: 'gpt-m', seed: 7 });
  });

  test('falls back from a translated target to one that serves its API', async () => {
    claude.script = { status: 503, answer: {} };
    gpt.script = { answer: COMPLETION };
    const { data, response } = await openai.chat.completions.create({ ...CHAT, model: 'either' }).withResponse();
    expect(data.id).toBe('chatcmpl-1');
    expect(response.headers.get('x-tollgate-attempts')).toBe('2');
    expect(claude.asked[0]?.body).toHaveProperty('system');
    expect(gpt.asked[0]?.body).toEqual({ ...CHAT, model: 'gpt-m' });
  });
});

describe('an Anthropic caller on a target that only serves chat completions', () => {
  test('gets a message with a call, for text and tools, and pays what the provider reported', async () => {
    gpt.script = { answer: COMPLETION };
    const { data, response } = await anthropic.messages.create(ASK).withResponse();
    const [asked] = gpt.asked;
    expect(asked?.path).toBe('/v1/chat/completions');
    expect(asked?.body).toEqual({
      model: 'gpt-m',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Weather?' },
      ],
      max_completion_tokens: 200,
      tools: [{ type: 'function', function: { name: 'weather', parameters: PARAMETERS } }],
      tool_choice: 'required',
    });
    expect(data).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'gpt-m-1',
      content: [
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Rome' } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 100, cache_read_input_tokens: 50, output_tokens: 20 },
    });
    expect(response.headers.get('x-tollgate-provider')).toBe('gpt');
    expect(response.headers.get('x-tollgate-cost-usd')).toBe('0.00019');
    await expectMoney(asked, COMPLETION_COST, ['1.00', '2.00']);
  });

  test("streams through the SDK's helper: text, parallel calls that came in turns, and the true usage", async () => {
    gpt.script = { events: CHUNKS };
    const stream = anthropic.messages.stream(ASK);
    const seen: string[] = [];
    stream.on('contentBlock', (block) => seen.push(block.type));
    const final = await stream.finalMessage();
    expect(gpt.asked[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(final.content).toMatchObject([
      { type: 'text', text: 'Let me löök. 🌦' },
      { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Rome' } },
      { type: 'tool_use', id: 'call_2', name: 'now', input: {} },
    ]);
    expect(seen).toEqual(['text', 'tool_use', 'tool_use']);
    expect(final).toMatchObject({
      stop_reason: 'tool_use',
      usage: { input_tokens: 100, cache_read_input_tokens: 50, output_tokens: 20 },
    });
    await made.payments.settled(1);
    expect(made.payments.settlements[0]?.actualNanoUsd).toBe(COMPLETION_COST);
  });

  test('is told of an error, a lost connection and an early end in the middle of a stream', async () => {
    const told = async (): Promise<unknown> =>
      await anthropic.messages
        .stream(ASK)
        .finalMessage()
        .catch((thrown: unknown) => thrown);
    const begun = CHUNKS.slice(0, 3);
    gpt.script = { events: [...begun, { error: { message: 'Broke', type: 'server_error', param: null, code: null } }] };
    const broke = await told();
    expect(broke).toBeInstanceOf(AnthropicError);
    expect(String(broke)).toContain('Broke');
    gpt.script = { events: begun, cut: true };
    expect(String(await told())).toContain('ended the connection');
    gpt.script = { events: begun };
    expect(String(await told())).toContain('before it was whole');
    await made.payments.settled(3);
    for (const { actualNanoUsd, boundNanoUsd } of made.payments.settlements) {
      expect(actualNanoUsd).toBeGreaterThan(0n);
      expect(actualNanoUsd).toBeLessThanOrEqual(boundNanoUsd);
    }
  });

  test("gets a provider's refusal in its own shape, once and for nothing", async () => {
    gpt.script = {
      status: 400,
      answer: { error: { message: 'no such stop', type: 'invalid_request_error', param: 'stop', code: 'bad' } },
    };
    const error = await anthropic.messages.create(ASK).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AnthropicBadRequest);
    expect(error).toMatchObject({
      status: 400,
      error: {
        type: 'error',
        error: { type: 'invalid_request_error', message: 'no such stop', details: { error_code: 'bad', param: 'stop' } },
      },
    });
    expect(gpt.asked).toHaveLength(1);
    await made.payments.settled(1);
    expect(made.payments.settlements[0]?.actualNanoUsd).toBe(0n);
  });

  test('without money is refused with 402, and nothing is sent', async () => {
    refuseMoney();
    await expect(anthropic.messages.create(ASK)).rejects.toMatchObject({ status: 402 });
    expect(gpt.asked).toHaveLength(0);
  });

  test('is refused by the name of what has no counterpart, and nothing is held or sent', async () => {
    await expect(anthropic.messages.create({ ...ASK, inference_geo: 'global' })).rejects.toMatchObject({
      status: 400,
      error: { error: { type: 'invalid_request_error', message: expect.stringContaining('inference_geo has no counterpart') } },
    });
    await expect(anthropic.messages.countTokens({ model: 'mini', messages: ASK.messages })).rejects.toMatchObject({
      status: 400,
      error: { error: { message: expect.stringContaining('/v1/messages/count_tokens') } },
    });
    expect([gpt.asked.length, made.payments.holds.length]).toEqual([0, 0]);
  });
});

describe('an image', () => {
  const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const address = `data:image/png;base64,${PNG}`;

  test("of an OpenAI caller comes to a target that only serves messages as Anthropic's", async () => {
    claude.script = { answer: MESSAGE };
    const content = [
      { type: 'text' as const, text: 'What weather is this?' },
      { type: 'image_url' as const, image_url: { url: address } },
      { type: 'image_url' as const, image_url: { url: 'https://example.com/sky.png', detail: 'low' as const } },
    ];
    await openai.chat.completions.create({ ...CHAT, messages: [{ role: 'user', content }] });
    expect(claude.asked[0]?.body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What weather is this?' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
          { type: 'image', source: { type: 'url', url: 'https://example.com/sky.png' } },
        ],
      },
    ]);
    await made.payments.settled(1);
  });

  test("of an Anthropic caller comes to a target that only serves chat completions as OpenAI's", async () => {
    gpt.script = { answer: COMPLETION };
    const content = [
      { type: 'text' as const, text: 'What weather is this?' },
      { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png' as const, data: PNG } },
      { type: 'image' as const, source: { type: 'url' as const, url: 'https://example.com/sky.png' } },
    ];
    await anthropic.messages.create({ ...ASK, messages: [{ role: 'user', content }] });
    expect(gpt.asked[0]?.body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What weather is this?' },
          { type: 'image_url', image_url: { url: address } },
          { type: 'image_url', image_url: { url: 'https://example.com/sky.png' } },
        ],
      },
    ]);
    await made.payments.settled(1);
  });
});

const NESTED = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;

test('arguments that nest past all reason are no object in either direction, and no defect', async () => {
  claude.script = { answer: MESSAGE };
  const call = { id: 'c', type: 'function' as const, function: { name: 'f', arguments: NESTED } };
  await openai.chat.completions.create({
    model: 'sonnet',
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: 'x' },
    ],
  });
  expect(claude.asked[0]?.body).toMatchObject({
    messages: [{}, { content: [{ type: 'tool_use', input: { INVALID_JSON: NESTED } }] }, {}],
  });

  gpt.script = {
    answer: { ...COMPLETION, choices: [{ index: 0, message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] },
  };
  const answer = await anthropic.messages.create({
    model: 'mini',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'hi' }],
  });
  expect(answer.content).toMatchObject([{ type: 'tool_use', input: { INVALID_JSON: NESTED } }]);
});

test('an answer that cannot be put into other words is an error in the shape of the caller, and is paid', async () => {
  claude.script = { answer: `{"content":[{"type":"tool_use","id":"a","name":"f","input":${NESTED}}]}` };
  const once = new OpenAI({ apiKey: made.key, baseURL: `${server.url}/v1`, maxRetries: 0 });
  const failed = once.chat.completions.create({ model: 'sonnet', messages: [{ role: 'user', content: 'hi' }] });
  await expect(failed).rejects.toMatchObject({ status: 502, type: 'server_error' });
  await made.payments.settled(1);
  expect(made.payments.settlements[0]?.actualNanoUsd).toBeGreaterThan(0n);
});
