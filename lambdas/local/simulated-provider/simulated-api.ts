/** What every API that the simulated provider plays has in common: a request is read, and answered whole or in events. */
import type { SimulatorOptions } from './options.ts';

/** One API that is played. A file an API implements this. */
export interface SimulatedApi {
  /** How the paths that it answers end. */
  readonly path: string;
  /**
   * Reads a request.
   * @param number of the request, for ids
   * @returns undefined when it is none of this API
   */
  read(body: Readonly<Record<string, unknown>>, options: SimulatorOptions, number: number): SimulatedAnswer | undefined;
  /** The body of an error. */
  error(message: string, code: string): string;
}

export interface SimulatedAnswer {
  /** The body of an answer that is no stream. */
  whole(): unknown;
  /** The texts of a stream's events; absent when the request did not ask for one. */
  readonly events?: () => Iterable<string>;
}

const WORDS = ['This ', 'is ', 'a ', 'simulated ', 'answer ', 'from ', 'the ', 'local ', 'stage. '];
const BYTES_PER_TOKEN = 4;

/** Four bytes each, so that a token is what the usage says it is. */
export function tokenText(token: number): string {
  const text = WORDS.join('');
  const at = (token * BYTES_PER_TOKEN) % text.length;
  return (text + text).slice(at, at + BYTES_PER_TOKEN);
}

/** The text of so many tokens. */
export function answerText(tokens: number): string {
  return Array.from({ length: tokens }, (_, token) => tokenText(token)).join('');
}

/** Tokens of something that was sent: four bytes of its JSON each. */
export function inputTokens(value: unknown): number {
  return Math.max(1, Math.ceil(Buffer.byteLength(JSON.stringify(value)) / BYTES_PER_TOKEN));
}

/** Tokens of an answer: what it likes to say, within the cap of the request. */
export function outputTokens(cap: unknown, options: SimulatorOptions): number {
  return Math.max(1, Math.min(options.answerTokens, typeof cap === 'number' ? cap : options.answerTokens));
}

/** An error in the shape of OpenAI's. */
export function openAiError(message: string, code: string): string {
  return JSON.stringify({ error: { message, type: 'simulated', param: null, code } });
}

/** A text's JSON object; undefined for anything else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
