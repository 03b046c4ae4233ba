import { StreamMeter } from '../../../lambdas/application/stream-meter.ts';
import { MAX_INPUTS, readEmbeddingsFields } from '../../../lambdas/domain/embeddings-fields.ts';
import { applyEdits } from '../../../lambdas/domain/json-edits.ts';
import { CHAT_COMPLETIONS } from '../../../lambdas/domain/protocols/chat-completions.ts';
import { EMBEDDINGS } from '../../../lambdas/domain/protocols/embeddings.ts';
import { RESPONSES } from '../../../lambdas/domain/protocols/responses.ts';
import { parseRequest } from '../../../lambdas/http/json-document.ts';
import { providerAnswer, providerText } from '../../support/provider-fixtures.ts';

const FORWARDING = { model: 'target', outputCapField: 'max_completion_tokens', outputCapTokens: 100 };

function forwarded(api: typeof RESPONSES, text: string): string {
  const request = parseRequest(new TextEncoder().encode(text), 64);
  const read = api.readFields(request.value, 'service');
  if (!read.ok) throw new Error(read.problem.message);
  return applyEdits(text, api.forwardEdits(request, read.fields, FORWARDING));
}

describe('usage of true answers', () => {
  test.each([
    ['chat-cached.json', CHAT_COMPLETIONS, { inputTokens: 2006, cachedInputTokens: 1920, outputTokens: 300, reasoningTokens: 0 }],
    [
      'chat-reasoning.json',
      CHAT_COMPLETIONS,
      { inputTokens: 9, cachedInputTokens: 0, outputTokens: 1186, reasoningTokens: 1024 },
    ],
    ['response-text.json', RESPONSES, { inputTokens: 36, cachedInputTokens: 0, outputTokens: 87, reasoningTokens: 0 }],
    [
      'response-cached-reasoning.json',
      RESPONSES,
      { inputTokens: 2006, cachedInputTokens: 1920, outputTokens: 1186, reasoningTokens: 1024 },
    ],
    ['response-function-call.json', RESPONSES, { inputTokens: 291, cachedInputTokens: 0, outputTokens: 23, reasoningTokens: 0 }],
    ['response-incomplete.json', RESPONSES, { inputTokens: 75, cachedInputTokens: 0, outputTokens: 16, reasoningTokens: 16 }],
    ['response-failed.json', RESPONSES, undefined],
    ['embeddings.json', EMBEDDINGS, { inputTokens: 8, cachedInputTokens: 0, outputTokens: 0 }],
  ] as const)('%s', (name, api, usage) => {
    expect(api.readAnswer(providerAnswer(`openai/${name}`)).usage).toEqual(usage);
  });

  test('a call to a function counts its arguments, and an answer of another shape all of its text', () => {
    const call = { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: '{"a":1}', status: 'done' };
    expect(RESPONSES.readAnswer({ output: [call] }).generatedBytes).toBe('f{"a":1}'.length);
    expect(RESPONSES.readAnswer({ text: 'héllo' })).toEqual({ generatedBytes: 6, usage: undefined });
  });

  test('a report of no output beside text is not believed', () => {
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'hello' }] }];
    const usage = { input_tokens: 5, output_tokens: 0, total_tokens: 5 };
    expect(RESPONSES.readAnswer({ output, usage }).usage).toBeUndefined();
    expect(RESPONSES.readAnswer({ output, usage: { ...usage, total_tokens: 12 } }).usage).toMatchObject({ outputTokens: 7 });
  });

  test('embeddings of no tokens, or without a count, have no usage: the bound of the input is their price', () => {
    for (const usage of [undefined, null, {}, { prompt_tokens: 0 }, { prompt_tokens: -1 }, { prompt_tokens: 1.5 }])
      expect(EMBEDDINGS.readAnswer({ data: [], usage })).toEqual({ generatedBytes: 0, usage: undefined });
    expect(EMBEDDINGS.readAnswer({ usage: { prompt_tokens: 3, total_tokens: 5 } }).usage?.inputTokens).toBe(5);
    expect(EMBEDDINGS.readAnswer({ usage: { total_tokens: 5 } }).usage?.inputTokens).toBe(5);
  });
});

