/**
 * What the gateway changes in a request that it forwards: the model's name, the output cap in the field that the
 * provider honours, and on a stream the wish for usage. Everything else goes on byte for byte.
 */
import { type JsonObjectText, type TextEdit, removeMember, renameMember, setMember } from './json-edits.ts';
import type { RequestFields } from './protocols/api.ts';
import { OUTPUT_CAP_FIELDS } from './request-fields.ts';

/** A request's text: its own members, and those of `stream_options` when that is an object. */
export interface RequestText extends JsonObjectText {
  readonly streamOptions?: JsonObjectText;
  /** The parsed object, to see what already says what it should. */
  readonly value: Readonly<Record<string, unknown>>;
}

/** The endpoint's side of a forwarded request. */
export interface Forwarding {
  readonly model: string;
  readonly outputCapField: string;
  readonly outputCapTokens: number;
  /** What goes on of the caller's headers, for endpoints that want it in the body. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The edits that turn a caller's request into the one for a target; none when it already is. */
export function forwardEdits(request: RequestText, fields: RequestFields, forwarding: Forwarding): readonly TextEdit[] {
  const edits = [...modelEdits(request, forwarding), ...capEdits(request, forwarding)];
  if (fields.stream && !fields.includeUsage) edits.push(usageEdit(request));
  return edits;
}

/** The model's name, as the target calls it. */
export function modelEdits(request: RequestText, { model }: Forwarding): readonly TextEdit[] {
  return request.value.model === model ? [] : [setMember(request, 'model', JSON.stringify(model))];
}

/** The output cap, in the one field that the target honours. */
export function capEdits(request: RequestText, forwarding: Forwarding): readonly TextEdit[] {
  const [kept, ...others] = request.members.filter((member) => OUTPUT_CAP_FIELDS.includes(member.name));
  if (kept === undefined) return [setMember(request, forwarding.outputCapField, String(forwarding.outputCapTokens))];
  const edits: TextEdit[] = [];
  if (kept.name !== forwarding.outputCapField) edits.push(renameMember(kept, forwarding.outputCapField));
  if (request.value[kept.name] !== forwarding.outputCapTokens) {
    edits.push({ start: kept.valueStart, end: kept.valueEnd, text: String(forwarding.outputCapTokens) });
  }
  // The kept one stands before the others, so each of these has a comma before it.
  return [...edits, ...others.map((member) => removeMember(request, member))];
}

function usageEdit(request: RequestText): TextEdit {
  return request.streamOptions === undefined
    ? setMember(request, 'stream_options', '{"include_usage":true}')
    : setMember(request.streamOptions, 'include_usage', 'true');
}
