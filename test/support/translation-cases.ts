/** Conversations and answers for tests of translations, and what streams of them add up to. */
import * as fc from 'fast-check';

export type Json = Readonly<Record<string, unknown>>;

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const ids = fc.stringMatching(/^[a-zA-Z0-9_]{1,12}$/);
const jsonObjects = fc.dictionary(
  words.filter((name) => name !== '__proto__'),
  fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null), fc.array(words, { maxLength: 3 })),
  { maxKeys: 3 },
);

const image = fc.constantFrom('https://example.com/a.png', 'data:image/png;base64,iVBORw0=', 'data:image/webp;base64,AAAA');
const userPart = fc.oneof(
  { weight: 3, arbitrary: words.map((text): Json => ({ type: 'text', text })) },
  { weight: 1, arbitrary: image.map((url): Json => ({ type: 'image_url', image_url: { url } })) },
);
const userMessage = fc
  .oneof(words, fc.array(userPart, { minLength: 1, maxLength: 3 }))
  .map((content): Json => ({ role: 'user', content }));
const systemMessage = fc.tuple(fc.constantFrom('system', 'developer'), words).map(([role, content]): Json => ({ role, content }));
const calls = fc.uniqueArray(fc.tuple(ids, ids, jsonObjects), { selector: ([id]) => id, minLength: 1, maxLength: 3 });
/** An assistant that calls tools, and what each of them gave. */
const toolRound = fc.tuple(fc.option(words), calls, words).map(([content, made, result]): readonly Json[] => [
  {
    role: 'assistant',
    content,
    tool_calls: made.map(([id, name, input]) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } })),
  },
  ...made.map(([id], index) => ({ role: 'tool', tool_call_id: id, content: index === 0 ? result : '' })),
]);
const assistantMessage = words.map((content): Json => ({ role: 'assistant', content }));
const conversation = fc
  .tuple(
    fc.array(systemMessage, { maxLength: 2 }),
    fc.array(
      fc.oneof(
        userMessage.map((message) => [message]),
        assistantMessage.map((message) => [message]),
        systemMessage.map((message) => [message]),
        toolRound,
      ),
      { maxLength: 5 },
    ),
    userMessage,
  )
  .map(([system, middle, last]) => [...system, ...middle.flat(), last]);

const tool = fc.tuple(ids, fc.option(words), fc.boolean()).map(
  ([name, description, strict]): Json => ({
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: { type: 'object', properties: { a: { type: 'string' } } },
      ...(strict ? { strict } : {}),
    },
  }),
);
const toolFields = fc.oneof(
  fc.constant({}),
  fc
    .tuple(
      fc.array(tool, { minLength: 1, maxLength: 2 }),
      fc.constantFrom(
        {},
        { tool_choice: 'auto' },
        { tool_choice: 'none' },
        { tool_choice: 'required' },
        {
          tool_choice: { type: 'function', function: { name: 'f' } },
          parallel_tool_calls: false,
        },
      ),
    )
    .map(([tools, choice]): Json => ({ tools, ...choice })),
);
const fields = fc.record(
  {
    max_completion_tokens: fc.integer({ min: 1, max: 4_096 }),
    stream: fc.constant(true),
    stop: fc.array(words, { minLength: 1, maxLength: 3 }),
    temperature: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    top_p: fc.constantFrom(0.1, 1),
    user: ids,
    reasoning_effort: fc.constantFrom('low', 'medium', 'high', 'xhigh', 'max'),
    response_format: jsonObjects.map((schema) => ({
      type: 'json_schema',
      json_schema: { name: 'answer', schema, strict: true },
    })),
  },
  { requiredKeys: [] },
);

/** Chat requests of the fields and messages that both APIs have. */
export const chatRequests: fc.Arbitrary<Json> = fc
  .tuple(conversation, fields, toolFields)
  .map(([list, rest, tools]) => ({ model: 'economy', messages: list, ...rest, ...tools }));

