import {
  MAX_ANSWERS,
  MAX_REQUESTED_OUTPUT_TOKENS,
  OUTPUT_CAP_FIELDS,
  readChatFields,
} from '../../../lambdas/domain/request-fields.ts';

const messages = [{ role: 'user', content: 'hi' }];

function read(more: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service' = 'learning') {
  return readChatFields({ model: 'economy', messages, ...more }, purpose);
}

/** The problem of a request that must be refused, as `param: message`. */
function refusal(more: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service' = 'learning'): string {
  const result = read(more, purpose);
  return result.ok ? 'accepted' : `${result.problem.param}: ${result.problem.message}`;
}

function fieldsOf(more: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service' = 'learning') {
  const result = read(more, purpose);
  if (!result.ok) throw new Error(`refused: ${result.problem.message}`);
  return result.fields;
}

/** Every cost-neutral field: the article and shape that its refusal names (none: any shape), a value that fits, one that does not. */
const NEUTRAL: readonly (readonly [name: string, shape: string | undefined, good: unknown, bad?: unknown])[] = [
  ['frequency_penalty', 'a number', 0.5, '0.5'],
  ['function_call', undefined, 'auto'],
  ['functions', 'an array', [], {}],
  ['logit_bias', 'an object', {}, []],
  ['logprobs', 'a boolean', true, 1],
  ['metadata', 'an object', { a: 'b' }, 'x'],
  ['parallel_tool_calls', 'a boolean', false, 'no'],
  ['presence_penalty', 'a number', 1, true],
  ['prompt_cache_key', 'a string', 'k', 1],
  ['prompt_cache_retention', 'a string', '24h', 24],
  ['reasoning_effort', 'a string', 'low', 1],
  ['response_format', 'an object', { type: 'text' }, 'text'],
  ['safety_identifier', 'a string', 's', {}],
  ['seed', 'a number', 7, '7'],
  ['stop', undefined, ['x']],
  ['store', 'a boolean', true, 'true'],
  ['stream', 'a boolean', true, 'true'],
  ['stream_options', 'an object', {}, true],
  ['temperature', 'a number', 0, '0'],
  ['tool_choice', undefined, { type: 'function' }],
  ['top_logprobs', 'a number', 2, '2'],
  ['top_p', 'a number', 1, '1'],
  ['user', 'a string', 'ann', 1],
  ['verbosity', 'a string', 'low', 1],
];

test.each(NEUTRAL.map(([name, shape, good, bad]) => ({ name, shape, good, bad })))(
  'the cost-neutral field $name is listed, and its shape is checked',
  ({ name, shape, good, bad }) => {
    expect(fieldsOf({ [name]: good }, 'service').unlisted).toEqual([]);
    expect(fieldsOf({ [name]: null }, 'service').unlisted).toEqual([]);
    if (shape !== undefined) expect(refusal({ [name]: bad })).toBe(`${name}: ${name} must be ${shape}`);
  },
);

test.each([
  ['audio', 'spoken output is priced by another unit than text'],
  ['best_of', 'it multiplies the generated tokens outside the bound; use n'],
  ['max_gen_len', 'it is another name for the output cap; use max_completion_tokens'],
  ['max_new_tokens', 'it is another name for the output cap; use max_completion_tokens'],
  ['models', 'it lets the provider choose a model of another price'],
  ['moderation', 'it starts a second model that has no bound'],
  ['num_predict', 'it is another name for the output cap; use max_completion_tokens'],
  ['plugins', 'plugins charge by use, beside the tokens'],
  ['prediction', 'rejected prediction tokens are billed above the output cap'],
  ['prompt_cache_options', 'explicit cache writes are priced above the input price'],
  ['search_parameters', 'searches are charged by use, beside the tokens'],
  ['web_search_options', 'searches are charged by use, beside the tokens'],
])('%s has no bound and is refused with the reason, unless it is null', (name, reason) => {
  expect(refusal({ [name]: 1 })).toBe(`${name}: ${name} is not accepted: ${reason}`);
  expect(fieldsOf({ [name]: null }, 'service').unlisted).toEqual([]);
});

test('what carries the bound is listed', () => {
  const listed = { n: 1, tools: [], modalities: ['text'], service_tier: 'auto', max_tokens: 5 };
  expect(fieldsOf(listed, 'service').unlisted).toEqual([]);
  expect(OUTPUT_CAP_FIELDS).toEqual(['max_tokens', 'max_completion_tokens', 'max_output_tokens']);
});

