import { readFileSync } from 'node:fs';
import { StreamMeter } from '../../../lambdas/application/stream-meter.ts';
import { readMessage, readMessageEvents } from '../../../lambdas/domain/messages-usage.ts';

const file = (name: string): string =>
  readFileSync(new URL(`../../fixtures/providers/anthropic/${name}`, import.meta.url), 'utf8');

/** The events of a stream, read through the meter as the gateway does. */
function metered(text: string): StreamMeter {
  const meter = new StreamMeter(readMessageEvents(), 1_000_000);
  const passed = [...meter.push(new TextEncoder().encode(text)), ...meter.end()];
  expect(passed.map((bytes) => new TextDecoder().decode(bytes)).join('')).toBe(text);
  return meter;
}

const event = (type: string, more: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const start = (usage: object): string => event('message_start', { message: { content: [], usage } });
const text = (words: string): string => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: words } });
const delta = (usage: object): string => event('message_delta', { delta: { stop_reason: 'end_turn' }, usage });

test('a message without a cache has plain input', () => {
  expect(readMessage(JSON.parse(file('message.json')))).toEqual({
    generatedBytes: 22,
    usage: {
      inputTokens: 2_095,
      cachedInputTokens: 0,
      cacheWriteInputTokens: 0,
      cacheWriteHourInputTokens: 0,
      outputTokens: 503,
      reasoningTokens: undefined,
    },
  });
});

test('cache tokens, which Anthropic counts outside the input, are part of it here, each once', () => {
  const usage = {
    inputTokens: 4_404,
    cachedInputTokens: 1_800,
    cacheWriteInputTokens: 456,
    cacheWriteHourInputTokens: 100,
    outputTokens: 503,
    reasoningTokens: undefined,
  };
  expect(readMessage(JSON.parse(file('message-cache.json'))).usage).toEqual(usage);
  expect(metered(file('stream-cache.sse')).reading).toEqual({ estimated: false, usage });
});

test('a stream tells the input at its start and the output at its end', () => {
  const meter = metered(file('stream-text.sse'));
  expect(meter.reading).toMatchObject({ estimated: false, usage: { inputTokens: 25, outputTokens: 15 } });
  expect(meter.outputBytes).toBe(6);
});

test('the JSON that a tool is called with is generated text', () => {
  const meter = metered(file('stream-tool.sse'));
  // 52 of text, 11 of the tool's name, 2 of the empty input at its start and 33 of its JSON.
  expect(meter.outputBytes).toBe(52 + 11 + 2 + 33);
  expect(meter.reading).toMatchObject({ estimated: false, usage: { inputTokens: 472, outputTokens: 89 } });
  const whole = { content: [{ type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1, b: [2] } }], usage: {} };
  expect(readMessage(whole)).toEqual({ generatedBytes: 3 + '{"a":1,"b":[2]}'.length, usage: undefined });
});

test('thinking and its signature are generated text, and thinking tokens are told', () => {
  const meter = metered(file('stream-thinking.sse'));
  expect(meter.outputBytes).toBe(21 + 53 + 38);
  expect(meter.reading?.usage).toMatchObject({ inputTokens: 61, outputTokens: 120, reasoningTokens: 90 });
});

test('a stream that breaks after its start costs its input and a token a byte of what came', () => {
  const meter = metered(file('stream-error.sse'));
  expect(meter.reading).toMatchObject({ estimated: true, usage: { inputTokens: 25, outputTokens: 1 + 5 } });
});

test.each(['stream-text.sse', 'stream-tool.sse', 'stream-thinking.sse', 'stream-cache.sse'])(
  '%s, cut at any byte, costs at least what its whole events tell, and is an estimate until its usage is there',
  (name) => {
    const bytes = new TextEncoder().encode(file(name));
    let least = 0;
    for (let end = 0; end <= bytes.length; end += 1) {
      const meter = new StreamMeter(readMessageEvents(), 1_000_000);
      meter.push(bytes.subarray(0, end));
      meter.end();
      const { reading, outputBytes } = meter;
      const seen = new TextDecoder().decode(bytes.subarray(0, end));
      const whole = seen.slice(0, seen.lastIndexOf('\n\n') + 2);
      const words = [...whole.matchAll(/"(?:text|thinking|signature|partial_json)": ?"((?:[^"\\]|\\.)+)"/g)];
      const said = words.reduce((sum, [, word = '']) => sum + Buffer.byteLength(JSON.parse(`"${word}"`) as string), 0);
      expect(outputBytes).toBeGreaterThanOrEqual(said);
      if (reading === undefined) {
        expect(whole).not.toContain('message_start"');
        continue;
      }
      // Its last event may be there but for its end.
      const final = seen.includes('event: message_delta');
      if (said > 0 && !final) expect(reading.estimated).toBe(true);
      if (!final) expect(reading.usage.outputTokens).toBeGreaterThanOrEqual(said);
      expect(reading.usage.inputTokens).toBeGreaterThanOrEqual(least);
      least = reading.usage.inputTokens;
    }
    expect(least).toBeGreaterThan(0);
  },
);

