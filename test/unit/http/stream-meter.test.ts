import { EventTooLargeError, StreamMeter } from '../../../lambdas/application/stream-meter.ts';
import { readUsage } from '../../../lambdas/domain/usage.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function run(pieces: readonly string[], keepUsage = false): { out: string; meter: StreamMeter } {
  const meter = new StreamMeter(keepUsage, 1_000);
  const out = [...pieces.flatMap((piece) => [...meter.push(encode(piece))]), ...meter.end()];
  return { out: out.map((piece) => new TextDecoder().decode(piece)).join('|'), meter };
}

test('an event leaves with the byte that ends it', () => {
  expect(run(['data: {"a"', ':1}\n', '\ndata: 2\n\n']).out).toBe('data: {"a":1}\n\n|data: 2\n\n');
  expect(run(['data: 1\r\n\r', '\ndata: 2']).out).toBe('data: 1\r\n\r\n|data: 2');
});

test('data over several lines is one text', () => {
  const { meter } = run(['data: {"choices":[],\ndata: "usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n']);
  expect(meter.usage).toMatchObject({ inputTokens: 5, outputTokens: 2 });
});

test('usage beside choices counts and passes', () => {
  const text = 'data: {"choices":[{"delta":{"content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n';
  const { out, meter } = run([text]);
  expect(out).toBe(text);
  expect(meter.usage).toMatchObject({ outputTokens: 2 });
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
  [{ prompt_tokens: 1e300, completion_tokens: 1 }],
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
