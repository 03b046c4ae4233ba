/**
 * Byte-exact changes to a JSON object: only the values that must change are replaced in its text; spacing, order,
 * number spellings and unknown fields stay as they came.
 */

/** Where a member of an object stands in its text, in UTF-16 units. */
export interface JsonMember {
  readonly name: string;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** An object's text with the places of its own members, in order. `openBrace` is the offset of its `{`. */
export interface JsonObjectText {
  readonly text: string;
  readonly openBrace: number;
  readonly members: readonly JsonMember[];
}

/** Replaces `text.slice(start, end)`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Sets a member's value, or adds the member behind the last one. */
export function setMember(object: JsonObjectText, name: string, valueText: string): TextEdit {
  const member = object.members.find((candidate) => candidate.name === name);
  if (member !== undefined) return { start: member.valueStart, end: member.valueEnd, text: valueText };
  return addMember(object, name, valueText);
}

/** Adds a member behind the last one, whether or not there is one of that name. */
export function addMember(object: JsonObjectText, name: string, valueText: string): TextEdit {
  const addition = `${JSON.stringify(name)}:${valueText}`;
  const last = object.members.at(-1);
  return last === undefined
    ? { start: object.openBrace + 1, end: object.openBrace + 1, text: addition }
    : { start: last.valueEnd, end: last.valueEnd, text: `,${addition}` };
}

/** Gives a member another name, in its place. */
export function renameMember(member: JsonMember, name: string): TextEdit {
  return { start: member.keyStart, end: member.keyEnd, text: JSON.stringify(name) };
}

/** Takes a member out together with the comma before it. @throws RangeError for the first member, which has none */
export function removeMember(object: JsonObjectText, member: JsonMember): TextEdit {
  const previous = object.members[object.members.indexOf(member) - 1];
  if (previous === undefined) throw new RangeError('the first member has no comma before it');
  return { start: previous.valueEnd, end: member.valueEnd, text: '' };
}

/** Takes members of an object out, each with a comma, wherever they stand. At least one member must stay. */
export function removeMembers(object: JsonObjectText, removed: readonly JsonMember[]): TextEdit[] {
  const { members } = object;
  const edits: TextEdit[] = [];
  for (let at = 0; at < members.length; at += 1) {
    const first = at;
    while (at < members.length && removed.includes(members[at] as JsonMember)) at += 1;
    const [from, before, last, next] = [members[first], members[first - 1], members[at - 1], members[at]];
    if (at === first || from === undefined || last === undefined) continue;
    if (before !== undefined) edits.push({ start: before.valueEnd, end: last.valueEnd, text: '' });
    else if (next !== undefined) edits.push({ start: from.keyStart, end: next.keyStart, text: '' });
    else throw new RangeError('an object without members has no place for others');
  }
  return edits;
}

/** Applies edits that do not overlap; edits at one place keep the order in which they are given. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let out = '';
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    if (edit.start < at) throw new RangeError('edits overlap');
    out += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return out + text.slice(at);
}

/** How many UTF-8 bytes longer (or shorter) the text gets. */
export function byteGrowth(text: string, edits: readonly TextEdit[]): number {
  return edits.reduce((sum, edit) => sum + utf8Length(edit.text) - utf8Length(text.slice(edit.start, edit.end)), 0);
}

/** UTF-8 bytes of a well-formed text. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800 || (unit >= 0xd800 && unit < 0xe000)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