test('a whole answer that says it failed, or is not there yet, is none', () => {
  for (const status of ['failed', 'cancelled', 'queued', 'in_progress']) {
    expect(RESPONSES.readAnswer({ status, output: [] }).end).toBe('failed');
  }
  for (const status of ['completed', 'incomplete']) expect(RESPONSES.readAnswer({ status, output: [] }).end).toBeUndefined();
  expect(RESPONSES.readAnswer(providerAnswer('openai/response-failed.json')).end).toBe('failed');
  expect(RESPONSES.readAnswer(providerAnswer('openai/response-text.json')).end).toBeUndefined();
});

describe('a stream of a response', () => {
  const STREAM = providerText('openai/response-stream.txt');
  const TEXT = 'Hi there! How can I assist you today?';
  const run = (text: string) => {
    const meter = new StreamMeter(RESPONSES.readEvents(false), 100_000);
    const bytes = new TextEncoder().encode(text);
    const out: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 7) out.push(...meter.push(bytes.subarray(at, at + 7)));
    out.push(...meter.end());
    return { meter, out: new TextDecoder().decode(Buffer.concat(out)) };
  };

  test('passes byte for byte, and its last event tells the usage', () => {
    const { meter, out } = run(STREAM);
    expect(out).toBe(STREAM);
    expect(meter.reading).toEqual({
      usage: { inputTokens: 37, cachedInputTokens: 0, outputTokens: 11, reasoningTokens: 0 },
      estimated: false,
    });
  });

  test('is whole once it is completed or cut at its cap, and not when it failed or broke off', () => {
    expect(run(STREAM).meter.isWhole).toBe(true);
    expect(run(STREAM.replaceAll('response.completed', 'response.incomplete')).meter.isWhole).toBe(true);
    expect(run(STREAM.replaceAll('response.completed', 'response.failed')).meter.isWhole).toBe(false);
    expect(run(STREAM.slice(0, STREAM.lastIndexOf('event:'))).meter.isWhole).toBe(false);
  });

  test('counts each text once, however often its events repeat it', () => {
    expect(run(STREAM).meter.outputBytes).toBe(TEXT.length);
  });

  test('that ends after any event costs the text seen so far', () => {
    const events = STREAM.split('\n\n').slice(0, -1);
    const deltas = events.filter((event) => event.includes('output_text.delta'));
    expect(deltas).toHaveLength(10);
    for (let count = 0; count < events.length; count += 1) {
      const { meter } = run(events.slice(0, count).join('\n\n') + '\n\n');
      const seen = events.slice(0, count).filter((event) => event.includes('output_text.delta'));
      const expected = ['Hi', ' there', '!', ' How', ' can', ' I', ' assist', ' you', ' today', '?']
        .slice(0, seen.length)
        .join('');
      expect(meter.outputBytes).toBe(expected.length);
      expect(meter.reading).toBeUndefined();
    }
  });

  test('without deltas costs the text of its finished items, and of its last event', () => {
    const silent = STREAM.split('\n\n').filter((event) => !event.includes('.delta'));
    expect(run(silent.join('\n\n')).meter.outputBytes).toBe(TEXT.length);
    const upToItem = silent.slice(
      0,
      silent.findIndex((event) => event.includes('response.completed')),
    );
    expect(run(`${upToItem.join('\n\n')}\n\n`).meter.outputBytes).toBe(TEXT.length);
  });

  test.each(['response.incomplete', 'response.failed'])('that ends with %s tells its usage there', (type) => {
    const usage = { input_tokens: 9, output_tokens: 4, total_tokens: 13 };
    const { meter } = run(`data: ${JSON.stringify({ type, response: { status: 'x', output: [], usage } })}\n\n`);
    expect(meter.reading).toMatchObject({ usage: { inputTokens: 9, outputTokens: 4 }, estimated: false });
  });

  test('an error event and events that say no text count nothing; what is of another API counts in full', () => {
    const { meter } = run('data: {"type":"error","code":"x","message":"sorry","param":null,"sequence_number":3}\n\n');
    expect([meter.outputBytes, meter.reading]).toEqual([0, undefined]);
    expect(run('data: {"type":"surprise","words":"hello"}\n\n').meter.outputBytes).toBe(5);
    expect(run('data: {"words":"hello"}\n\n').meter.outputBytes).toBe(5);
    expect(run('data: {"type":"response.function_call_arguments.delta","delta":"{}"}\n\n').meter.outputBytes).toBe(2);
    expect(
      run('data: {"type":"response.created","response":{"usage":{"input_tokens":1,"output_tokens":1}}}\n\n').meter.reading,
    ).toBe(undefined);
  });
});

