import { CHAT_TO_MESSAGES } from '../../../../lambdas/domain/protocols/chat-to-messages.ts';

const USER = { role: 'user', content: 'hi' };

function translated(more: Readonly<Record<string, unknown>>): unknown {
  const result = CHAT_TO_MESSAGES.request({ model: 'economy', messages: [USER], ...more });
  if (!result.ok) throw new Error(`${result.problem.param}: ${result.problem.message}`);
  return JSON.parse(JSON.stringify(result.body));
}

function refused(more: Readonly<Record<string, unknown>>): string {
  const result = CHAT_TO_MESSAGES.request({ model: 'economy', messages: [USER], ...more });
  return result.ok ? 'accepted' : result.problem.param;
}

const HI = { model: 'economy', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] };

test('a conversation with tools becomes turns, with the results of parallel calls in one of them', () => {
  const body = translated({
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Looking.',
        refusal: null,
        annotations: [],
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
          { id: 'call_2', type: 'function', function: { name: 'now', arguments: '' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
      { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: '12:00' }] },
      { role: 'user', content: 'And?' },
      { role: 'system', content: 'Now in Italian.' },
      { role: 'user', content: '' },
      { role: 'user', content: 'Go.' },
    ],
  });
  expect(body).toEqual({
    model: 'economy',
    system: [
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'Be kind.' },
    ],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Looking.' },
          { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Rome' } },
          { type: 'tool_use', id: 'call_2', name: 'now', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: 'sunny' },
          { type: 'tool_result', tool_use_id: 'call_2', content: [{ type: 'text', text: '12:00' }] },
          { type: 'text', text: 'And?' },
        ],
      },
      { role: 'system', content: [{ type: 'text', text: 'Now in Italian.' }] },
      { role: 'user', content: [{ type: 'text', text: 'Go.' }] },
    ],
  });
});

test('images go on as URLs or as base64, and other schemes and types are refused', () => {
  const image = (url: string) => ({
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url, detail: 'low' } }] }],
  });
  expect(translated(image('https://example.com/a.png'))).toMatchObject({
    messages: [{ content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }] }],
  });
  expect(translated(image('data:image/png;base64,iVBORw0='))).toMatchObject({
    messages: [{ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0=' } }] }],
  });
  expect(translated(image('data:image/JPG;base64,iVBORw0='))).toMatchObject({
    messages: [{ content: [{ source: { type: 'base64', media_type: 'image/jpeg' } }] }],
  });
  for (const url of ['http://example.com/a.png', 'data:image/tiff;base64,AAAA', 'data:image/png,x', 'file:///etc/passwd'])
    expect(refused(image(url))).toBe('messages[0].content[0].image_url.url');
});

test.each([
  [{ max_tokens: 7 }, { max_tokens: 7 }],
  [{ max_completion_tokens: 8 }, { max_tokens: 8 }],
  [{ stream: true, stream_options: { include_usage: true } }, { stream: true }],
  [{ stream: false }, {}],
  [{ stop: 'END' }, { stop_sequences: ['END'] }],
  [{ stop: ['A', 'B'] }, { stop_sequences: ['A', 'B'] }],
  [{ stop: [] }, {}],
  [
    { temperature: 1, top_p: 0.5 },
    { temperature: 1, top_p: 0.5 },
  ],
  [{ user: 'u1' }, { metadata: { user_id: 'u1' } }],
  [{ user: 'u1', safety_identifier: 's1' }, { metadata: { user_id: 's1' } }],
  [{ reasoning_effort: 'high' }, { output_config: { effort: 'high' } }],
  [{ reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }],
  [{ response_format: { type: 'text' } }, {}],
  [
    { response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object' } } } },
    { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } },
  ],
  [
    {
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'n', description: 'D', schema: {} } },
    },
    { output_config: { effort: 'low', format: { type: 'json_schema', schema: { description: 'D' } } } },
  ],
  [
    {
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      seed: null,
      functions: null,
    },
    {},
  ],
  [
    {
      metadata: { a: 'b' },
      modalities: ['text'],
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
      service_tier: 'auto',
      store: true,
    },
    {},
  ],
])('%j becomes %j', (given, made) => {
  expect(translated(given)).toEqual({ ...HI, ...made });
});

const FUNCTION = {
  name: 'f',
  description: 'does',
  parameters: { type: 'object', properties: { a: { type: 'string' } } },
  strict: true,
};
const TOOLS = [{ type: 'function', function: FUNCTION }];
const MADE_TOOLS = [{ name: 'f', description: 'does', input_schema: FUNCTION.parameters, strict: true }];

test.each([
  [{}, {}],
  [{ tool_choice: 'auto' }, { tool_choice: { type: 'auto' } }],
  [{ tool_choice: 'none' }, { tool_choice: { type: 'none' } }],
  [{ tool_choice: 'required' }, { tool_choice: { type: 'any' } }],
  [{ tool_choice: { type: 'function', function: { name: 'f' } } }, { tool_choice: { type: 'tool', name: 'f' } }],
  [{ parallel_tool_calls: false }, { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
  [{ parallel_tool_calls: true }, {}],
  [{ parallel_tool_calls: false, tool_choice: 'required' }, { tool_choice: { type: 'any', disable_parallel_tool_use: true } }],
])('with tools, %j becomes %j', (given, made) => {
  expect(translated({ tools: TOOLS, ...given })).toEqual({ ...HI, tools: MADE_TOOLS, ...made });
});

test('a function without parameters has an empty object as its schema, and a schema without a type gets it', () => {
  expect(translated({ tools: [{ type: 'function', function: { name: 'f' } }] })).toMatchObject({
    tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }],
  });
  expect(translated({ tools: [{ type: 'function', function: { name: 'f', parameters: { properties: {} } } }] })).toMatchObject({
    tools: [{ input_schema: { type: 'object', properties: {} } }],
  });
});

