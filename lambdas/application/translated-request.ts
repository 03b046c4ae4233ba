/** A caller's request as the provider's API reads it: as it came, or translated and read again by that API's own rules. */
import type { FieldProblem } from '../domain/field-checks.ts';
import type { RequestText } from '../domain/forwarded-request.ts';
import type { JsonMember } from '../domain/json-edits.ts';
import type { RequestFields } from '../domain/protocols/api.ts';
import type { Passage } from '../domain/protocols/registry.ts';
import type { CallRequest } from './complete-call.ts';

export interface ReadRequest {
  readonly text: RequestText;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fields: RequestFields;
}

export type TranslatedRequest =
  | { readonly ok: true; readonly request: ReadRequest }
  | { readonly ok: false; readonly problem: FieldProblem };

/** The request to price and send to a provider of that passage. */
export function translateRequest({ upstream, translation }: Passage, request: CallRequest): TranslatedRequest {
  const { text, body, fields, policy } = request;
  if (translation === undefined) return { ok: true, request: { text, bytes: body, fields } };
  const translated = translation.request(text.value);
  if (!translated.ok) return translated;
  // What was translated must stand before the other API's own table: its bound is what is paid for.
  const read = upstream.readFields(translated.body, policy.purpose);
  if (!read.ok) return read;
  const written = writeJson(translated.body);
  return {
    ok: true,
    request: { text: written, bytes: new TextEncoder().encode(written.text), fields: { ...read.fields, stream: fields.stream } },
  };
}

/** Writes an object, with the places of its members. */
function writeJson(value: Readonly<Record<string, unknown>>): RequestText {
  const members: JsonMember[] = [];
  let text = '{';
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    if (members.length > 0) text += ',';
    const keyStart = text.length;
    text += JSON.stringify(name);
    const keyEnd = text.length;
    text += ':';
    const valueStart = text.length;
    text += JSON.stringify(inner);
    members.push({ name, keyStart, keyEnd, valueStart, valueEnd: text.length });
  }
  return { text: `${text}}`, openBrace: 0, members, value };
}
