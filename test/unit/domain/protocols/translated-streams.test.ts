import { CHAT_TO_MESSAGES } from '../../../../lambdas/domain/protocols/chat-to-messages.ts';
import { MESSAGES_TO_CHAT } from '../../../../lambdas/domain/protocols/messages-to-chat.ts';

const TOLD = { model: 'the-model', createdEpochSeconds: 7 };

/** The data of the events that a translation makes of these, each with its name where it has one. */
function chatOf(events: readonly unknown[], includeUsage = true): readonly unknown[] {
  const translator = CHAT_TO_MESSAGES.events(TOLD, includeUsage);
  return parsed(events.map((event) => translator.event(event)).join('') + translator.end());
}

function messagesOf(events: readonly unknown[]): readonly unknown[] {
  const translator = MESSAGES_TO_CHAT.events(TOLD, false);
  return parsed(events.map((event) => translator.event(event)).join('') + translator.end());
}

function parsed(text: string): readonly unknown[] {
  const blocks = text.split('\n\n');
  expect(blocks.pop()).toBe('');
  return blocks.map((block) => {
    const [first = '', second] = block.split('\n');
    const data: unknown = (second ?? first).slice('data: '.length);
    const value: unknown = data === '[DONE]' ? data : JSON.parse(String(data));
    if (second !== undefined) expect(first).toBe(`event: ${String((value as { type: unknown }).type)}`);
    return value;
  });
}

const START = {
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude-1', usage: { input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 1 } },
};
const text = (index: number, value: string) => [
  { type: 'content_block_start', index, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index, delta: { type: 'text_delta', text: value } },
  { type: 'content_block_stop', index },
];
const END = [
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 9, input_tokens: null },
  },
  { type: 'message_stop' },
];

test("Anthropic's events become chunks in order, with calls numbered among themselves", () => {
  const events = [
    START,
    { type: 'ping' },
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 's' } },
    { type: 'content_block_stop', index: 0 },
    ...text(1, 'Hello'),
    { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 't1', name: 'f', input: {} } },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '' } },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"a":' } },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '12345678901234567890}' } },
    { type: 'content_block_stop', index: 2 },
    { type: 'content_block_start', index: 3, content_block: { type: 'tool_use', id: 't2', name: 'g', input: {} } },
    { type: 'content_block_stop', index: 3 },
    ...END,
    { type: 'message_stop' },
  ];
  const head = { id: 'msg_1', object: 'chat.completion.chunk', created: 7, model: 'claude-1' };
  const chunk = (delta: unknown, finish: string | null = null) => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  const call = (index: number, args: string) => chunk({ tool_calls: [{ index, function: { arguments: args } }] });
  const named = (index: number, id: string, name: string) =>
    chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] });
  const usage = {
    prompt_tokens: 14,
    completion_tokens: 9,
    total_tokens: 23,
    prompt_tokens_details: { cached_tokens: 4 },
  };
  const chunks = [
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Hello' }),
    named(0, 't1', 'f'),
    call(0, '{"a":'),
    call(0, '12345678901234567890}'),
    named(1, 't2', 'g'),
    call(1, '{}'),
    chunk({}, 'tool_calls'),
  ];
  expect(chatOf(events)).toEqual([...chunks, { ...head, choices: [], usage }, '[DONE]']);
  expect(chatOf(events, false)).toEqual([...chunks, '[DONE]']);
});

test("a stream of Anthropic's that breaks off ends in an error; one that only lacks its last event is whole", () => {
  const cut = chatOf([START, ...text(0, 'Hel')]);
  expect(cut.at(-1)).toEqual({
    error: { message: 'The provider ended the answer before it was whole.', type: 'server_error', param: null, code: null },
  });
  expect(cut).not.toContain('[DONE]');
  expect(chatOf([START, ...text(0, 'Hello'), END[0]]).at(-1)).toBe('[DONE]');
  expect(chatOf([])).toHaveLength(1);
});

test("an error in the middle of Anthropic's stream is the last thing said", () => {
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
  const told = chatOf([START, error, ...text(0, 'x'), ...END]);
  expect(told.slice(1)).toEqual([{ error: { message: 'Overloaded', type: 'overloaded_error', param: null, code: null } }]);
});

test('a refusal in the stream is told with its explanation', () => {
  const delta = { stop_reason: 'refusal', stop_details: { type: 'refusal', explanation: 'No.' } };
  const told = chatOf([START, { type: 'message_delta', delta, usage: { output_tokens: 1 } }, { type: 'message_stop' }], false);
  expect(told.at(-2)).toMatchObject({ choices: [{ delta: { refusal: 'No.' }, finish_reason: 'content_filter' }] });
});

const chunkOf = (delta: unknown, finish: string | null = null, more: object = {}) => ({
  id: 'chatcmpl-1',
  model: 'gpt-1',
  choices: [{ index: 0, delta, finish_reason: finish }],
  ...more,
});
const callOf = (index: number, args: string, id?: string, name?: string) =>
  chunkOf({
    tool_calls: [{ index, ...(id === undefined ? {} : { id, type: 'function' }), function: { name, arguments: args } }],
  });
const USAGE = { choices: [], usage: { prompt_tokens: 14, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 4 } } };
const ZERO = {
  input_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 0,
  output_tokens_details: null,
  server_tool_use: null,
};