describe('what goes on to a target', () => {
  test('a response gets its cap in max_output_tokens, whatever the field of chat is there', () => {
    expect(forwarded(RESPONSES, '{"model":"economy", "input":"hi"}')).toBe(
      '{"model":"target", "input":"hi","max_output_tokens":100}',
    );
    expect(forwarded(RESPONSES, '{"max_output_tokens":5000,"model":"economy","input":"hi","stream":true}')).toBe(
      '{"max_output_tokens":100,"model":"target","input":"hi","stream":true}',
    );
    const same = ' {"model":"target","max_output_tokens":100,"input":[{"role":"user","content":"h\\u0069"}] } ';
    expect(forwarded(RESPONSES, same)).toBe(same);
  });

  test('embeddings get their model and nothing else', () => {
    expect(forwarded(EMBEDDINGS, '{ "input":["a","b"],"model":"economy","encoding_format":"base64"}')).toBe(
      '{ "input":["a","b"],"model":"target","encoding_format":"base64"}',
    );
  });

  test('each API has its path below the base URL', () => {
    expect([RESPONSES.upstreamPath(FORWARDING, true), EMBEDDINGS.upstreamPath(FORWARDING, false)]).toEqual([
      '/responses',
      '/embeddings',
    ]);
  });
});

describe('the fields of embeddings', () => {
  const read = (more: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service' = 'service') => {
    const result = readEmbeddingsFields({ model: 'm', input: 'hi', ...more }, purpose);
    return result.ok ? result.fields.unlisted : `${result.problem.param}: ${result.problem.message}`;
  };

  test('input is a text, tokens, or a list of either', () => {
    for (const input of ['', 'hi', ['a', ''], [1, 2, 3], [[1], [2, 3]], ['a', [1]], Array.from({ length: 5_000 }, () => 7)])
      expect(read({ input })).toEqual([]);
    for (const input of [undefined, null, 7, {}, []]) expect(read({ input })).toContain('input: input must be');
    for (const input of [[1.5], [-1], [{}], [[]], [null], ['a', 7], [['a']], [{ type: 'image_url' }]])
      expect(read({ input })).toMatch(/^input\[\d\]: input\[\d\] must be a text or a list of tokens/);
  });

  test('a list has a limit', () => {
    expect(MAX_INPUTS).toBe(2_048);
    expect(read({ input: Array.from({ length: 2_048 }, () => 'a') })).toEqual([]);
    expect(read({ input: Array.from({ length: 2_049 }, () => 'a') })).toBe('input: input may have at most 2048 texts');
  });

  test('its other fields are neutral, refused by name or unlisted', () => {
    expect(read({ dimensions: 256, encoding_format: 'base64', user: 'u', output_dimension: 1, output_dtype: 'int8' })).toEqual(
      [],
    );
    expect(read({ dimensions: '256' })).toBe('dimensions: dimensions must be a number');
    expect(read({ stream: true }, 'learning')).toBe('stream: stream is not accepted: vectors come in one answer');
    expect(read({ inputs: [] }, 'learning')).toContain('inputs: inputs is not accepted: images');
    expect(read({ input_type: 'query' }, 'learning')).toEqual(['input_type']);
    expect(read({ input_type: 'query' })).toContain('input_type: input_type is not a field');
    expect(read({ model: '' })).toContain('model: ');
  });
});
