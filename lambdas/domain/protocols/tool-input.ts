/**
 * The input of a tool call: JSON as a text in OpenAI's API, an object in Anthropic's. What is no JSON object, or nests too
 * deep, travels as `{"INVALID_JSON": text}`, Anthropic's own convention, and back as the text that it was.
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming, read 2026-11-24
 */
import { Refused, isObject } from '../field-checks.ts';
import type { Json } from './translation-checks.ts';

const INVALID = 'INVALID_JSON';
/** From here on JSON writes a number with an exponent, so its digits promise nothing. */
const EXPONENT_FROM = 1e21;
/** No tool has such an input, and what reads it may recurse. */
const MAX_DEPTH = 256;

/** Arguments as an object. The empty text of a tool without parameters is an empty object. */
export function inputOf(argumentsText: string): Json {
  if (argumentsText.trim() === '') return {};
  const parsed = parse(argumentsText);
  return isObject(parsed) && !isDeeper(parsed, MAX_DEPTH) ? parsed : { [INVALID]: argumentsText };
}

/** An input as arguments. */
export function argumentsOf(input: unknown): string {
  if (isObject(input) && Object.keys(input).length === 1 && typeof input[INVALID] === 'string') return input[INVALID];
  return JSON.stringify(input ?? {});
}

/** Whether arguments that come piece by piece are a whole object. */
export function isWhole(argumentsText: string): boolean {
  return isObject(parse(argumentsText));
}

/** A whole number that JSON numbers of this process cannot hold would reach the other side as another one. @throws Refused */
export function refuseInexact(value: unknown, at: string): void {
  if (typeof value === 'number') {
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < EXPONENT_FROM)
      throw new Refused(at, `${at} holds a whole number above 2^53, which would be changed on its way: send it as a text`);
  } else if (Array.isArray(value)) {
    for (const entry of value as readonly unknown[]) refuseInexact(entry, at);
  } else if (isObject(value)) {
    for (const entry of Object.values(value)) refuseInexact(entry, at);
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
