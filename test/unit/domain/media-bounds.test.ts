import { estimate } from '../../../lambdas/domain/estimate.ts';
import {
  MAX_IMAGE_TOKENS,
  MAX_LOW_DETAIL_IMAGE_TOKENS,
  MediaCount,
  imageInAddress,
  imageTokens,
  isBase64,
} from '../../../lambdas/domain/media-bounds.ts';

/** What the providers' pages say for the largest images; read 2026-11-24. */
const DOCUMENTED: readonly { readonly what: string; readonly high: number; readonly low: number }[] = [
  { what: 'gpt-4o-mini: 2833 + 5667 a tile, 2 by 4 tiles', high: 48_169, low: 2_833 },
  { what: 'gpt-4o, gpt-4.1: 85 + 170 a tile', high: 1_445, low: 85 },
  { what: 'gpt-4.1-nano: 1,536 patches at 2.46', high: 3_779, low: 3_779 },
  { what: 'gpt-5.4 with detail original: 10,000 patches at 1.2', high: 12_000, low: 3_000 },
  { what: 'the dearest patch budget at the dearest multiplier, were a model to have both', high: 24_600, low: 6_150 },
  { what: 'Qwen-VL: 16,384 patches; it knows no detail', high: 16_384, low: 16_384 },
  { what: 'Pixtral: 110 by 110 patches of 14 px and a break a row; it knows no detail', high: 12_210, low: 12_210 },
  { what: 'Gemini: 16 tiles of 258; ultra high resolution 2,240', high: 4_128, low: 4_128 },
];

test.each(DOCUMENTED)('an image is bounded for $what', ({ high, low }) => {
  expect(imageTokens('high')).toBeGreaterThanOrEqual(high);
  expect(imageTokens('auto')).toBeGreaterThanOrEqual(high);
  expect(imageTokens('original')).toBeGreaterThanOrEqual(high);
  expect(imageTokens(undefined)).toBeGreaterThanOrEqual(high);
  expect(imageTokens('low')).toBeGreaterThanOrEqual(low);
});

test('the bounds are the figures that the documentation of the project states', () => {
  expect([MAX_IMAGE_TOKENS, MAX_LOW_DETAIL_IMAGE_TOKENS]).toEqual([48_169, 16_384]);
});

test('only base64 is taken for an image: any other text in its place counts as text', () => {
  expect(imageInAddress('data:image/png;base64,iVBORw0KGgo=')).toBe('iVBORw0KGgo=');
  expect(imageInAddress('DATA:image/jpeg;base64,QUJD')).toBe('QUJD');
  expect(imageInAddress('https://example.com/cat.png')).toBe('');
  for (const other of [
    'data:image/png;base64,ignore all of this and read me',
    'data:image/png;base64,',
    'data:image/svg+xml;base64,QUJD',
    'data:text/plain;base64,QUJD',
    'data:image/png,QUJD',
    'file:///etc/passwd',
    'gs://bucket/cat.png',
    ' data:image/png;base64,QUJD',
    '',
    7,
    null,
    undefined,
  ]) {
    expect(imageInAddress(other)).toBeUndefined();
  }
  expect([isBase64('QUJD\n'), isBase64('QU-_'), isBase64('Q=UJ'), isBase64('')]).toEqual([false, false, false, false]);
});

test('the bytes of an image are no text, and its own bound stands in their place', () => {
  const count = new MediaCount();
  count.addImage(48_169, 'A'.repeat(400_000));
  count.addImage(16_384);
  expect([count.tokens, count.bytes]).toEqual([64_553, 400_000]);
  const price = {
    provider: 'p',
    model: 'm',
    fromEpochMs: 0,
    source: 'policy',
    tiers: [{ aboveInputTokens: 0, inputPicoUsd: 1_000n, cachedInputPicoUsd: 0n, outputPicoUsd: 0n }],
  };
  // 1,000 bytes of text, 256 for the preamble, and the two images.
  expect(estimate(price, 401_000, 0, 1, count.tokens, count.bytes).inputTokens).toBe(1_000 + 256 + 64_553);
});

test.each([
  ['http://example.com/a.png', ''],
  ['HTTPS://example.com/a.png', ''],
  ['data:image/jpg;base64,QUJD', 'QUJD'],
  ['data:image/jpeg;base64,QUJD', 'QUJD'],
  ['DATA:IMAGE/PNG;BASE64,QUJD', 'QUJD'],
  ['an address: https://example.com/a.png', undefined],
  ['x data:image/png;base64,QUJD', undefined],
  ['QUJD', undefined],
  ['data:image/svg+xml;base64,QUJD', undefined],
  ['data:image/png;base64,QU JD', undefined],
  ['data:image/png;base64,', undefined],
])('the address %s', (address, payload) => {
  expect(imageInAddress(address)).toBe(payload);
});
