/**
 * The most tokens that an image can count, whatever model and provider takes it, and which bytes of a body are an image
 * rather than text. An image in the body stands there as base64: its bytes are taken out of the byte bound, and its own
 * bound is put in their place.
 */

/**
 * The most that one image counts anywhere that is documented. The dearest is GPT-4o mini at 2,833 tokens and 5,667 for
 * each tile of 512 px; an image fits into 2048 px with its short side at 768 px, which is 2 by 4 tiles. Below it are
 * OpenAI's patch models (10,000 patches of `detail: original`, at most 2.46 tokens each: 24,600), Qwen-VL (16,384),
 * Pixtral (1,540 px in patches of 14 px, a break a row: 12,210), Claude (under 5,000) and Gemini (at most 4,128).
 * @see https://platform.openai.com/docs/guides/images-vision, and the providers' pages, read 2026-11-24
 */
export const MAX_IMAGE_TOKENS = 2_833 + 8 * 5_667;

/**
 * The same with `detail: low`. GPT-4o mini counts 2,833 then, a patch model at most 2,500 patches where it ignores the
 * wish (6,150); the providers that do not know `detail` count as ever, Qwen-VL most.
 */
export const MAX_LOW_DETAIL_IMAGE_TOKENS = 16_384;

/** What is counted while the parts of a request are read. */
export class MediaCount {
  /** The most that the images count. */
  tokens = 0;
  /** UTF-8 bytes of the body that are images and no text. Never more than stand in it. */
  bytes = 0;

  /**
   * Adds one image.
   * @param mostTokens that it counts with any provider that may get it
   * @param base64 its bytes as they stand in the body; empty for one that stands elsewhere
   */
  addImage(mostTokens: number, base64 = ''): void {
    this.tokens += mostTokens;
    // Characters of base64 are one byte each, and an escape in the JSON would only make them more.
    this.bytes += base64.length;
  }
}

/** The most that an image of a `detail` counts; a detail that nobody documents counts in full. */
export function imageTokens(detail: unknown): number {
  return detail === 'low' ? MAX_LOW_DETAIL_IMAGE_TOKENS : MAX_IMAGE_TOKENS;
}

/** Whether a text is base64 and nothing else. Only then is it no text to any tokenizer. */
export function isBase64(text: string): boolean {
  return /^[0-9A-Za-z+/]+={0,2}$/.test(text);
}

/**
 * Where an image is: its base64 when it stands in the address itself, empty for a web address.
 * @returns undefined for anything else
 */
export function imageInAddress(address: unknown): string | undefined {
  if (typeof address !== 'string') return undefined;
  if (/^https?:\/\//i.test(address)) return '';
  const [head = ''] = /^data:image\/(?:png|jpe?g|webp|gif);base64,/i.exec(address) ?? [];
  const payload = address.slice(head.length);
  return head !== '' && isBase64(payload) ? payload : undefined;
}
