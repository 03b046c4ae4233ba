import { readResponsesFields } from '../../../lambdas/domain/responses-fields.ts';

type Body = Readonly<Record<string, unknown>>;

function read(more: Body, purpose: 'learning' | 'service' = 'service') {
  return readResponsesFields({ model: 'economy', input: 'hi', ...more }, purpose);
}

function refusal(more: Body, purpose: 'learning' | 'service' = 'service'): string {
  const result = read(more, purpose);
  return result.ok ? 'accepted' : `${result.problem.param}: ${result.problem.message}`;
}

function fieldsOf(more: Body, purpose: 'learning' | 'service' = 'service') {
  const result = read(more, purpose);
  if (!result.ok) throw new Error(`refused: ${result.problem.message}`);
  return result.fields;
}

test('what clients send in one call is taken, whole', () => {
  const everything: Body = {
    background: false,
    image: { context_compression: 'auto' },
    include: ['reasoning.encrypted_content'],
    instructions: 'Be brief.',
    max_output_tokens: 300,
    max_tool_calls: 3,
    metadata: { a: 'b' },
    parallel_tool_calls: true,
    prompt_cache_key: 'k',
    prompt_cache_retention: '24h',
    reasoning: { effort: 'low', summary: 'auto' },
    safety_identifier: 's',
    service_tier: 'auto',
    store: false,
    stream: true,
    stream_options: { include_obfuscation: false },
    temperature: 0.5,
    text: { format: { type: 'text' }, verbosity: 'low' },
    tool_choice: 'auto',
    tools: [
      { type: 'function', name: 'f', parameters: {}, strict: true },
      { type: 'custom', name: 'c' },
    ],
    top_logprobs: 2,
    top_p: 1,
    truncation: 'auto',
    user: 'u',
  };
  expect(fieldsOf(everything)).toEqual({
    model: 'economy',
    stream: true,
    includeUsage: true,
    answers: 1,
    requestedOutputTokens: 300,
    // What a provider adds by itself where there are tools.
    mediaTokens: 1_024,
    mediaBytes: 0,
    unlisted: [],
  });
  // Every field may be null, as SDKs write what is not set.
  for (const name of Object.keys(everything)) expect(fieldsOf({ [name]: null }).unlisted).toEqual([]);
});

test.each([
  ['previous_response_id', 'resp_1', 'send the history in input, with store: false'],
  ['conversation', { id: 'conv_1' }, 'send the history in input, with store: false'],
  ['prompt', { id: 'pmpt_1' }, 'send its text in instructions and input'],
  ['context_management', [{ type: 'compaction' }], 'compaction generates tokens beside the output cap'],
  ['moderation', { model: 'omni-moderation-latest' }, 'a second model'],
  ['prompt_cache_options', { mode: 'explicit' }, 'cache writes are priced above the input price'],
  ['max_tokens', 5, 'use max_output_tokens'],
  ['max_completion_tokens', 5, 'use max_output_tokens'],
  ['messages', [], 'use input'],
  ['n', 2, 'one answer'],
])('%s has no bound and is refused with what to do, on both kinds of stages', (name, value, advice) => {
  for (const purpose of ['learning', 'service'] as const) {
    expect(refusal({ [name]: value }, purpose)).toMatch(new RegExp(`^${name}: ${name} is not accepted: .*${advice}`));
  }
});

test.each([
  'web_search',
  'web_search_preview',
  'file_search',
  'code_interpreter',
  'computer',
  'computer_use_preview',
  'image_generation',
  'mcp',
  'local_shell',
  'shell',
  'apply_patch',
  'tool_search',
  'namespace',
  'programmatic_tool_calling',
])('the tool %s is refused by name', (type) => {
  expect(refusal({ tools: [{ type: 'function', name: 'f' }, { type }] }, 'learning')).toBe(
    `tools[1].type: a tool of type ${type} is not accepted. ` +
      'tools[1].type may be function or custom: tools that the provider runs are charged by use',
  );
});

