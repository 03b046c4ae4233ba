/**
 * Money is an integer number of nano-dollars in a bigint: 1 USD = 1_000_000_000n. Never a float.
 * Prices per token are integer pico-dollars, because $0.025 per million tokens is 25,000 pico a token.
 */
export type NanoUsd = bigint;
/** 1 USD = 1_000_000_000_000 pico-USD. */
export type PicoUsd = bigint;

export const NANO_PER_USD = 1_000_000_000n;
export const PICO_PER_NANO = 1_000n;

const DECIMAL = /^(-?)(\d{1,12})(?:\.(\d{1,12}))?$/;

/** A text that is not an amount of money: `field` says where it stood. */
export class InvalidAmountError extends Error {
  readonly code = 'invalid_amount';
  constructor(text: string, why: string) {
    super(`'${text.slice(0, 40)}' is not an amount: ${why}`);
    this.name = 'InvalidAmountError';
  }
}

function parseScaled(text: string, digits: number, unit: string): bigint {
  const match = DECIMAL.exec(text);
  if (!match) throw new InvalidAmountError(text, 'write a plain decimal in quotes, such as "12.50"');
  const [, sign, whole = '0', fraction = ''] = match;
  if (fraction.replace(/0+$/, '').length > digits) throw new InvalidAmountError(text, `finer than one ${unit}`);
  const scaled = BigInt(whole) * 10n ** BigInt(digits) + BigInt(fraction.slice(0, digits).padEnd(digits, '0'));
  return sign === '-' ? -scaled : scaled;
}

/**
 * Reads a decimal such as `"20.00"` as nano-USD, exactly.
 * @throws InvalidAmountError when the text is no plain decimal or is finer than a nano-dollar
 */
export function parseUsd(text: string): NanoUsd {
  return parseScaled(text, 9, 'nano-dollar');
}

/**
 * Reads a price in USD per million tokens as pico-USD per token, exactly (`"0.25"` is 250,000).
 * @throws InvalidAmountError when the text is no plain decimal or is finer than a pico-dollar a token
 */
export function parseUsdPerMillion(text: string): PicoUsd {
  return parseScaled(text, 6, 'pico-dollar a token');
}

/**
 * Writes nano-USD as a decimal with at least two places and no more than it needs: `20.00`, `0.0000025`.
 */
export function formatUsd(amount: NanoUsd): string {
  const absolute = amount < 0n ? -amount : amount;
  const fraction = (absolute % NANO_PER_USD).toString().padStart(9, '0').replace(/0+$/, '').padEnd(2, '0');
  return `${amount < 0n ? '-' : ''}${absolute / NANO_PER_USD}.${fraction}`;
}

/** Pico-USD rounded up to whole nano-USD, so that no rounding ever favours the spender. */
export function picoToNanoCeil(pico: PicoUsd): NanoUsd {
  return pico <= 0n ? 0n : (pico + PICO_PER_NANO - 1n) / PICO_PER_NANO;
}

export function minOf(first: bigint, ...rest: readonly bigint[]): bigint {
  return rest.reduce((least, value) => (value < least ? value : least), first);
}

export function maxOf(first: bigint, ...rest: readonly bigint[]): bigint {
  return rest.reduce((most, value) => (value > most ? value : most), first);
}
