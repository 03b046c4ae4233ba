import * as fc from 'fast-check';
import { estimate } from '../../lambdas/domain/estimate.ts';
import { applyEdits, byteGrowth } from '../../lambdas/domain/json-edits.ts';
import type { Api } from '../../lambdas/domain/protocols/api.ts';
import { CHAT_COMPLETIONS } from '../../lambdas/domain/protocols/chat-completions.ts';
import { RESPONSES } from '../../lambdas/domain/protocols/responses.ts';
import { parseRequest } from '../../lambdas/http/json-document.ts';

const FREE = {
  provider: 'p',
  model: 'm',
  fromEpochMs: 0,
  source: 'policy',
  tiers: [{ aboveInputTokens: 0, inputPicoUsd: 1n, cachedInputPicoUsd: 1n, outputPicoUsd: 1n }],
};

const base64 = fc.uint8Array({ minLength: 1, maxLength: 3_000 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), base64);
/** A part of a message: text, an image in the body or one on the web. */
const part = fc.oneof(
  fc.record({ kind: fc.constant('text' as const), text }),
  fc.record({
    kind: fc.constant('image' as const),
    url: fc.oneof(
      base64.map((data) => `data:image/png;base64,${data}`),
      fc.webUrl(),
    ),
    detail: fc.constantFrom(undefined, 'low', 'high', 'auto', 'original'),
  }),
);
type Part = typeof part extends fc.Arbitrary<infer T> ? T : never;

/** A printer that spells some characters as escapes, as clients may. */
function print(value: unknown, escape: boolean): string {
  const json = JSON.stringify(value);
  return escape ? json.replaceAll('/', '\\/').replaceAll('A', '\\u0041') : json;
}

const CHAT_PART = (one: Part) =>
  one.kind === 'text' ? { type: 'text', text: one.text } : { type: 'image_url', image_url: { url: one.url, detail: one.detail } };
const INPUT_PART = (one: Part) =>
  one.kind === 'text' ? { type: 'input_text', text: one.text } : { type: 'input_image', image_url: one.url, detail: one.detail };

function boundOf(api: Api, body: string): { readonly inputTokens: number; readonly bodyBytes: number } {
  const request = parseRequest(new TextEncoder().encode(body), 64);
  const read = api.readFields(request.value, 'service');
  if (!read.ok) throw new Error(read.problem.message);
  const edits = api.forwardEdits(request, read.fields, {
    model: 'target',
    outputCapField: 'max_tokens',
    outputCapTokens: 10,
  });
  const bodyBytes = Buffer.byteLength(body) + byteGrowth(body, edits);
  expect(bodyBytes).toBe(Buffer.byteLength(applyEdits(body, edits)));
  const { mediaTokens, mediaBytes } = read.fields;
  return { inputTokens: estimate(FREE, bodyBytes, 10, 1, mediaTokens, mediaBytes).inputTokens, bodyBytes };
}

test.each([
  ['chat', CHAT_COMPLETIONS, (parts: readonly Part[]) => ({ messages: [{ role: 'user', content: parts.map(CHAT_PART) }] })],
  ['responses', RESPONSES, (parts: readonly Part[]) => ({ input: [{ role: 'user', content: parts.map(INPUT_PART) }] })],
] as const)(
  'whatever the mix of texts and images, and however they are spelled, the bound of %s holds every byte of text and every image',
  (_name, api, bodyOf) => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.boolean(), (parts, escape) => {
        const body = print({ model: 'economy', ...bodyOf(parts) }, escape);
        const { inputTokens, bodyBytes } = boundOf(api, body);
        const textBytes = parts.reduce((sum, one) => sum + (one.kind === 'text' ? Buffer.byteLength(one.text) : 0), 0);
        // What images count is written down here once more: 48,169 each, 16,384 with detail low.
        const imageTokens = parts.reduce(
          (sum, one) => sum + (one.kind === 'image' ? (one.detail === 'low' ? 16_384 : 48_169) : 0),
          0,
        );
        expect(inputTokens).toBeGreaterThanOrEqual(textBytes + imageTokens + 256);
        expect(inputTokens).toBeLessThanOrEqual(bodyBytes + imageTokens + 256);
        // An image in the body is not paid for as text as well.
        const inBody = parts.reduce(
          (sum, one) => sum + (one.kind === 'image' && one.url.startsWith('data:') ? one.url.length - 22 : 0),
          0,
        );
        if (!escape) expect(inputTokens).toBe(bodyBytes - inBody + imageTokens + 256);
      }),
      { numRuns: 300 },
    );
  },
);
