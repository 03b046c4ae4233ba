import { MAX_CLAUDE_IMAGE_TOKENS } from '../../../lambdas/domain/messages-content.ts';
import { FORMAT_PROMPT_TOKENS, readCountTokensFields, readMessagesFields } from '../../../lambdas/domain/messages-fields.ts';
import { ANTHROPIC_TOOL_TOKENS, TOOLS_PROMPT_TOKENS } from '../../../lambdas/domain/messages-tools.ts';
import type { RequestFields } from '../../../lambdas/domain/protocols/api.ts';

const messages = [{ role: 'user', content: 'hi' }];
type Body = Readonly<Record<string, unknown>>;
type Purpose = 'learning' | 'service';

function fieldsOf(more: Body, purpose: Purpose = 'service'): RequestFields {
  const result = readMessagesFields({ model: 'claude', max_tokens: 100, messages, ...more }, purpose);
  if (!result.ok) throw new Error(`refused: ${result.problem.param}: ${result.problem.message}`);
  return result.fields;
}

/** The problem of a request that must be refused, as `param: message`. */
function refusal(more: Body, purpose: Purpose = 'learning'): string {
  const result = readMessagesFields({ model: 'claude', max_tokens: 100, messages, ...more }, purpose);
  return result.ok ? 'accepted' : `${result.problem.param}: ${result.problem.message}`;
}

const user = (...content: readonly unknown[]): Body => ({ messages: [{ role: 'user', content }] });

test('a plain request is bounded by its bytes and its cap, and writes no cache', () => {
  expect(fieldsOf({})).toEqual({
    model: 'claude',
    stream: false,
    includeUsage: true,
    answers: 1,
    requestedOutputTokens: 100,
    leastOutputTokens: undefined,
    mediaTokens: 0,
    mediaBytes: 0,
    cacheWrites: 'none',
    unlisted: [],
  });
  expect(fieldsOf({ stream: true })).toMatchObject({ stream: true });
});

test('every field that the SDK documents for a message is accepted, or refused by name', () => {
  const accepted: Body = {
    cache_control: { type: 'ephemeral' },
    diagnostics: { previous_message_id: 'msg_1' },
    inference_geo: 'global',
    metadata: { user_id: 'u' },
    output_config: { effort: 'high', format: { type: 'json_schema', schema: {} } },
    service_tier: 'standard_only',
    speed: 'standard',
    stop_sequences: ['x'],
    stream: false,
    system: 'be brief',
    temperature: 1,
    thinking: { type: 'adaptive' },
    tool_choice: { type: 'auto' },
    tools: [],
    top_k: 5,
    top_p: 0.5,
    user_profile_id: 'p',
    workspace_id: 'w',
  };
  expect(fieldsOf(accepted).unlisted).toEqual([]);
  for (const name of Object.keys(accepted)) expect(fieldsOf({ [name]: null }).unlisted).toEqual([]);
});

test.each([
  'best_of',
  'billing_policy',
  'compaction',
  'container',
  'fallback_credit_token',
  'fallbacks',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens_to_sample',
  'mcp_servers',
  'models',
  'n',
  'plugins',
  'thread',
])('%s has no bound and is refused by name on every stage', (name) => {
  expect(refusal({ [name]: 'x' })).toMatch(new RegExp(`^${name}: ${name} is not accepted: `));
  expect(refusal({ [name]: null })).toBe('accepted');
});

test('a field that nobody knows is refused by a service and passed on and named by a learning stage', () => {
  expect(refusal({ novelty: 1 }, 'service')).toContain('novelty is not a field that this gateway knows');
  expect(fieldsOf({ novelty: 1 }, 'learning').unlisted).toEqual(['novelty']);
  expect(refusal({ messages: [{ role: 'user', content: 'x', id: 1 }] }, 'service')).toContain('messages[].id');
  expect(refusal(user({ type: 'text', text: 'x', spin: 1 }), 'service')).toContain('text.spin');
  expect(refusal({ tools: [{ name: 'a', input_schema: {}, spin: 1 }] }, 'service')).toContain('tools[].spin');
  expect(refusal({ output_config: { spin: 1 } }, 'service')).toContain('output_config.spin');
});