test.each([
  [{ n: 2 }, 'n'],
  [{ seed: 7 }, 'seed'],
  [{ logprobs: true }, 'logprobs'],
  [{ logit_bias: { 5: 1 } }, 'logit_bias'],
  [{ frequency_penalty: 0.1 }, 'frequency_penalty'],
  [{ presence_penalty: -1 }, 'presence_penalty'],
  [{ verbosity: 'low' }, 'verbosity'],
  [{ functions: [] }, 'functions'],
  [{ function_call: 'auto' }, 'function_call'],
  [{ temperature: 1.1 }, 'temperature'],
  [{ reasoning_effort: 'minimal' }, 'reasoning_effort'],
  [{ response_format: { type: 'json_object' } }, 'response_format.type'],
  [{ some_new_field: 1 }, 'some_new_field'],
  [{ 'bad name\u0000': 1 }, 'bad?name?'],
  [{ tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0].type'],
  [{ tools: TOOLS, tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, 'tool_choice'],
  [{ tools: TOOLS, tool_choice: 'constructor' }, 'tool_choice'],
  [{ messages: [{ role: 'function', name: 'f', content: 'x' }, USER] }, 'messages[0].role'],
  [{ messages: [{ role: 'user', name: 'Ann', content: 'x' }] }, 'messages[0].name'],
  [{ messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }, 'messages[0].content[0].type'],
  [{ messages: [{ role: 'user', content: [{ type: 'text', text: 'x', extra: 1 }] }] }, 'messages[0].content[0].extra'],
  [{ messages: [{ role: 'system', content: 'only this' }] }, 'messages'],
  [{ messages: [USER, { role: 'assistant', content: 'So' }] }, 'messages[1].role'],
  [
    {
      messages: [
        USER,
        {
          role: 'assistant',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"id":[9007199254740993]}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'ok' },
      ],
    },
    'messages[1].tool_calls[0].function.arguments',
  ],
])('%j is refused by its name', (given, param) => {
  expect(refused(given)).toBe(param);
});

test('arguments that are no JSON object travel as Anthropic says', () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":' } };
  const messages = [
    USER,
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'c', content: '' },
  ];
  expect(translated({ messages })).toMatchObject({
    messages: [
      {},
      { content: [{ type: 'tool_use', input: { INVALID_JSON: '{"a":' } }] },
      { content: [{ type: 'tool_result', tool_use_id: 'c' }] },
    ],
  });
});

const TOLD = { model: 'claude-x', createdEpochSeconds: 1_700_000_000 };
const ANSWER = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-x-1',
  content: [
    { type: 'thinking', thinking: 'hm', signature: 's' },
    { type: 'text', text: 'Here ' },
    { type: 'text', text: 'it is.' },
    { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: 1 } },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: {
    input_tokens: 10,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 30,
    output_tokens: 5,
    output_tokens_details: { thinking_tokens: 2 },
  },
};

test('an answer is told as a completion, with cache tokens inside the prompt', () => {
  expect(CHAT_TO_MESSAGES.answer(ANSWER, TOLD)).toEqual({
    id: 'msg_1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'claude-x-1',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'Here it is.',
          refusal: null,
          tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage: {
      prompt_tokens: 60,
      completion_tokens: 5,
      total_tokens: 65,
      prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
  });
});

test.each([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
  ['constructor', 'stop'],
])('it ended with %s, told as %s', (given, told) => {
  expect(CHAT_TO_MESSAGES.answer({ ...ANSWER, stop_reason: given }, TOLD)).toMatchObject({ choices: [{ finish_reason: told }] });
});

test('a refusal is told with its explanation', () => {
  const answer = {
    ...ANSWER,
    content: [],
    stop_reason: 'refusal',
    stop_details: { type: 'refusal', category: 'bio', explanation: 'No.' },
  };
  expect(CHAT_TO_MESSAGES.answer(answer, TOLD)).toMatchObject({
    choices: [{ message: { content: '', refusal: 'No.' }, finish_reason: 'content_filter' }],
  });
});

test.each([
  [
    { type: 'error', error: { type: 'invalid_request_error', message: 'too long' }, request_id: 'r' },
    { error: { message: 'too long', type: 'invalid_request_error', param: null, code: null } },
  ],
  [
    { type: 'error', error: { type: 'not_found_error', message: 'no', details: { error_code: 'thread_not_found' } } },
    { error: { message: 'no', type: 'not_found_error', param: null, code: 'thread_not_found' } },
  ],
  [
    { message: 'The model is not there' },
    { error: { message: 'The model is not there', type: 'invalid_request_error', param: null, code: null } },
  ],
  [
    [],
    {
      error: {
        message: 'The provider refused the request with status 400.',
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    },
  ],
])('the error %j is told as %j', (given, told) => {
  expect(CHAT_TO_MESSAGES.error(given, 400)).toEqual(told);
});

test('what is no message is told as the error that it is', () => {
  expect(CHAT_TO_MESSAGES.answer({ type: 'error', error: { type: 'api_error', message: 'Broke' } }, TOLD)).toEqual({
    error: { message: 'Broke', type: 'api_error', param: null, code: null },
  });
});