test('a member of a tool that nobody listed is an unlisted field', () => {
  const tool = {
    type: 'function',
    name: 'f',
    description: 'd',
    parameters: {},
    strict: true,
    output_schema: {},
    allowed_callers: ['direct'],
    async: false,
    defer_loading: false,
  };
  expect(fieldsOf({ tools: [tool, { type: 'custom', name: 'c', format: { type: 'text' } }] }).unlisted).toEqual([]);
  expect(refusal({ tools: [{ ...tool, cache_control: { type: 'ephemeral' } }] })).toMatch(/^tools\[\]\.cache_control: /);
});

test('what stands in an item beside its content or output is text: an image in another place has no bound', () => {
  const image = [{ type: 'input_image', image_url: 'https://a.b', text: 'x' }];
  const sealed = { type: 'reasoning', encrypted_content: 'gAAAA' };
  for (const name of ['summary', 'content']) {
    expect(refusal({ input: [{ ...sealed, [name]: image }] })).toBe(
      `input[0].${name}[0]: input[0].${name}[0] must be a text of type summary_text or reasoning_text`,
    );
    const odd = [{ type: { toString: 1, valueOf: 1 }, text: 'x' }];
    expect(refusal({ input: [{ ...sealed, [name]: odd }] })).toMatch(/summary_text or reasoning_text$/);
    expect(refusal({ input: [{ ...sealed, [name]: {} }] })).toBe(`input[0].${name}: input[0].${name} must be a list`);
    expect(fieldsOf({ input: [{ ...sealed, [name]: [{ type: 'summary_text', text: 'x' }] }] }).unlisted).toEqual([]);
  }
  const calls = [
    ['arguments', { type: 'function_call', call_id: 'c', name: 'f', arguments: image }],
    ['input', { type: 'custom_tool_call', call_id: 'c', name: 'f', input: image }],
  ] as const;
  for (const [name, item] of calls) expect(refusal({ input: [item] })).toBe(`input[0].${name}: input[0].${name} must be a text`);
});

test('a message carries its content: one with an id alone would stand for what the provider keeps', () => {
  for (const more of [{}, { content: null }]) {
    expect(refusal({ input: [{ role: 'assistant', id: 'msg_1', ...more }] }, 'learning')).toBe(
      'input[0].content: input[0].content must be a text or a list of parts',
    );
  }
});

test('a turn with tools is taken when every token of it stands in the body', () => {
  const input = [
    { role: 'developer', content: 'Be brief.' },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA', status: 'completed' },
    { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'open' }] },
    { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'f', arguments: '{}', status: 'completed' },
    { type: 'function_call_output', call_id: 'c', output: '7 degrees' },
    { type: 'custom_tool_call', id: 'ct_1', call_id: 'd', name: 'g', input: 'x' },
    { type: 'custom_tool_call_output', call_id: 'd', output: [{ type: 'input_text', text: 'y' }] },
    {
      type: 'message',
      id: 'msg_1',
      role: 'assistant',
      status: 'completed',
      phase: 'final_answer',
      content: [
        { type: 'output_text', text: 'Cold.', annotations: [], logprobs: [] },
        { type: 'refusal', refusal: 'No.' },
      ],
    },
  ];
  expect(fieldsOf({ input }).unlisted).toEqual([]);
});

test.each([
  ['item_reference', { type: 'item_reference', id: 'msg_1' }, 'send the history in input, with store: false'],
  ['a web search call', { type: 'web_search_call', id: 'ws_1' }, 'an item of type web_search_call is not accepted'],
  ['compaction', { type: 'compaction', encrypted_content: 'x' }, 'an item of type compaction is not accepted'],
  ['mcp call', { type: 'mcp_call', id: 'm' }, 'an item of type mcp_call is not accepted'],
  ['toString', { type: 'toString' }, 'an item of type toString is not accepted'],
  ['no text as type', { type: 7 }, 'the type of an item must be a text'],
])('an item of the history that stands at the provider is refused: %s', (_name, item, advice) => {
  const message = refusal({ input: [{ role: 'user', content: 'hi' }, item] }, 'learning');
  expect(message).toMatch(/^input\[1\]\.type: input\[1\]: /);
  expect(message).toContain(advice);
});

