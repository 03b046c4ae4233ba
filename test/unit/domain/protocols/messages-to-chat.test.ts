import { MESSAGES_TO_CHAT } from '../../../../lambdas/domain/protocols/messages-to-chat.ts';

const USER = { role: 'user', content: 'hi' };

function translated(more: Readonly<Record<string, unknown>>): unknown {
  const result = MESSAGES_TO_CHAT.request({ model: 'economy', max_tokens: 9, messages: [USER], ...more });
  if (!result.ok) throw new Error(`${result.problem.param}: ${result.problem.message}`);
  return JSON.parse(JSON.stringify(result.body));
}

function refused(more: Readonly<Record<string, unknown>>): string {
  const result = MESSAGES_TO_CHAT.request({ model: 'economy', max_tokens: 9, messages: [USER], ...more });
  return result.ok ? 'accepted' : result.problem.param;
}

const HI = { model: 'economy', max_completion_tokens: 9, messages: [USER] };

test('turns with tools become messages, with what each tool gave before what the user says', () => {
  const body = translated({
    system: [
      { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Be kind.' },
    ],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'x' },
          { type: 'text', text: 'Looking' },
          { type: 'text', text: ' now.' },
          { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Rome' } },
          { type: 'tool_use', id: 't2', name: 'now', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: 'sunny' },
          { type: 'tool_result', tool_use_id: 't2', content: [{ type: 'text', text: 'no clock' }], is_error: true },
          { type: 'text', text: 'And?' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
      { role: 'system', content: 'Now in Italian.' },
      { role: 'user', content: 'Go.' },
    ],
  });
  expect(body).toEqual({
    model: 'economy',
    max_completion_tokens: 9,
    messages: [
      {
        role: 'system',
        content: [
          { type: 'text', text: 'Be brief.' },
          { type: 'text', text: 'Be kind.' },
        ],
      },
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Looking now.',
        tool_calls: [
          { id: 't1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
          { id: 't2', type: 'function', function: { name: 'now', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 't1', content: 'sunny' },
      { role: 'tool', tool_call_id: 't2', content: 'Error: no clock' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'And?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      { role: 'system', content: 'Now in Italian.' },
      { role: 'user', content: 'Go.' },
    ],
  });
});

test.each([
  [undefined, 'Error'],
  ['', 'Error'],
  ['Error: gone', 'Error: gone'],
  ['<error>x</error>', '<error>x</error>'],
  ['gone', 'Error: gone'],
])('a failed tool that gave %j says so in its text: %j', (content, told) => {
  const messages = [
    USER,
    { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content, is_error: true }] },
  ];
  expect(translated({ messages })).toMatchObject({ messages: [{}, { content: null }, { role: 'tool', content: told }] });
});

test.each([
  [{ stream: true }, { stream: true }],
  [{ stop_sequences: ['A'] }, { stop: ['A'] }],
  [{ stop_sequences: [] }, {}],
  [
    { temperature: 0, top_p: 0.5 },
    { temperature: 0, top_p: 0.5 },
  ],
  [{ metadata: { user_id: 'u1' } }, { user: 'u1' }],
  [{ metadata: { user_id: 'u'.repeat(65) } }, {}],
  [{ output_config: { effort: 'max' } }, { reasoning_effort: 'max' }],
  [
    { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } },
    { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' }, strict: true } } },
  ],
  [{ thinking: { type: 'disabled' } }, {}],
  [{ thinking: { type: 'adaptive', display: 'summarized' } }, {}],
  [{ cache_control: { type: 'ephemeral' }, service_tier: 'auto', speed: 'standard', container: null }, {}],
])('%j becomes %j', (given, made) => {
  expect(translated(given)).toEqual({ ...HI, ...made });
});

const TOOLS = [
  {
    name: 'f',
    description: 'does',
    input_schema: { type: 'object', properties: {} },
    type: 'custom',
    strict: true,
    cache_control: { type: 'ephemeral' },
    eager_input_streaming: true,
    defer_loading: false,
    allowed_callers: ['direct'],
  },
];
const MADE_TOOLS = [
  {
    type: 'function',
    function: { name: 'f', description: 'does', parameters: { type: 'object', properties: {} }, strict: true },
  },
];

test.each([
  [{}, {}],
  [{ tool_choice: { type: 'auto' } }, { tool_choice: 'auto' }],
  [{ tool_choice: { type: 'none' } }, { tool_choice: 'none' }],
  [{ tool_choice: { type: 'any', disable_parallel_tool_use: true } }, { tool_choice: 'required', parallel_tool_calls: false }],
  [{ tool_choice: { type: 'tool', name: 'f' } }, { tool_choice: { type: 'function', function: { name: 'f' } } }],
])('with tools, %j becomes %j', (given, made) => {
  expect(translated({ tools: TOOLS, ...given })).toEqual({ ...HI, tools: MADE_TOOLS, ...made });
});

test.each([
  [{ top_k: 5 }, 'top_k'],
  [{ max_tokens: 0 }, 'max_tokens'],
  [{ thinking: { type: 'enabled', budget_tokens: 2048 } }, 'thinking.type'],
  [{ speed: 'fast' }, 'speed'],
  [{ inference_geo: 'eu' }, 'inference_geo'],
  [{ container: 'c' }, 'container'],
  [{ mcp_servers: [] }, 'mcp_servers'],
  [{ output_config: { task_budget: {} } }, 'output_config.task_budget'],
  [{ metadata: { other: 1 } }, 'metadata.other'],
  [{ tools: [{ type: 'web_search_20260318', name: 'web_search' }] }, 'tools[0].type'],
  [{ tools: [{ ...TOOLS[0], defer_loading: true }] }, 'tools[0].defer_loading'],
  [{ tools: [{ ...TOOLS[0], input_examples: [{}] }] }, 'tools[0].input_examples'],
  [{ tool_choice: { type: 'constructor' } }, 'tool_choice.type'],
  [{ messages: [USER, { role: 'assistant', content: 'So' }] }, 'messages[1].role'],
  [{ messages: [{ role: 'developer', content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'user', content: [{ type: 'document', source: {} }] }] }, 'messages[0].content[0].type'],
  [
    { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] }] },
    'messages[0].content[0].source.file_id',
  ],
  [
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x' },
            { type: 'tool_result', tool_use_id: 't' },
          ],
        },
      ],
    },
    'messages[0].content[0]',
  ],
  [
    {
      messages: [
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: {} }] }] },
      ],
    },
    'messages[0].content[0].content[0].type',
  ],
  [
    { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { id: 2 ** 53 + 2 } }] }, USER] },
    'messages[0].content[0].input',
  ],
])('%j is refused by its name', (given, param) => {
  expect(refused(given)).toBe(param);
});