/** What each block of a message was made of. */
function blocksOf(events: readonly unknown[]): readonly unknown[] {
  const blocks: { start: unknown; pieces: string; index: unknown; open: boolean }[] = [];
  for (const event of events as readonly Record<string, never>[]) {
    const { type, index, content_block: start, delta } = event as Record<string, unknown>;
    const last = blocks.at(-1);
    if (type === 'content_block_start') {
      expect(last?.open ?? false).toBe(false);
      expect(index).toBe(blocks.length);
      blocks.push({ start, pieces: '', index, open: true });
    } else if (type === 'content_block_delta' && last !== undefined) {
      expect([last.open, last.index]).toEqual([true, index]);
      const piece = delta as { text?: string; partial_json?: string };
      last.pieces += piece.text ?? piece.partial_json ?? '';
    } else if (type === 'content_block_stop' && last !== undefined) {
      expect([last.open, last.index]).toEqual([true, index]);
      last.open = false;
    }
  }
  return blocks.map(({ start, pieces, open }) => {
    expect(open).toBe(false);
    return { ...(start as object), pieces };
  });
}

test("chunks become Anthropic's events in order, with the true counts at the end", () => {
  const told = messagesOf([
    { choices: [], prompt_filter_results: [], id: '', model: '' },
    chunkOf({ role: 'assistant', content: '' }),
    chunkOf({ content: 'Hel' }),
    chunkOf({ content: 'lo' }),
    callOf(0, '', 'c1', 'f'),
    callOf(0, '{"a":'),
    callOf(0, '12345678901234567890}'),
    chunkOf({}, 'tool_calls'),
    USAGE,
    '[DONE]',
    chunkOf({ content: 'late' }),
  ]);
  expect(told).toEqual([
    {
      type: 'message_start',
      message: {
        id: 'chatcmpl-1',
        type: 'message',
        role: 'assistant',
        model: 'gpt-1',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: ZERO,
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', citations: null } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hel' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'lo' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 'c1', name: 'f', input: {} } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"a":' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '12345678901234567890}' } },
    { type: 'content_block_stop', index: 1 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { ...ZERO, input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 9 },
    },
    { type: 'message_stop' },
  ]);
});

test.each<readonly [string, readonly unknown[]]>([
  [
    'one after the other',
    [callOf(0, '', 'a', 'f'), callOf(0, '{"x"'), callOf(0, ':1}'), callOf(1, '', 'b', 'g'), callOf(1, '{"y":2}')],
  ],
  [
    'in turns',
    [callOf(0, '', 'a', 'f'), callOf(1, '', 'b', 'g'), callOf(1, '{"y"'), callOf(0, '{"x"'), callOf(1, ':2}'), callOf(0, ':1}')],
  ],
  ['each whole and all with the number 0', [callOf(0, '{"x":1}', 'a', 'f'), callOf(0, '{"y":2}', 'b', 'g')]],
  [
    'two in one chunk, their ids repeated',
    [
      chunkOf({
        tool_calls: [
          { index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } },
          { index: 1, id: 'b', function: { name: 'g', arguments: '{"y"' } },
        ],
      }),
      callOf(0, ':1}', 'a', 'f'),
      callOf(1, ':2}', 'b', 'g'),
    ],
  ],
])('parallel calls that come %s are told one after the other, each whole', (_how, calls) => {
  const told = messagesOf([chunkOf({ content: 'ok' }), ...calls, chunkOf({}, 'tool_calls'), '[DONE]']);
  expect(blocksOf(told)).toEqual([
    { type: 'text', text: '', citations: null, pieces: 'ok' },
    { type: 'tool_use', id: 'a', name: 'f', input: {}, pieces: '{"x":1}' },
    { type: 'tool_use', id: 'b', name: 'g', input: {}, pieces: '{"y":2}' },
  ]);
});

test('a call without arguments, text behind it and a refusal are told', () => {
  const told = messagesOf([callOf(0, '', 'a', 'f'), chunkOf({ content: 'then' }), chunkOf({ refusal: 'No.' }, 'stop')]);
  expect(blocksOf(told)).toEqual([
    { type: 'tool_use', id: 'a', name: 'f', input: {}, pieces: '' },
    { type: 'text', text: '', citations: null, pieces: 'thenNo.' },
  ]);
  expect(told.at(-2)).toMatchObject({ type: 'message_delta', delta: { stop_reason: 'tool_use' } });
});

test('a stream of chunks that breaks off ends in an error; one that only lacks a finish reason or its end is whole', () => {
  const cut = messagesOf([chunkOf({ content: 'Hel' })]);
  expect(cut.at(-1)).toEqual({
    type: 'error',
    error: { type: 'api_error', message: 'The provider ended the answer before it was whole.', details: {} },
  });
  expect(messagesOf([chunkOf({ content: 'Hello' }), '[DONE]']).at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' } });
  expect(messagesOf([chunkOf({ content: 'Hello' }, 'length')]).at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' } });
  expect(messagesOf(['[DONE]']).map((event) => (event as { type: string }).type)).toEqual([
    'message_start',
    'message_delta',
    'message_stop',
  ]);
});

test('an error in the middle of a stream of chunks is the last thing said', () => {
  const told = messagesOf([
    chunkOf({ content: 'Hel' }),
    { error: { message: 'Broke', code: 502 } },
    chunkOf({ content: 'x' }),
    '[DONE]',
  ]);
  expect(told.slice(3)).toEqual([
    { type: 'error', error: { type: 'api_error', message: 'Broke', details: { error_code: '502' } } },
  ]);
});
