/** The machine's own clock, randomness and hash, behind the application's ports. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Fingerprint, Random } from '../../application/ports.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Bytes from here on are thrown away: 248 is the largest multiple of 62 in a byte, so every character is as likely. */
const FAIR_BELOW = 248;

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    }),
};

/** Randomness for ids (cryptographic) and for jitter. */
export const systemRandom: Random = {
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  id: (length) => {
    let id = '';
    while (id.length < length) {
      for (const byte of randomBytes(length + 8)) {
        if (byte < FAIR_BELOW && id.length < length) id += ALPHABET[byte % ALPHABET.length];
      }
    }
    return id;
  },
};

/** The first 96 bits of a text's SHA-256, as 16 characters of URL-safe base 64. */
export const sha256Fingerprint: Fingerprint = (text) =>
  createHash('sha256').update(text, 'utf8').digest('base64url').slice(0, 16);
