/**
 * API keys: `tg_<stage>_<32 random characters><6 of checksum>`. The stage stands in the key so that a key used on the
 * wrong stage is told so, and the checksum lets scanners and the gateway drop a mistyped key without a look-up.
 */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const FORMAT = /^tg_([a-z0-9-]{2,16})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/** What a key's text says about it; `foreign` means no key of ours at all. */
export type ParsedKey =
  | { readonly kind: 'valid'; readonly stage: string }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'foreign' };

/**
 * Makes a key.
 * @param stage the only stage that it opens
 * @param randomId gives characters of 0–9A–Za–z from a cryptographic source
 * @throws RangeError when the source gives something else
 */
export function makeApiKey(stage: string, randomId: (length: number) => string): string {
  const body = `tg_${stage}_${randomId(RANDOM_LENGTH)}`;
  const key = `${body}${checksum(body)}`;
  if (!FORMAT.test(key)) throw new RangeError('the stage or the random characters do not fit the format of a key');
  return key;
}

/** Reads the stage of a key and checks its checksum. It says nothing about whether the key exists. */
export function parseApiKey(text: string): ParsedKey {
  if (!text.startsWith('tg_')) return { kind: 'foreign' };
  const match = FORMAT.exec(text);
  const stage = match?.[1];
  if (match === null || stage === undefined) return { kind: 'malformed' };
  const body = text.slice(0, -CHECKSUM_LENGTH);
  return checksum(body) === match[3] ? { kind: 'valid', stage } : { kind: 'malformed' };
}

function checksum(text: string): string {
  let rest = crc32(text);
  let out = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    out = (DIGITS[rest % 62] ?? '0') + out;
    rest = Math.floor(rest / 62);
  }
  return out;
}

/** CRC-32 (IEEE) of an ASCII text. */
export function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i += 1) {
    crc ^= text.charCodeAt(i) & 0xff;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
