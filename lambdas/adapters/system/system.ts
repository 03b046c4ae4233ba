/** The machine's own clock, randomness and hash, behind the application's ports. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Fingerprint, Random } from '../../application/ports.ts';
import type { Sha256 } from '../../application/ports-answers.ts';

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

/** Random bytes are drawn in blocks: one system call serves some hundred ids. */
const POOL_BYTES = 4_096;
let pool = randomBytes(0);
let used = 0;

function nextByte(): number {
  if (used >= pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  const byte = pool[used] ?? FAIR_BELOW;
  used += 1;
  return byte;
}

/** Ids from a cryptographic source; `fraction` picks lanes and spreads retries, which nobody gains by guessing. */
export const systemRandom: Random = {
  fraction: () => Math.random(),
  id: (length) => {
    let id = '';
    while (id.length < length) {
      const byte = nextByte();
      if (byte < FAIR_BELOW) id += ALPHABET[byte % ALPHABET.length];
    }
    return id;
  },
};

/** The first 96 bits of a text's SHA-256, as 16 characters of URL-safe base 64. */
export const sha256Fingerprint: Fingerprint = (text) =>
  createHash('sha256').update(text, 'utf8').digest('base64url').slice(0, 16);

/** SHA-256 of bytes, in hex. */
export const sha256Hex: Sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