/** What a chat's messages say, piece by piece: who said what, in which order, however it is packed. */
export function conversationMeaning(list: unknown): readonly Json[] {
  const pieces: { who: unknown; what: unknown }[] = [];
  for (const message of list as readonly Json[]) {
    const who = message.role === 'developer' ? 'system' : message.role;
    const parts = typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : (message.content ?? []);
    if (message.role === 'tool') {
      pieces.push({ who: `tool ${String(message.tool_call_id)}`, what: message.content });
      continue;
    }
    for (const part of parts as readonly Json[]) {
      const last = pieces.at(-1);
      // One answer's texts are one text.
      if (who === 'assistant' && last?.who === who && typeof last.what === 'string')
        last.what = `${last.what}${String(part.text)}`;
      else pieces.push({ who, what: part.text ?? part.image_url });
    }
    for (const call of (message.tool_calls ?? []) as readonly Json[]) pieces.push({ who, what: call });
  }
  return pieces;
}

const counts = fc.nat({ max: 100_000 });
const textBlock = words.map((text): Json => ({ type: 'text', text }));
const callBlock = fc.tuple(ids, ids, jsonObjects).map(([id, name, input]): Json => ({ type: 'tool_use', id, name, input }));

/** Whole answers of Anthropic's: text and calls. */
export const messages: fc.Arbitrary<Json> = fc
  .tuple(
    fc.array(textBlock, { maxLength: 2 }),
    fc.uniqueArray(callBlock, { selector: (block) => block.id, maxLength: 3 }),
    fc.tuple(
      counts,
      counts,
      counts,
      counts.map((count) => count + 1),
    ),
    fc.constantFrom('end_turn', 'max_tokens', 'stop_sequence', 'refusal'),
  )
  .map(([texts, uses, [input, written, read, output], stop]) => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'model-1',
    content: [...texts, ...uses],
    stop_reason: uses.length > 0 && stop !== 'max_tokens' ? 'tool_use' : stop,
    stop_sequence: null,
    usage: {
      input_tokens: input,
      cache_creation_input_tokens: written,
      cache_read_input_tokens: read,
      output_tokens: output,
    },
  }));

/** The events of a message, its texts and inputs cut at random. */
export function anthropicEvents(message: Json, cuts: fc.Stream<number>): readonly unknown[] {
  const { content, stop_reason, usage, ...head } = message;
  const events: unknown[] = [
    {
      type: 'message_start',
      message: { ...head, content: [], stop_reason: null, usage: { ...(usage as Json), output_tokens: 1 } },
    },
    { type: 'ping' },
  ];
  for (const [index, block] of (content as readonly Json[]).entries()) {
    const isText = block.type === 'text';
    events.push({
      type: 'content_block_start',
      index,
      content_block: isText ? { type: 'text', text: '' } : { ...block, input: {} },
    });
    for (const piece of cutText(isText ? String(block.text) : JSON.stringify(block.input), cuts)) {
      const delta = isText ? { type: 'text_delta', text: piece } : { type: 'input_json_delta', partial_json: piece };
      events.push({ type: 'content_block_delta', index, delta });
    }
    events.push({ type: 'content_block_stop', index });
  }
  const { output_tokens } = usage as Json;
  return [
    ...events,
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } },
    { type: 'message_stop' },
  ];
}

/** The chunks of a completion, its text and arguments cut at random, those of several calls in turns. */
export function chatChunks(completion: unknown, cuts: fc.Stream<number>): readonly unknown[] {
  const { id, model, choices, usage } = completion as { id: string; model: string; choices: readonly Json[]; usage: unknown };
  const [choice] = choices as readonly [{ message: Json; finish_reason: string }];
  const chunk = (delta: Json, finish: string | null = null) => ({
    id,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const chunks: unknown[] = [chunk({ role: 'assistant', content: '' })];
  const text = choice.message.content;
  for (const content of cutText(typeof text === 'string' ? text : '', cuts)) chunks.push(chunk({ content }));
  const made = (choice.message.tool_calls ?? []) as readonly { id: string; function: { name: string; arguments: string } }[];
  const pieces = made.map((call) => [...cutText(call.function.arguments, cuts)]);
  for (const [index, call] of made.entries()) {
    const named = { index, id: call.id, type: 'function', function: { name: call.function.name, arguments: '' } };
    chunks.push(chunk({ tool_calls: [named] }));
  }
  for (let turn = 0; pieces.some((list) => turn < list.length); turn += 1) {
    for (const [index, list] of pieces.entries()) {
      const piece = list[turn];
      if (piece !== undefined) chunks.push(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }));
    }
  }
  return [...chunks, chunk({}, choice.finish_reason), { id, model, choices: [], usage }, '[DONE]'];
}

