/**
 * What translations read requests with. A field is carried over, dropped because it only hints, or refused by name: none is
 * lost in silence.
 */
import { type FieldProblem, Refused, isObject, printable } from '../field-checks.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The other API, as refusals name it. */
export type OtherApi = 'Anthropic messages' | 'OpenAI chat completions';

/** Runs a translation of a request; what it refuses becomes a problem. */
export function translateOrRefuse(
  translate: () => Json,
): { readonly ok: true; readonly body: Json } | { readonly ok: false; readonly problem: FieldProblem } {
  try {
    return { ok: true, body: translate() };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, problem: error.problem };
    throw error;
  }
}

/** A refusal that says what has no counterpart there. */
export function noCounterpart(
  param: string,
  other: OtherApi,
  advice = 'leave it out, or call a model of its own protocol',
): Refused {
  return new Refused(param, `${param} has no counterpart in ${other}, which serves this model: ${advice}`);
}

/**
 * Refuses every field that is not among the known ones; null counts as left out.
 * @param at where the object stands, such as `messages[0]`; empty at the top
 * @throws Refused
 */
export function refuseOthers(object: Json, known: ReadonlySet<string>, at: string, other: OtherApi): void {
  for (const [name, value] of Object.entries(object)) {
    if (value === null || value === undefined || known.has(name)) continue;
    throw noCounterpart(at === '' ? printable(name) : `${at}.${printable(name)}`, other);
  }
}

/** An object, or nothing where it is missing or null. @throws Refused for anything else */
export function readObject(value: unknown, at: string): Json | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw new Refused(at, `${at} must be an object`);
  return value;
}

/** A list of objects; empty where it is missing or null. @throws Refused for anything else */
export function readObjects(value: unknown, at: string): readonly Json[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Refused(at, `${at} must be a list`);
  return (value as readonly unknown[]).map((entry, index) => {
    if (!isObject(entry)) throw new Refused(`${at}[${index}]`, `${at}[${index}] must be an object`);
    return entry;
  });
}

/** A text. @throws Refused for anything else */
export function readText(value: unknown, at: string): string {
  if (typeof value !== 'string') throw new Refused(at, `${at} must be a text`);
  return value;
}

/** The member of an object, or nothing: for answers, which may have any shape. */
export function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A text that is not empty, or nothing. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The members of a list; none of what is no list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/** An object without the members that are undefined. */
export function compact(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