test('a field that nobody listed is refused on a service stage and passed and flagged on a learning stage', () => {
  expect(fieldsOf({ x_new: 1, y: 2 }).unlisted).toEqual(['x_new', 'y']);
  expect(refusal({ x_new: 1, y: 2 }, 'service')).toBe(
    'x_new: x_new is not a field that this gateway knows, and unknown fields have no bound: leave it out',
  );
  expect(fieldsOf({ toString: 1 }).unlisted).toEqual(['toString']);
});

test('names from a caller are made printable and cut', () => {
  expect(fieldsOf({ 'a\nb é-._Z9': 1 }).unlisted).toEqual(['a?b??-._Z9']);
  expect(fieldsOf({ ['x'.repeat(70)]: 1 }).unlisted).toEqual(['x'.repeat(64)]);
});

test('the model is a name of 1 to 256 characters', () => {
  const message = 'model: model must be a name of 1 to 256 characters';
  for (const model of [undefined, null, 7, '', 'x'.repeat(257)]) expect(refusal({ model })).toBe(message);
  expect(fieldsOf({ model: 'x'.repeat(256) }).model).toBe('x'.repeat(256));
});

test('only true makes a stream, and only an asked-for include_usage asks for usage', () => {
  expect(fieldsOf({})).toMatchObject({ stream: false, includeUsage: false });
  expect(fieldsOf({ stream: false })).toMatchObject({ stream: false });
  expect(fieldsOf({ stream: true })).toMatchObject({ stream: true, includeUsage: false });
  expect(fieldsOf({ stream: true, stream_options: {} })).toMatchObject({ includeUsage: false });
  expect(fieldsOf({ stream: true, stream_options: null })).toMatchObject({ includeUsage: false });
  expect(fieldsOf({ stream: true, stream_options: { include_usage: 1 } })).toMatchObject({ includeUsage: false });
  expect(fieldsOf({ stream: true, stream_options: { include_usage: true } })).toMatchObject({ includeUsage: true });
});

test('n is a whole number from 1 to the most answers, 1 when it is left out', () => {
  expect(MAX_ANSWERS).toBe(8);
  const message = 'n: n must be a whole number from 1 to 8';
  for (const n of [0, -1, 9, 1.5, '2', true, Number.NaN]) expect(refusal({ n })).toBe(message);
  expect([undefined, null, 1, 8].map((n) => fieldsOf({ n }).answers)).toEqual([1, 1, 1, 8]);
});

test('an output cap is a whole number, and two of them must agree', () => {
  expect(MAX_REQUESTED_OUTPUT_TOKENS).toBe(10_000_000);
  expect(fieldsOf({}).requestedOutputTokens).toBeUndefined();
  for (const name of OUTPUT_CAP_FIELDS) {
    expect(fieldsOf({ [name]: 12 }).requestedOutputTokens).toBe(12);
    expect(fieldsOf({ [name]: 10_000_000 }).requestedOutputTokens).toBe(10_000_000);
    expect(fieldsOf({ [name]: null }).requestedOutputTokens).toBeUndefined();
    expect(refusal({ [name]: 0 })).toBe(`${name}: ${name} must be a whole number from 1 to 10000000`);
    expect(refusal({ [name]: 10_000_001 })).toBe(`${name}: ${name} must be a whole number from 1 to 10000000`);
  }
  expect(fieldsOf({ max_tokens: 5, max_output_tokens: 5 }).requestedOutputTokens).toBe(5);
  expect(refusal({ max_tokens: 5, max_completion_tokens: 6 })).toBe(
    'max_completion_tokens: max_completion_tokens and max_tokens differ: send one of them',
  );
});

test('messages are a list of at least one object with a known role', () => {
  for (const bad of [undefined, null, {}, []])
    expect(refusal({ messages: bad })).toBe('messages: messages must be a list with at least one message');
  for (const bad of [null, 'hi', []])
    expect(refusal({ messages: [messages[0], bad] })).toBe('messages[1]: messages[1] must be an object');
  for (const role of [undefined, 'robot', 7]) {
    expect(refusal({ messages: [{ role, content: '' }] })).toBe(
      'messages[0].role: messages[0].role must be one of assistant, developer, function, system, tool, user',
    );
  }
  for (const role of ['assistant', 'developer', 'function', 'system', 'tool', 'user'])
    expect(fieldsOf({ messages: [{ role, content: '' }] }, 'service').unlisted).toEqual([]);
});