function* cutText(text: string, cuts: fc.Stream<number>): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const length = cuts.next().value ?? 1;
    yield text.slice(at, at + length);
    at += length;
  }
}

/** As a provider sends them. */
export function serverSentEvents(events: readonly unknown[], lineEnd: string): Uint8Array {
  const blocks = events.map((event) => {
    const type = event instanceof Object && 'type' in event ? [`event: ${String(event.type)}`] : [];
    return [...type, `data: ${typeof event === 'string' ? event : JSON.stringify(event)}`, '', ''].join(lineEnd);
  });
  return new TextEncoder().encode(blocks.join(''));
}

export function cutIn(bytes: Uint8Array, cuts: fc.Stream<number>): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = cuts.next().value ?? 1;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

function dataOf(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));
}

interface CallPiece {
  readonly index: number;
  readonly id?: string;
  readonly type?: string;
  readonly function: { readonly name?: string; arguments: string };
}

interface ChunkDelta {
  readonly content?: string;
  readonly tool_calls?: readonly CallPiece[];
}

/** What chunks add up to. */
export function chunkMessage(text: string): Json {
  const data = dataOf(text);
  const chunks = data
    .filter((line) => line !== '[DONE]')
    .map((line) => JSON.parse(line) as { choices: readonly Json[]; usage?: unknown });
  let content = '';
  let finish: unknown;
  const made: CallPiece[] = [];
  for (const { choices } of chunks) {
    for (const choice of choices as readonly { delta: ChunkDelta; finish_reason: unknown }[]) {
      content += choice.delta.content ?? '';
      finish = choice.finish_reason ?? finish;
      for (const call of choice.delta.tool_calls ?? []) {
        const known = made[call.index];
        if (known === undefined) made[call.index] = { ...call, function: { ...call.function } };
        else known.function.arguments += call.function.arguments;
      }
    }
  }
  const tools = made.map(({ id, type, function: called }) => ({ id, type, function: called }));
  return {
    message: {
      role: 'assistant',
      content: content === '' && tools.length > 0 ? null : content,
      refusal: null,
      ...(tools.length > 0 ? { tool_calls: tools } : {}),
    },
    finish,
    usage: chunks.at(-1)?.usage,
    done: data.at(-1) === '[DONE]',
  };
}

/** What Anthropic's events add up to. */
export function eventMessage(text: string): Json {
  let message: Record<string, unknown> = {};
  const content: { block: Json; pieces: string }[] = [];
  for (const line of dataOf(text)) {
    const event = JSON.parse(line) as Record<string, Json>;
    if (event.message !== undefined) message = { ...event.message };
    if (event.content_block !== undefined) content.push({ block: event.content_block, pieces: '' });
    const last = content.at(-1);
    if (event.index !== undefined && event.delta !== undefined && last !== undefined)
      last.pieces += [event.delta.text, event.delta.partial_json].filter((piece) => typeof piece === 'string').join('');
    else if (event.delta !== undefined) message = { ...message, ...event.delta, usage: event.usage };
  }
  message.content = content.map(({ block, pieces }) =>
    block.type === 'text'
      ? { ...block, text: pieces }
      : { ...block, input: JSON.parse(pieces === '' ? '{}' : pieces) as unknown },
  );
  return message;
}
