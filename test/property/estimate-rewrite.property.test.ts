import * as fc from 'fast-check';
import { forwardEdits } from '../../lambdas/domain/forwarded-request.ts';
import { applyEdits, byteGrowth, utf8Length } from '../../lambdas/domain/json-edits.ts';
import { readChatFields } from '../../lambdas/domain/request-fields.ts';
import { parseRequest } from '../../lambdas/http/json-document.ts';

const space = fc.array(fc.constantFrom(' ', '\n', '\t', '\r'), { maxLength: 3 }).map((parts) => parts.join(''));
/** Raw JSON texts, in spellings that a parser and a printer would not keep. */
const rawValue = fc.oneof(
  fc.constantFrom(
    '1.0',
    '1e2',
    '-0',
    '1.50E+3',
    '12345678901234567890',
    '"\\u00e9"',
    '"a\\/b"',
    '"é😀"',
    'true',
    'null',
    '[ 1 , 2 ]',
    '{ "a" : {} }',
    '"max_tokens"',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => JSON.stringify(text)),
);
const extras = fc.uniqueArray(fc.tuple(fc.stringMatching(/^x_[a-z]{1,6}$/), rawValue), {
  selector: ([name]) => name,
  maxLength: 6,
});
const caps = fc.constantFrom(
  [],
  [['max_tokens', '7']],
  [['max_completion_tokens', '7']],
  [
    ['max_completion_tokens', '7.0'],
    ['max_tokens', '7'],
  ],
  [
    ['max_tokens', 'null'],
    ['max_completion_tokens', '9000'],
    ['max_output_tokens', '9000'],
  ],
);
const streams = fc.constantFrom(
  [],
  [['stream', 'true']],
  [
    ['stream', 'true'],
    ['stream_options', '{ }'],
  ],
  [
    ['stream', 'true'],
    ['stream_options', '{"x" : 1.0, "include_usage" :false }'],
  ],
  [
    ['stream', 'true'],
    ['stream_options', 'null'],
  ],
);

interface Made {
  readonly text: string;
  readonly pieces: readonly (readonly [name: string, raw: string])[];
}

const request: fc.Arbitrary<Made> = fc
  .tuple(extras, caps, streams, fc.infiniteStream(space), fc.infiniteStream(fc.nat()))
  .map(([extra, cap, stream, spaces, numbers]) => {
    const next = (): string => String(spaces.next().value);
    const all = [['model', '"economy"'], ['messages', '[{"role":"user","content":"hi"}]'], ...cap, ...stream, ...extra].map(
      ([name = '', raw = '']) => [name, raw] as const,
    );
    const pieces = all
      .map((piece) => ({ piece, at: Number(numbers.next().value) }))
      .toSorted((a, b) => a.at - b.at)
      .map((one) => one.piece);
    const members = pieces.map(([name, raw]) => `${next()}"${name}"${next()}:${next()}${raw}${next()}`);
    return { text: `${next()}{${members.join(',')}}${next()}`, pieces };
  });

function forward(text: string, field: string, model = 'target-model'): string {
  const parsed = parseRequest(new TextEncoder().encode(text), 64);
  const read = readChatFields(parsed.value, 'learning');
  if (!read.ok) throw new Error(read.problem.message);
  const tokens = Math.min(read.fields.requestedOutputTokens ?? 1_024, 1_024);
  const edits = forwardEdits(parsed, read.fields, { model, outputCapField: field, outputCapTokens: tokens });
  const out = applyEdits(text, edits);
  expect(utf8Length(text) + byteGrowth(text, edits)).toBe(new TextEncoder().encode(out).length);
  return out;
}

test('whatever its spacing, order and spellings, a request is changed only in its model, its cap and its wish for usage', () => {
  fc.assert(
    fc.property(
      request,
      fc.constantFrom('max_tokens', 'max_completion_tokens', 'max_output_tokens'),
      ({ text, pieces }, field) => {
        const out = forward(text, field);
        const before = JSON.parse(text) as Record<string, unknown>;
        const after = JSON.parse(out) as Record<string, unknown>;
        const { max_tokens: a, max_completion_tokens: b, max_output_tokens: c, stream_options: options, ...rest } = before;
        const requested = [a, b, c].find((value) => typeof value === 'number');
        const expected: Record<string, unknown> = {
          ...rest,
          model: 'target-model',
          [field]: Math.min(requested ?? 1_024, 1_024),
        };
        if (before.stream === true) expected.stream_options = { ...(options as object | null), include_usage: true };
        expect(after).toEqual(expected);
        // Members nobody touches keep their very spelling.
        for (const [name, raw] of pieces) if (name.startsWith('x_')) expect(out).toContain(raw);
        // The second time there is nothing left to change.
        expect(forward(out, field)).toBe(out);
      },
    ),
    { numRuns: 500 },
  );
});

test('a request that is already as it should be keeps every byte', () => {
  const text =
    ' {"messages":[{"role":"user","content":"hi"}] , "model":"m","max_tokens":1e1,"stream":true,"stream_options":{"include_usage":true}} ';
  expect(forward(text, 'max_tokens', 'm')).toBe(text);
});