test.each([
  [{ model: undefined }, 'model: '],
  [{ messages: [] }, 'messages: '],
  [{ messages: 'hi' }, 'messages: '],
  [{ messages: ['hi'] }, 'messages[0]: '],
  [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role: '],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content: '],
  [{ messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages[0].content[0]: '],
  [{ system: 5 }, 'system: '],
  [{ system: [{ type: 'text', text: 5 }] }, 'system[0].text: '],
  [{ max_tokens: -1 }, 'max_tokens: '],
  [{ max_tokens: 1.5 }, 'max_tokens: '],
  [{ max_tokens: 10_000_001 }, 'max_tokens: '],
  [{ temperature: '1' }, 'temperature: '],
  [{ tools: {} }, 'tools: '],
  [{ tools: [1] }, 'tools[0]: '],
  [{ output_config: 'x' }, 'output_config: '],
] as const)('%j is refused and named', (more, start) => {
  expect(refusal(more).startsWith(start)).toBe(true);
});

test('a request that only fills the cache asks for no output, and one without max_tokens gets the cap of its group', () => {
  expect(fieldsOf({ max_tokens: 0 }).requestedOutputTokens).toBe(0);
  expect(fieldsOf({ max_tokens: undefined }).requestedOutputTokens).toBeUndefined();
});

test.each([
  [{ service_tier: 'priority' }, 'service_tier'],
  [{ speed: 'fast' }, 'speed'],
  [{ inference_geo: 'us' }, 'inference_geo'],
])('%j would cost more a token and is refused', (more, param) => {
  expect(refusal(more).startsWith(`${param}: `)).toBe(true);
});

test('thinking counts as output: its budget needs a cap above it', () => {
  expect(fieldsOf({ max_tokens: 4_000, thinking: { type: 'enabled', budget_tokens: 2_000 } }).leastOutputTokens).toBe(2_001);
  expect(fieldsOf({ max_tokens: undefined, thinking: { type: 'enabled', budget_tokens: 2_000 } }).leastOutputTokens).toBe(2_001);
  // Between tool calls a budget may be above the cap, which ends the answer all the same.
  expect(fieldsOf({ max_tokens: 1_000, thinking: { type: 'enabled', budget_tokens: 2_000 } }).leastOutputTokens).toBeUndefined();
  for (const type of ['adaptive', 'between_tools', 'disabled']) expect(refusal({ thinking: { type } })).toBe('accepted');
  expect(refusal({ thinking: { type: 'enabled' } })).toContain('thinking.budget_tokens');
  expect(refusal({ thinking: { type: 'boundless' } })).toContain('thinking.type');
  expect(refusal({ thinking: 'much' })).toContain('thinking: ');
});

test('the dearest cache write that a request asks for is found wherever it stands', () => {
  const minutes = { cache_control: { type: 'ephemeral' } };
  const hour = { cache_control: { type: 'ephemeral', ttl: '1h' } };
  expect(fieldsOf(minutes).cacheWrites).toBe('minutes');
  expect(fieldsOf({ system: [{ type: 'text', text: 'x', ...hour }], ...minutes }).cacheWrites).toBe('hour');
  expect(fieldsOf({ tools: [{ name: 'a', input_schema: {}, ...hour }] }).cacheWrites).toBe('hour');
  expect(fieldsOf(user({ type: 'text', text: 'x', ...hour }, { type: 'text', text: 'x', ...minutes })).cacheWrites).toBe('hour');
  const nested = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'x', ...minutes }] };
  expect(fieldsOf(user(nested)).cacheWrites).toBe('minutes');
  expect(refusal({ cache_control: { type: 'ephemeral', ttl: '1d' } })).toContain('cache_control: ');
  expect(refusal({ cache_control: { type: 'eternal' } })).toContain('cache_control: ');
});

test('images count by their own bound, and their bytes are no text', () => {
  const byUrl = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
  const inBody = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } };
  expect(fieldsOf(user(byUrl))).toMatchObject({ mediaTokens: MAX_CLAUDE_IMAGE_TOKENS, mediaBytes: 0 });
  expect(fieldsOf(user(byUrl, inBody))).toMatchObject({ mediaTokens: 2 * MAX_CLAUDE_IMAGE_TOKENS, mediaBytes: 12 });
  const shown = { type: 'tool_result', tool_use_id: 't', content: [inBody] };
  expect(fieldsOf(user(shown))).toMatchObject({ mediaTokens: MAX_CLAUDE_IMAGE_TOKENS, mediaBytes: 12 });
  const pages = { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'x' }, inBody] } };
  expect(fieldsOf(user(pages))).toMatchObject({ mediaTokens: MAX_CLAUDE_IMAGE_TOKENS, mediaBytes: 12 });
});

test('what is no image cannot pass for one and take its bytes out of the bound', () => {
  const image = (source: unknown): Body => user({ type: 'image', source });
  expect(refusal(image({ type: 'base64', media_type: 'image/png', data: 'many words' }))).toContain('must be base64');
  expect(refusal(image({ type: 'base64', media_type: 'image/png', data: '' }))).toContain('must be base64');
  expect(refusal(image({ type: 'base64', media_type: 'text/plain', data: 'aGk=' }))).toContain('must be that of an image');
  expect(refusal(image({ type: 'file', file_id: 'file_1' }))).toContain('any other has no bound');
  expect(refusal(image(undefined))).toContain('any other has no bound');
});