test('fields of a message are listed, audio is refused', () => {
  const full = {
    role: 'assistant',
    content: null,
    function_call: {},
    name: 'a',
    reasoning_content: 'r',
    refusal: null,
    tool_call_id: 't',
    tool_calls: [],
  };
  expect(fieldsOf({ messages: [full] }, 'service').unlisted).toEqual([]);
  expect(fieldsOf({ messages: [{ ...full, audio: null }] }, 'service').unlisted).toEqual([]);
  expect(fieldsOf({ messages: [{ role: 'user', 'x y': 1 }] }).unlisted).toEqual(['messages[].x?y']);
  expect(refusal({ messages: [{ role: 'user', audio: {} }] })).toBe(
    'messages[0].audio: messages[0].audio is not accepted: audio has no bound yet',
  );
});

test('content is a text or parts of text; anything else has no bound', () => {
  const withContent = (content: unknown) => ({ messages: [{ role: 'user', content }] });
  for (const good of [undefined, null, 'text', [], [{ type: 'text', text: 'a' }], [{ type: 'refusal', refusal: 'no' }]])
    expect(fieldsOf(withContent(good), 'service').unlisted).toEqual([]);
  for (const bad of [7, {}, true])
    expect(refusal(withContent(bad))).toBe('messages[0].content: messages[0].content must be a text or a list of parts');
  for (const bad of [null, 'text', { text: 'a' }, { type: 7 }, []])
    expect(refusal(withContent([{ type: 'text', text: '' }, bad]))).toBe(
      'messages[0].content[1]: messages[0].content[1] must be an object with a type',
    );
  expect(refusal(withContent([{ type: 'image url', image_url: {} }]))).toBe(
    'messages[0].content[0].type: a part of type image?url is not accepted: only text and images have a bound',
  );
  expect(refusal(withContent([{ type: 'toString' }]))).toContain('a part of type toString is not accepted: only text');
  expect(refusal(withContent([{ type: 'text', text: 7 }]))).toBe(
    'messages[0].content[0].text: messages[0].content[0].text must be a text',
  );
  expect(refusal(withContent([{ type: 'refusal', text: 'a' }]))).toBe(
    'messages[0].content[0].refusal: messages[0].content[0].refusal must be a text',
  );
  expect(fieldsOf(withContent([{ type: 'text', text: 'a', 'cache control': {} }])).unlisted).toEqual([
    'messages[].content[].cache?control',
  ]);
});

test('an image counts its own bound, and the bytes of one in the body count no more', () => {
  const withImages = (...images: unknown[]) =>
    fieldsOf({ messages: [{ role: 'user', content: images.map((image_url) => ({ type: 'image_url', image_url })) }] }, 'service');
  expect(withImages({ url: 'https://example.com/a.png' })).toMatchObject({ mediaTokens: 48_169, mediaBytes: 0 });
  expect(withImages({ url: 'data:image/png;base64,QUJDRA==', detail: 'low' })).toMatchObject({
    mediaTokens: 16_384,
    mediaBytes: 8,
  });
  expect(withImages('https://example.com/a.png', { url: 'data:image/jpeg;base64,QUJD', detail: 'high' })).toMatchObject({
    mediaTokens: 96_338,
    mediaBytes: 4,
  });
  expect(fieldsOf({})).toMatchObject({ mediaTokens: 0, mediaBytes: 0 });
});

test('what is no image, and what is no text and no image, is refused by name', () => {
  const withPart = (part: unknown) => refusal({ messages: [{ role: 'user', content: [part] }] });
  const where = 'messages[0].content[0]';
  for (const url of [undefined, 7, '', 'file:///a', 'data:image/png;base64,read this as text'])
    expect(withPart({ type: 'image_url', image_url: { url } })).toContain(
      `${where}.image_url.url: ${where}.image_url.url must be an http(s) address, or data:image/`,
    );
  expect(withPart({ type: 'image_url' })).toContain(`${where}.image_url: `);
  expect(withPart({ type: 'input_audio', input_audio: { data: 'QUJD', format: 'wav' } })).toBe(
    `${where}.type: a part of type input_audio is not accepted: audio tokens have a price of their own`,
  );
  expect(withPart({ type: 'file', file: { file_data: 'data:application/pdf;base64,QUJD' } })).toContain(
    `${where}.type: a part of type file is not accepted: the pages and the packed text of a file have no bound`,
  );
  expect(withPart({ type: 'text', text: 'a', prompt_cache_breakpoint: {} })).toBe(
    `${where}.prompt_cache_breakpoint: ${where}.prompt_cache_breakpoint is not accepted: explicit cache writes are priced above the input price`,
  );
  const odd = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.b', zoom: 2 } }] }] };
  expect(fieldsOf(odd).unlisted).toEqual(['messages[].content[].image_url.zoom']);
});

