import { generatedBytes, isUsageChunk, readUsage } from '../../../lambdas/domain/usage.ts';

const usage = (more: Readonly<Record<string, unknown>>) => ({ usage: { prompt_tokens: 10, completion_tokens: 5, ...more } });

test('counts are read with their cached and reasoning parts', () => {
  const answer = usage({
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 3 },
  });
  expect(readUsage(answer, 0)).toEqual({ inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, reasoningTokens: 3 });
  expect(readUsage(usage({}), 0)).toEqual({
    inputTokens: 10,
    cachedInputTokens: 0,
    outputTokens: 5,
    reasoningTokens: undefined,
  });
});

test('what was written into a cache is told where the provider says it, none included', () => {
  const written = (tokens: unknown) => readUsage(usage({ prompt_tokens_details: { cache_write_tokens: tokens } }), 0);
  expect(written(6)).toMatchObject({ inputTokens: 10, cacheWriteInputTokens: 6 });
  expect(written(0)).toMatchObject({ cacheWriteInputTokens: 0 });
  expect(written(-1)?.cacheWriteInputTokens).toBeUndefined();
  expect(readUsage(usage({}), 0)?.cacheWriteInputTokens).toBeUndefined();
});

test('reasoning that a provider counts only in the total is output', () => {
  expect(readUsage(usage({ total_tokens: 40 }), 0)).toMatchObject({ outputTokens: 30 });
  expect(readUsage(usage({ total_tokens: 12 }), 0)).toMatchObject({ outputTokens: 5 });
});

test('reasoning that is more than the output cannot be part of it', () => {
  const reasoning = (tokens: unknown) => usage({ completion_tokens_details: { reasoning_tokens: tokens } });
  expect(readUsage(reasoning(5), 0)).toMatchObject({ outputTokens: 5, reasoningTokens: 5 });
  expect(readUsage(reasoning(6), 0)).toMatchObject({ outputTokens: 11, reasoningTokens: 6 });
  expect(readUsage(reasoning('6'), 0)).toMatchObject({ outputTokens: 5 });
  // The total says it better.
  expect(readUsage({ usage: { ...reasoning(6).usage, total_tokens: 40 } }, 0)).toMatchObject({ outputTokens: 30 });
});

test('cached tokens are never more than the input', () => {
  expect(readUsage(usage({ prompt_tokens_details: { cached_tokens: 11 } }), 0)).toMatchObject({ cachedInputTokens: 10 });
});

test('what is not a plausible count is no usage', () => {
  for (const bad of [undefined, null, '10', -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(readUsage(usage({ prompt_tokens: bad }), 0)).toBeUndefined();
    expect(readUsage(usage({ completion_tokens: bad }), 0)).toBeUndefined();
  }
  for (const bad of [undefined, null, 'usage', {}, { usage: null }, { usage: 'x' }]) expect(readUsage(bad, 0)).toBeUndefined();
  const inherited: unknown = Object.create({ usage: { prompt_tokens: 1, completion_tokens: 1 } });
  expect(readUsage(inherited, 0)).toBeUndefined();
});

test('a count past all reason stays a report', () => {
  expect(readUsage(usage({ prompt_tokens: 2 ** 60 }), 0)?.inputTokens).toBe(Number.MAX_SAFE_INTEGER);
});

test('a report of no output beside text, or of nothing at all, is not believed', () => {
  expect(readUsage(usage({ completion_tokens: 0 }), 0)).toMatchObject({ inputTokens: 10, outputTokens: 0 });
  expect(readUsage(usage({ completion_tokens: 0 }), 1)).toBeUndefined();
  expect(readUsage(usage({ prompt_tokens: 0, completion_tokens: 0 }), 0)).toBeUndefined();
  expect(readUsage(usage({ prompt_tokens: 0 }), 9)).toMatchObject({ inputTokens: 0, outputTokens: 5 });
});

test('a usage chunk has no choices and a usage', () => {
  expect(isUsageChunk({ choices: [], usage: {} })).toBe(true);
  for (const other of [
    { choices: [{}], usage: {} },
    { choices: [] },
    { choices: [], usage: null },
    { choices: [], usage: 7 },
    { usage: {} },
    { choices: '', usage: {} },
    null,
  ])
    expect(isUsageChunk(other)).toBe(false);
});

test('every text of the choices counts by its UTF-8 bytes, except what only names things', () => {
  expect(generatedBytes({ choices: [{ delta: { role: 'assistant', content: 'é' } }] })).toBe(2);
  expect(generatedBytes({ choices: [{ message: { content: 'ab' } }, { text: 'c' }] })).toBe(3);
  const call = { id: 'x', type: 'function', object: 'o', model: 'm', function: { name: 'f', arguments: '{}' } };
  expect(generatedBytes({ choices: [{ delta: { tool_calls: [call] } }] })).toBe(3);
  expect(generatedBytes({ choices: [{ delta: { content: null, refusal: 7 } }, null, 'x'] })).toBe(0);
  expect(generatedBytes({ choices: [], other: 'text' })).toBe(0);
});

test('of an answer of another shape every text counts, its usage aside', () => {
  expect(generatedBytes({ id: 'x', output: [{ text: 'abc' }], usage: { note: 'n' } })).toBe(3);
  expect(generatedBytes({ choices: 'text' })).toBe(4);
  for (const none of [null, {}, { choices: {} }, 7]) expect(generatedBytes(none)).toBe(0);
});

test('texts are counted to a depth of eight, so that no answer can exhaust the stack', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 'x' : { a: nested(depth - 1) });
  expect(generatedBytes({ choices: [{ delta: nested(9) }] })).toBe(1);
  expect(generatedBytes({ choices: [{ delta: nested(10) }] })).toBe(0);
});
