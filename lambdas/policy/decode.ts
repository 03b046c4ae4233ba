/** A tiny strict decoder of JSON data: small enough for a Lambda bundle, where no schema library is wanted. */

/** Data that does not have the form it should have. Says where, never what it held. */
export class DecodeError extends Error {
  readonly code = 'policy_parameter_invalid';
  constructor(path: string, expected: string) {
    super(`${path}: expected ${expected}`);
    this.name = 'DecodeError';
  }
}

/** Checks a value and gives it its type, or throws `DecodeError` with its path. */
export type Decoder<T> = (value: unknown, path: string) => T;

/** A text, of the given form where one is given. */
export function text(pattern = /^[^]*$/u): Decoder<string> {
  return (value, path) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw new DecodeError(path, 'a text of its form');
    return value;
  };
}

/** A whole number of at least `least`. */
export function whole(least: number): Decoder<number> {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
      throw new DecodeError(path, `a whole number of ${least} or more`);
    }
    return value;
  };
}

/** An amount of 0 or more, written as decimal digits. */
export const amount: Decoder<bigint> = (value, path) => {
  if (typeof value !== 'string' || !/^\d{1,30}$/.test(value)) throw new DecodeError(path, 'an amount in digits');
  return BigInt(value);
};

/** true or false. */
export const flag: Decoder<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new DecodeError(path, 'true or false');
  return value;
};

/** One of the listed words. */
export function oneOf<const T extends string>(...words: readonly T[]): Decoder<T> {
  return (value, path) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new DecodeError(path, words.join(' | '));
    return word;
  };
}

/** A list of `least` or more items. */
export function list<T>(item: Decoder<T>, least = 0): Decoder<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < least) throw new DecodeError(path, `a list of ${least} or more`);
    return value.map((each: unknown, index) => item(each, `${path}[${index}]`));
  };
}

/** A value that may be absent. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return (value, path) => (value === undefined ? undefined : inner(value, path));
}

/** A mapping with exactly these keys; what decodes to undefined is left out. */
export function record<T extends object>(shape: { readonly [K in keyof T]-?: Decoder<T[K]> }): Decoder<T> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError(path, 'a mapping');
    const unknown = Object.keys(value).find((key) => !Object.hasOwn(shape, key));
    if (unknown !== undefined) throw new DecodeError(path, `no key '${unknown.slice(0, 40)}'`);
    const result: Partial<T> = {};
    for (const key in shape) {
      const decoded = shape[key](Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined, `${path}.${key}`);
      if (decoded !== undefined) result[key] = decoded;
    }
    return result as T;
  };
}

/** Reads JSON; a text that is none is a `DecodeError` too. */
export function decodeJson<T>(source: string, decoder: Decoder<T>, path: string): T {
  let data: unknown;
  try {
    data = JSON.parse(source);
  } catch {
    throw new DecodeError(path, 'JSON');
  }
  return decoder(data, path);
}
