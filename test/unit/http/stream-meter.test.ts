import { EventTooLargeError, StreamMeter } from '../../../lambdas/application/stream-meter.ts';
import { CHAT_COMPLETIONS } from '../../../lambdas/domain/protocols/chat-completions.ts';
import { readUsage } from '../../../lambdas/domain/usage.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function run(pieces: readonly string[], keepUsage = false): { out: string; meter: StreamMeter } {
  const meter = new StreamMeter(CHAT_COMPLETIONS.readEvents(keepUsage), 1_000);
  const out = [...pieces.flatMap((piece) => [...meter.push(encode(piece))]), ...meter.end()];
  return { out: out.map((piece) => new TextDecoder().decode(piece)).join('|'), meter };
}

test('an event leaves with the byte that ends it', () => {
  expect(run(['data: {"a"', ':1}\n', '\ndata: 2\n\n']).out).toBe('data: {"a":1}\n\n|data: 2\n\n');
  expect(run(['data: 1\r\n\r', '\ndata: 2']).out).toBe('data: 1\r\n\r\n|data: 2');
});

test('data over several lines is one text', () => {
  const { meter } = run(['data: {"choices":[],\ndata: "usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n']);
  expect(meter.reading).toMatchObject({ usage: { inputTokens: 5, outputTokens: 2 }, estimated: false });
});

test('usage beside choices counts and passes', () => {
  const text = 'data: {"choices":[{"delta":{"content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n';
  const { out, meter } = run([text]);
  expect(out).toBe(text);
  expect(meter.reading).toMatchObject({ usage: { outputTokens: 2 }, estimated: false });
});

test('a usage chunk is kept back, even as the last words of a stream that ends without a blank line', () => {
  expect(run(['data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}']).out).toBe('');
  expect(run(['data: {"choices":[],"usage":null}\n\n']).out).not.toBe('');
});

test('generated text is counted in UTF-8 bytes, tool calls included, roles not', () => {
  const { meter } = run([
    'data: {"choices":[{"delta":{"role":"assistant","content":"é","tool_calls":[{"function":{"arguments":"{}"}}]}}]}\n\n',
  ]);
  expect(meter.outputBytes).toBe(4);
});

test('an event past the limit is an error', () => {
  expect(() => run(['x'.repeat(1_001)])).toThrow(EventTooLargeError);
});

test.each([
  [{ prompt_tokens: -1, completion_tokens: 1 }],
  [{ prompt_tokens: 1.5, completion_tokens: 1 }],
  [{ prompt_tokens: '1', completion_tokens: 1 }],
  [{ prompt_tokens: 0, completion_tokens: 0 }],
  [{ completion_tokens: 1 }],
  [null],
])('usage of %j is no usage', (usage) => {
  expect(readUsage({ usage }, 0)).toBeUndefined();
});

test('no output beside generated text is no usage', () => {
  expect(readUsage({ usage: { prompt_tokens: 5, completion_tokens: 0 } }, 3)).toBeUndefined();
  expect(readUsage({ usage: { prompt_tokens: 5, completion_tokens: 0 } }, 0)).toMatchObject({ outputTokens: 0 });
});

test('cached tokens stand inside the input, and reasoning that only the total counts is output', () => {
  expect(
    readUsage(
      {
        usage: {
          prompt_tokens: 100,
          completion_tokens: 10,
          total_tokens: 150,
          prompt_tokens_details: { cached_tokens: 200 },
          completion_tokens_details: { reasoning_tokens: 40 },
        },
      },
      9,
    ),
  ).toEqual({ inputTokens: 100, cachedInputTokens: 100, outputTokens: 50, reasoningTokens: 40 });
});

test('a report past all reason stays one, so that it shows as overage', () => {
  expect(readUsage({ usage: { prompt_tokens: 1, completion_tokens: 1e300 } }, 0)?.outputTokens).toBe(Number.MAX_SAFE_INTEGER);
});

test('text after the usage counts a byte a token, as an estimate; of several usages the one with most output holds', () => {
  const early = 'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":1}}\n\n';
  const text = 'data: {"choices":[{"delta":{"content":"0123456789"}}]}\n\n';
  expect(run([early, text]).meter.reading).toEqual({
    usage: expect.objectContaining({ inputTokens: 10, outputTokens: 11 }),
    estimated: true,
  });
  const large = 'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":500}}\n\n';
  expect(run([text, large, early]).meter.reading).toMatchObject({ usage: { outputTokens: 500 }, estimated: false });
});

test('of two usages the larger count stands, field by field: a second one never makes the first one cheaper', () => {
  const report = (input: number, cached: number, output: number): string =>
    `data: {"choices":[],"usage":{"prompt_tokens":${input},"completion_tokens":${output},"prompt_tokens_details":{"cached_tokens":${cached}}}}\n\n`;
  const usageOf = (...events: readonly string[]) => run(events).meter.reading;
  const larger = { usage: { inputTokens: 1_000, cachedInputTokens: 10, outputTokens: 9 }, estimated: false };
  expect(usageOf(report(1_000, 10, 5), report(1, 1, 9))).toMatchObject(larger);
  expect(usageOf(report(1, 1, 9), report(1_000, 10, 5))).toMatchObject(larger);
  expect(usageOf(report(1_000, 10, 9), report(1, 1, 9))).toMatchObject(larger);
});

test('what is no JSON counts by its bytes, and not by its characters', () => {
  expect(run(['data: 日本語\n\n']).meter.outputBytes).toBe(9);
  expect(run(['日本語\n\n']).meter.outputBytes).toBe(9);
});

test('what has another shape counts too: it may have been billed', () => {
  expect(run(['data: {"output":"0123456789"}\n\n']).meter.outputBytes).toBe(10);
  expect(run(['what is this\n\n']).meter.outputBytes).toBe(12);
  expect(run([': keep-alive\n\nevent: ping\n\n']).meter.outputBytes).toBe(0);
  expect(run(['data: {"choices":[{"delta":{"content":"01234']).meter.outputBytes).toBeGreaterThan(5);
});