test('documents are bounded as text, and PDFs, files and addresses are refused with a reason', () => {
  const document = (source: unknown, more = {}): Body => user({ type: 'document', source, ...more });
  const text = { type: 'text', media_type: 'text/plain', data: 'words' };
  expect(fieldsOf(document(text, { title: 't', context: 'c', citations: { enabled: false } })).mediaTokens).toBe(0);
  expect(refusal(document({ type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }))).toContain('text of a PDF');
  expect(refusal(document({ type: 'url', url: 'https://example.com/a.pdf' }))).toContain('nobody here knows');
  expect(refusal(document({ type: 'file', file_id: 'file_1' }))).toContain('nobody here knows');
  expect(refusal(document({ type: 'novel' }))).toContain('only text and content have a bound');
  expect(refusal(document(text, { citations: { enabled: true } }))).toContain('how many has no bound');
});

test.each([
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'container_upload',
  'mcp_tool_use',
  'mcp_tool_result',
  'compaction',
  'tool_reference',
  '__proto__',
  'constructor',
])('a block of type %s has no bound and is refused', (type) => {
  expect(refusal(user({ type }))).toContain('has no bound and is not accepted');
});

test('a conversation with tools and thinking is accepted', () => {
  const conversation = [
    { role: 'user', content: [{ type: 'text', text: 'weather?' }] },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'redacted_thinking', data: 'x' },
        { type: 'tool_use', id: 't', name: 'weather', input: { city: 'Bonn' } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'rain', is_error: false }] },
    { role: 'system', content: 'be brief' },
    { role: 'user', content: [{ type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'x' }] }] },
  ];
  expect(fieldsOf({ messages: conversation })).toMatchObject({ mediaTokens: 0, unlisted: [] });
});

test('tools that the app runs add what Anthropic documents', () => {
  const own = { name: 'weather', description: 'd', input_schema: { type: 'object' } };
  expect(fieldsOf({ tools: [] }).mediaTokens).toBe(0);
  expect(fieldsOf({ tools: [own, { ...own, type: 'custom' }] }).mediaTokens).toBe(TOOLS_PROMPT_TOKENS);
  for (const type of ['bash_20250124', 'text_editor_20250728', 'computer_20251124']) {
    expect(fieldsOf({ tools: [own, { type, name: 'x' }] }).mediaTokens).toBe(TOOLS_PROMPT_TOKENS + ANTHROPIC_TOOL_TOKENS);
  }
  expect(fieldsOf({ output_config: { format: { type: 'json_schema', schema: {} } } }).mediaTokens).toBe(FORMAT_PROMPT_TOKENS);
});

test.each([
  'web_search_20250305',
  'web_fetch_20260318',
  'code_execution_20260521',
  'advisor_20260301',
  'mcp_toolset',
  'tool_search_tool_regex_20251119',
  'memory_20250818',
  'browser_toolset_20260801',
  'computer_toolset_20260801',
  'bash_20250124_and_search',
])('a tool of type %s is charged by use or of unknown size, and is refused', (type) => {
  expect(refusal({ tools: [{ type, name: 'x' }] })).toContain(`a tool of type ${type} is not accepted`);
});

test('context is only cleared, never summarised', () => {
  const management = (...edits: readonly unknown[]): Body => ({ context_management: { edits } });
  expect(refusal(management({ type: 'clear_tool_uses_20250919' }, { type: 'clear_thinking_20251015' }))).toBe('accepted');
  expect(refusal({ context_management: {} })).toBe('accepted');
  expect(refusal(management({ type: 'compact_20260112' }))).toContain('context_management.edits[0].type');
  expect(refusal({ context_management: { edits: 'x' } })).toContain('a list of edits');
});

test('counting tokens is free: documents and tools of any kind may be counted', () => {
  const body = {
    model: 'claude',
    messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }] }],
    tools: [{ type: 'web_search_20250305', name: 'web_search' }],
    system: 'x',
    thinking: { type: 'adaptive' },
  };
  const result = readCountTokensFields(body, 'service');
  expect(result).toMatchObject({ ok: true, fields: { model: 'claude', stream: false, mediaTokens: 0 } });
  expect(readCountTokensFields({ ...body, max_tokens: 5 }, 'service')).toMatchObject({
    ok: false,
    problem: { param: 'max_tokens' },
  });
  expect(readCountTokensFields({ ...body, mcp_servers: [] }, 'learning')).toMatchObject({ ok: false });
  expect(readCountTokensFields({ ...body, model: 5 }, 'learning')).toMatchObject({ ok: false, problem: { param: 'model' } });
});
