import * as fc from 'fast-check';
import { StreamMeter } from '../../lambdas/application/stream-meter.ts';
import { CHAT_COMPLETIONS } from '../../lambdas/domain/protocols/chat-completions.ts';

/** Lines of streams as they are and as they are not, in bytes: valid text, broken text, marks in the middle of it. */
const line = fc
  .oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => delta({ content: text })) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}',
        'data:{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":12,"completion_tokens":3}}',
        'data:{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":4}}',
      ),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'data: [DONE]',
        'data:[DONE]',
        'data:',
        'data: ',
        'data',
        'xdata: {"choices":[]}',
        ' data: {}',
        ': comment',
        'event: message',
        'id: 7',
        'stray words',
        'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":0}}',
        'data: {"choices":[],"usage":null}',
        'data: {"choices":[',
        'data: ]}',
        'data: {"no":"choices"}',
        'data: {"error":{"message":"no"}}\r',
        '\uFEFFdata: {"choices":[{"delta":{"content":"bom"}}]}',
        'data: \uFEFF{"choices":[{"delta":{"content":"bom"}}]}',
        '\r',
      ),
    },
  )
  .map((text) => Buffer.from(text));
const broken = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.concat([Buffer.from('data: "'), bytes]));
const ending = fc
  .constantFrom('\n', '\n', '\n\n', '\n\n', '\n\n', '\r\n', '\r\n\r\n', '\n\r\n', '\r\r\n')
  .map((text) => Buffer.from(text));
const stream = fc
  .tuple(fc.array(fc.tuple(fc.oneof({ weight: 6, arbitrary: line }, broken), ending), { maxLength: 12 }), fc.boolean())
  .map(([lines, cut]) => Buffer.concat(cut ? lines.flat().slice(0, -1) : lines.flat()));

function delta(fields: object): string {
  return `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: fields, finish_reason: null }] })}`;
}

/** Events with the blank line that ends each, and what is left at the end. */
function eventsOf(text: string): readonly string[] {
  return text.match(/(?:\r*[^\r\n][^\n]*\n)*\r*\n|[\s\S]+$/g) ?? [];
}

function isWhole(event: string): boolean {
  return /(?:^|\n)\r*\n$/.test(event);
}

/** The rules in their plainest form: whole text, one event at a time, nothing kept between two. */
function reference(bytes: Buffer, keepUsage: boolean) {
  // Latin 1 keeps every byte a character of its own.
  const events = eventsOf(bytes.toString('latin1'));
  let out = '';
  let generated = 0;
  let report: { input: number; output: number; at: number } | undefined;
  for (const event of events) {
    const text = new TextDecoder().decode(Buffer.from(event, 'latin1'));
    const lines = text.split(/\r?\n/);
    const data = lines
      .filter((one) => one.startsWith('data:'))
      .map((one) => one.replace(/^data: ?/, ''))
      .join('\n');
    let passes = true;
    if (data === '') {
      for (const one of lines) if (one !== '' && !/^(:|data:|event:|id:|retry:)/.test(one)) generated += Buffer.byteLength(one);
    } else if (data !== '[DONE]') {
      const parsed = parsedOf(data);
      if (parsed === undefined) generated += Buffer.byteLength(data);
      else {
        generated += textOf(parsed);
        const { usage, choices } = parsed as { usage?: Record<string, number>; choices?: unknown[] };
        if (usage !== undefined && usage !== null) {
          const output = Math.max(usage.completion_tokens ?? 0, (usage.total_tokens ?? 0) - (usage.prompt_tokens ?? 0));
          const input = Math.max(usage.prompt_tokens ?? 0, report?.input ?? 0);
          const isLess = report !== undefined && output < report.output;
          report = { input, output: isLess ? report!.output : output, at: isLess ? report!.at : generated };
          passes = keepUsage || choices?.length !== 0;
        }
      }
    }
    if (passes) out += event;
  }
  return { out, generated, report };
}

function parsedOf(data: string): object | undefined {
  try {
    return JSON.parse(data) as object;
  } catch {
    return undefined;
  }
}

/** Bytes of the texts of this test's own chunks. */
function textOf(chunk: object): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk);
  if (!('choices' in chunk)) return 'error' in chunk ? 2 : 'no' in chunk ? 7 : 0;
  const choices = chunk.choices as readonly { readonly delta: { readonly content: string } }[];
  return choices.reduce((sum, { delta: { content } }) => sum + Buffer.byteLength(content), 0);
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length));
}

test('split anywhere, a stream passes byte for byte but for its usage chunk, and is counted as if read in one piece', () => {
  let usages = 0;
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 6 }), fc.boolean(), (bytes, cuts, keepUsage) => {
      const meter = new StreamMeter(CHAT_COMPLETIONS.readEvents(keepUsage), 1_000_000);
      const passed: Uint8Array[] = [];
      for (const piece of pieces(bytes, cuts)) passed.push(...meter.push(piece));
      passed.push(...meter.end());
      const expected = reference(bytes, keepUsage);
      expect(Buffer.concat(passed).toString('latin1')).toBe(expected.out);
      expect(meter.outputBytes).toBe(expected.generated);
      const { report } = expected;
      if (report === undefined || (report.output === 0 && expected.generated > 0)) {
        expect(meter.reading).toBeUndefined();
        return;
      }
      usages += 1;
      const later = expected.generated - report.at;
      expect(meter.reading?.usage.inputTokens).toBe(report.input);
      expect(meter.reading?.usage.outputTokens).toBe(report.output + Math.max(0, later));
      expect(meter.reading?.estimated).toBe(later > 0);
    }),
    { numRuns: 3_000 },
  );
  expect(usages).toBeGreaterThan(300);
});

test('what has come whole leaves at once: after every piece, each whole event of it is out', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
      const meter = new StreamMeter(CHAT_COMPLETIONS.readEvents(true), 1_000_000);
      let [seen, out] = [0, 0];
      for (const piece of pieces(bytes, cuts)) {
        seen += piece.length;
        for (const event of meter.push(piece)) out += event.length;
        const prefix = bytes.subarray(0, seen).toString('latin1');
        expect(out).toBe(eventsOf(prefix).filter(isWhole).join('').length);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('events that came in one read leave in one piece, and one by one where somebody reads them', () => {
  const meter = new StreamMeter(CHAT_COMPLETIONS.readEvents(false), 1_000);
  const [one, two] = ['data: {"choices":[]}\n\n', 'data: [DONE]\n\n'].map((text) => Buffer.from(text));
  const usage = Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n');
  if (one === undefined || two === undefined) throw new Error('two events');
  expect(meter.push(Buffer.concat([one, one, two]))).toHaveLength(1);
  expect(meter.push(Buffer.concat([one, usage, two])).map((piece) => piece.length)).toEqual([one.length, two.length]);
  const reader = CHAT_COMPLETIONS.readEvents(false);
  const single = new StreamMeter(reader, 1_000, true).push(Buffer.concat([one, one, usage, two]));
  expect(single.map((piece) => piece.length)).toEqual([one.length, one.length, two.length]);
});