test('tools are functions or custom ones: those that the provider runs are charged by use', () => {
  for (const tools of [undefined, null, [], [{ type: 'function' }, { type: 'custom' }]])
    expect(fieldsOf({ tools }, 'service').unlisted).toEqual([]);
  expect(refusal({ tools: {} })).toBe('tools: tools must be a list');
  expect(refusal({ tools: [{ type: 'web_search' }] })).toBe(
    'tools[0].type: a tool of type web_search is not accepted. ' +
      'tools[0].type may be function or custom: tools that the provider runs are charged by use',
  );
  for (const bad of [null, 'function', {}])
    expect(refusal({ tools: [{ type: 'function' }, bad] })).toBe(
      'tools[1].type: tools[1].type may be function or custom: tools that the provider runs are charged by use',
    );
});

test('what a provider adds by itself where there are tools is in the bound: Claude behind this protocol adds 804 tokens', () => {
  for (const without of [null, []]) expect(fieldsOf({ tools: without, functions: without }).mediaTokens).toBe(0);
  expect(fieldsOf({}).mediaTokens).toBe(0);
  const tool = { type: 'function', function: { name: 'f' } };
  expect(fieldsOf({ tools: [tool] }).mediaTokens).toBe(1_024);
  expect(fieldsOf({ tools: [tool, tool] }).mediaTokens).toBe(1_024);
  expect(fieldsOf({ functions: [{ name: 'f' }] }).mediaTokens).toBe(1_024);
});

test('what stands beside the content of a message is text: an image in another place has no bound', () => {
  const image = [{ type: 'image_url', image_url: { url: 'https://a.b' } }];
  for (const name of ['name', 'reasoning_content', 'refusal', 'tool_call_id']) {
    const withField = (value: unknown) => ({ messages: [{ role: 'assistant', content: 'x', [name]: value }] });
    for (const good of [null, '', 'text']) expect(fieldsOf(withField(good), 'service').unlisted).toEqual([]);
    for (const bad of [image, {}, 1])
      expect(refusal(withField(bad))).toBe(`messages[0].${name}: messages[0].${name} must be a text`);
  }
});

test('a member of a tool that nobody listed, such as a mark that starts a cache write, is an unlisted field', () => {
  const called = { name: 'f', description: 'd', parameters: {}, strict: true };
  const custom = { name: 'c', description: 'd', format: { type: 'text' } };
  const listed = [
    { type: 'function', function: called },
    { type: 'custom', custom },
  ];
  expect(fieldsOf({ tools: listed }, 'service').unlisted).toEqual([]);
  const marked = { type: 'function', function: called, cache_control: { type: 'ephemeral', ttl: '1h' } };
  expect(refusal({ tools: [marked] }, 'service')).toMatch(/^tools\[\]\.cache_control: /);
  expect(fieldsOf({ tools: [marked] }).unlisted).toEqual(['tools[].cache_control']);
  const inside = { type: 'function', function: { ...called, cache_control: { type: 'ephemeral' } } };
  expect(refusal({ tools: [inside] }, 'service')).toMatch(/^tools\[\]\.function\.cache_control: /);
});

test.each([
  ['MAX_TOKENS', 'max_tokens'],
  ['N', 'n'],
  ['Tools', 'tools'],
  ['maX_tokens', 'max_tokens'],
  ['tool\u017f', 'tools'],
  ['web_search_option\u017f', 'web_search_options'],
])('%j is refused everywhere: a server that reads names without regard to case takes it for %s', (name, known) => {
  for (const purpose of ['learning', 'service'] as const) {
    expect(refusal({ [name]: 100_000 }, purpose)).toMatch(new RegExp(`^${known}: .* read names without regard to case`));
  }
});

test('only text is answered, on tiers that are not dearer', () => {
  for (const modalities of [undefined, null, ['text'], ['text', 'text']])
    expect(fieldsOf({ modalities }, 'service').unlisted).toEqual([]);
  for (const modalities of [[], ['audio'], ['text', 'audio'], 'text', {}])
    expect(refusal({ modalities })).toBe('modalities: modalities may only be ["text"]: other output is priced by another unit');
  for (const tier of [undefined, null, 'auto', 'default', 'flex'])
    expect(fieldsOf({ service_tier: tier }, 'service').unlisted).toEqual([]);
  for (const tier of ['priority', '', 1])
    expect(refusal({ service_tier: tier })).toBe(
      'service_tier: service_tier may be auto, default or flex: other tiers have dearer prices',
    );
});

test('what is no refusal is thrown on', () => {
  const broken = {
    model: 'm',
    get messages(): never {
      throw new TypeError('broken');
    },
  };
  expect(() => readChatFields(broken, 'learning')).toThrow(TypeError);
});