const TOLD = { model: 'gpt-x', createdEpochSeconds: 1 };
const MESSAGE = {
  role: 'assistant',
  content: 'Here.',
  refusal: null,
  tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
};
const answerOf = (message: unknown, finish: string) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-x-1',
  choices: [{ index: 0, message, finish_reason: finish }],
  usage: {
    prompt_tokens: 60,
    completion_tokens: 5,
    total_tokens: 65,
    prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20 },
    completion_tokens_details: { reasoning_tokens: 2 },
  },
});

test('an answer is told as a message, with cache tokens beside the input', () => {
  expect(MESSAGES_TO_CHAT.answer(answerOf(MESSAGE, 'tool_calls'), TOLD)).toEqual({
    id: 'chatcmpl-1',
    type: 'message',
    role: 'assistant',
    model: 'gpt-x-1',
    content: [
      { type: 'text', text: 'Here.', citations: null },
      { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: {
      input_tokens: 10,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 30,
      output_tokens: 5,
      output_tokens_details: { thinking_tokens: 2 },
      server_tool_use: null,
    },
  });
});

test.each([
  [{ content: 'x' }, 'stop', 'end_turn'],
  [{ content: 'x' }, 'length', 'max_tokens'],
  [{ content: 'x' }, 'content_filter', 'refusal'],
  [{ content: null, refusal: 'No.' }, 'stop', 'refusal'],
  [MESSAGE, 'tool_calls', 'tool_use'],
  // A forced call ends with stop.
  [MESSAGE, 'stop', 'tool_use'],
  [MESSAGE, 'length', 'max_tokens'],
  [{ content: 'x' }, 'constructor', 'end_turn'],
])('%j ended with %s, told as %s', (message, finish, told) => {
  expect(MESSAGES_TO_CHAT.answer(answerOf(message, finish), TOLD)).toMatchObject({ stop_reason: told });
});

test('arguments cut in the middle are told as what they are, and never as a call without arguments', () => {
  const cut = { content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":' } }] };
  expect(MESSAGES_TO_CHAT.answer(answerOf(cut, 'length'), TOLD)).toMatchObject({
    content: [{ type: 'tool_use', id: 'c', name: 'f', input: { INVALID_JSON: '{"a":' } }],
  });
});

test.each([
  [
    400,
    { error: { message: 'bad', type: 'invalid_request_error', param: 'stop', code: 'bad_stop' } },
    'invalid_request_error',
    'bad',
    { error_code: 'bad_stop', param: 'stop' },
  ],
  [404, { error: { message: 'gone', type: 'x', param: null, code: null } }, 'not_found_error', 'gone', { error_code: 'x' }],
  [
    413,
    { object: 'error', message: 'large', type: 'BadRequest', code: 40_003 },
    'request_too_large',
    'large',
    { error_code: '40003' },
  ],
  [422, { detail: [{ msg: 'x' }] }, 'invalid_request_error', 'The provider refused the request with status 422.', {}],
])('status %i with %j is told as %s', (status, body, type, message, details) => {
  expect(MESSAGES_TO_CHAT.error(body, status)).toEqual({ type: 'error', error: { type, message, details } });
});

test('what is no completion is told as the error that it is', () => {
  expect(MESSAGES_TO_CHAT.answer({ error: { message: 'Broke', code: 'server_error' } }, TOLD)).toEqual({
    type: 'error',
    error: { type: 'api_error', message: 'Broke', details: { error_code: 'server_error' } },
  });
});