test('a stream without usage has none', () => {
  expect(metered(text('Hello')).reading).toBeUndefined();
  expect(metered(text('Hello') + delta({ output_tokens: 5 })).reading).toBeUndefined();
  expect(metered(text('Hello')).outputBytes).toBe(5);
});

test('of usage that comes twice the larger counts, field by field, and nothing is added up', () => {
  const twice = start({ input_tokens: 10, output_tokens: 1 }) + text('Hello');
  const report = { cache_creation_input_tokens: null, cache_read_input_tokens: 7, input_tokens: 0, output_tokens: 9 };
  expect(metered(twice + delta({ output_tokens: 4 }) + delta(report)).reading).toMatchObject({
    estimated: false,
    usage: { inputTokens: 17, cachedInputTokens: 7, outputTokens: 9 },
  });
  expect(metered(twice + delta({ output_tokens: 9 }) + delta({ output_tokens: 4 })).reading?.usage.outputTokens).toBe(9);
});

test('a report of no output beside text is not believed', () => {
  const said = { type: 'message', content: [{ type: 'text', text: 'Hello' }], usage: { input_tokens: 10, output_tokens: 0 } };
  expect(readMessage(said)).toEqual({ generatedBytes: 5, usage: undefined });
  expect(readMessage({ ...said, content: [] }).usage).toMatchObject({ inputTokens: 10, outputTokens: 0 });
  const stream = start({ input_tokens: 10, output_tokens: 0 }) + text('Hello') + delta({ output_tokens: 0 });
  expect(metered(stream).reading).toBeUndefined();
});

test('what is not a plausible count is no usage', () => {
  for (const bad of [undefined, null, '10', -1, 1.5, Number.NaN]) {
    expect(readMessage({ content: [], usage: { input_tokens: bad, output_tokens: 5 } }).usage).toBeUndefined();
    expect(readMessage({ content: [], usage: { input_tokens: 5, output_tokens: bad } }).usage).toBeUndefined();
  }
  expect(readMessage({ content: [], usage: { input_tokens: 0, output_tokens: 0 } }).usage).toBeUndefined();
  const huge = { input_tokens: 1e15, cache_read_input_tokens: 9e15, cache_creation_input_tokens: 9e15, output_tokens: 1 };
  expect(readMessage({ content: [], usage: huge }).usage?.inputTokens).toBe(Number.MAX_SAFE_INTEGER);
});

test('a cache write without a word on how long it lasts, lasts minutes', () => {
  const usage = { input_tokens: 1, cache_creation_input_tokens: 50, output_tokens: 1 };
  expect(readMessage({ content: [], usage }).usage).toMatchObject({
    inputTokens: 51,
    cacheWriteInputTokens: 50,
    cacheWriteHourInputTokens: 0,
  });
});

test('an answer or event of another shape counts with every text in it', () => {
  expect(readMessage({ output: 'Hello', model: 'not counted' }).generatedBytes).toBe(5);
  expect(metered(event('novelty', { words: 'Hello' })).outputBytes).toBe(5);
  expect(metered(event('message_start', { message: { content: [{ type: 'text', text: 'Hi' }] } })).outputBytes).toBe(2);
});

test('only a stream that said so was whole: an error after the start is none, and neither is silence', () => {
  const began = start({ input_tokens: 9, output_tokens: 1 });
  const stop = event('message_stop', {});
  expect(metered(began + text('hi') + delta({ output_tokens: 4 }) + stop).isWhole).toBe(true);
  expect(metered(began).isWhole).toBe(false);
  expect(metered(began + event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })).isWhole).toBe(false);
  expect(metered(began + event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }) + stop).isWhole).toBe(
    false,
  );
});