test('reasoning that is named and not carried is refused: the provider would put in what it keeps', () => {
  for (const item of [
    { type: 'reasoning', id: 'rs_1', summary: [] },
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: null },
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: '' },
    { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: '' }] },
  ]) {
    expect(refusal({ input: [item] })).toMatch(/^input\[0\]\.encrypted_content: .*include: \["reasoning.encrypted_content"\]/);
  }
});

test('input is a text, or a list of messages and items with known roles and parts', () => {
  for (const bad of [undefined, null, 7, {}, []])
    expect(refusal({ input: bad })).toBe('input: input must be a text or a list with at least one item');
  expect(refusal({ input: ['hi'] })).toBe('input[0]: input[0] must be an object');
  for (const role of [undefined, 'tool', 7])
    expect(refusal({ input: [{ role, content: 'x' }] })).toBe(
      'input[0].role: input[0].role must be one of assistant, developer, system, user',
    );
  expect(refusal({ input: [{ role: 'user', content: 7 }] })).toBe(
    'input[0].content: input[0].content must be a text or a list of parts',
  );
  expect(refusal({ input: [{ role: 'user', content: [{ type: 'input_text', text: 7 }] }] })).toBe(
    'input[0].content[0].text: input[0].content[0].text must be a text',
  );
  for (const type of ['input_file', 'input_audio', 'summary_text', 'toString'])
    expect(refusal({ input: [{ role: 'user', content: [{ type }] }] })).toContain(
      `input[0].content[0].type: a part of type ${type} is not accepted`,
    );
  expect(
    refusal({ input: [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_id: 'f' }] }] }),
  ).toContain('input[0].output[0].type: a part of type input_file is not accepted');
});

test('images are bounded in messages and in the outputs of tools; by id they are refused', () => {
  const image = { type: 'input_image', image_url: 'data:image/png;base64,QUJDRA==', detail: 'auto' };
  const low = { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' };
  expect(
    fieldsOf({
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'x' }, image] },
        { type: 'function_call_output', call_id: 'c', output: [low] },
      ],
    }),
  ).toMatchObject({ mediaTokens: 48_169 + 16_384, mediaBytes: 8, unlisted: [] });
  const refused = (part: unknown) => refusal({ input: [{ role: 'user', content: [part] }] });
  expect(refused({ type: 'input_image', file_id: 'file-1' })).toContain('input[0].content[0].file_id');
  expect(refused({ type: 'input_image', image_url: 'file-1' })).toContain('input[0].content[0].image_url must be an http(s)');
  expect(refused({ ...image, prompt_cache_breakpoint: {} })).toContain('prompt_cache_breakpoint is not accepted');
});

test('what could cost more than the bound is checked by its value', () => {
  expect(refusal({ background: true })).toContain('background: background may only be false');
  expect(refusal({ background: 'true' })).toContain('background: ');
  expect(refusal({ service_tier: 'priority' })).toContain('service_tier: ');
  expect(refusal({ service_tier: 'fast' })).toContain('service_tier: ');
  expect(refusal({ reasoning: { mode: 'pro' } })).toContain('reasoning.mode: ');
  expect(refusal({ reasoning: 'high' })).toBe('reasoning: reasoning must be an object');
  expect(fieldsOf({ reasoning: { mode: 'standard' } }).unlisted).toEqual([]);
  for (const cap of [0, -1, 1.5, '5', 10_000_001]) expect(refusal({ max_output_tokens: cap })).toContain('max_output_tokens: ');
});

test('a field that nobody listed is refused on a service stage, and named on a learning one', () => {
  const more = {
    brand_new: 1,
    input: [{ role: 'user', tone: 'warm', content: [{ type: 'input_text', text: 'x', weight: 2 }] }],
  };
  expect(refusal(more)).toContain('brand_new: brand_new is not a field that this gateway knows');
  expect(fieldsOf(more, 'learning').unlisted).toEqual(['brand_new', 'input[].tone', 'input[].content[].weight']);
});
