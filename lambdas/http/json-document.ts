/**
 * Reads a request's JSON so that nobody downstream can read it differently: strict JSON in valid UTF-8, bounded depth,
 * no key twice, and the places of the top-level members for byte-exact changes.
 */
import { visit } from 'jsonc-parser';
import type { RequestText } from '../domain/forwarded-request.ts';
import type { JsonMember, JsonObjectText } from '../domain/json-edits.ts';
import { invalidRequest } from './errors.ts';

interface OpenMember {
  readonly name: string;
  readonly keyStart: number;
  readonly keyEnd: number;
}

/** An object being read whose members' places are kept. */
interface Recorded {
  readonly text: string;
  readonly openBrace: number;
  readonly members: JsonMember[];
  open?: OpenMember;
  end: number;
}

/**
 * Parses a request body.
 * @throws GatewayError 400 when it is not a JSON object, nests too deep or has a key twice
 */
export function parseRequest(body: Uint8Array, maxDepth: number): RequestText {
  const text = decode(body);
  // The scan comes first: it bounds the depth before anything else walks the value.
  const { root, streamOptions } = scan(text, maxDepth);
  const value = parse(text);
  if (root === undefined || !isObject(value)) throw invalidRequest('The body must be a JSON object.');
  return { text, openBrace: root.openBrace, members: root.members, streamOptions, value };
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw invalidRequest('The body is not valid UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote the body, and bodies hold prompts.
    throw invalidRequest('The body is not valid JSON.');
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function scan(text: string, maxDepth: number): { readonly root?: Recorded; readonly streamOptions?: JsonObjectText } {
  const keys: Set<string>[] = [];
  let depth = 0;
  const found: { root?: Recorded; nested?: Recorded } = {};
  /** The recorded object whose member is being read at this depth. */
  const recordedAt = (at: number): Recorded | undefined => (at === 1 ? found.root : at === 2 ? found.nested : undefined);
  const enter = (): void => {
    depth += 1;
    if (depth > maxDepth) throw invalidRequest(`The body nests deeper than ${maxDepth} levels.`);
  };
  const valueEnds = (start: number, end: number): void => {
    const owner = recordedAt(depth);
    if (owner?.open === undefined) return;
    owner.members.push({ ...owner.open, valueStart: start, valueEnd: end });
    owner.open = undefined;
  };
  const starts: number[] = [];

  visit(
    text,
    {
      onObjectBegin: (offset) => {
        const isNested = depth === 1 && found.root?.open?.name === 'stream_options';
        enter();
        starts.push(offset);
        keys.push(new Set());
        if (depth === 1) found.root ??= { text, openBrace: offset, members: [], end: 0 };
        else if (isNested) found.nested = { text, openBrace: offset, members: [], end: 0 };
      },
      onObjectProperty: (name, offset, length) => {
        const seen = keys.at(-1);
        if (seen?.has(name))
          throw invalidRequest(
            'A key stands twice in one object of the body: send each once.',
            depth === 1 ? printable(name) : undefined,
          );
        seen?.add(name);
        const owner = recordedAt(depth);
        if (owner !== undefined && owner.end === 0) owner.open = { name, keyStart: offset, keyEnd: offset + length };
      },
      onObjectEnd: (offset) => {
        const owner = recordedAt(depth);
        if (owner !== undefined && owner.end === 0) owner.end = offset;
        keys.pop();
        depth -= 1;
        valueEnds(starts.pop() ?? offset, offset + 1);
      },
      onArrayBegin: (offset) => {
        enter();
        starts.push(offset);
      },
      onArrayEnd: (offset) => {
        depth -= 1;
        valueEnds(starts.pop() ?? offset, offset + 1);
      },
      onLiteralValue: (_value, offset, length) => valueEnds(offset, offset + length),
      onError: () => {
        throw invalidRequest('The body is not valid JSON.');
      },
    },
    { disallowComments: true, allowTrailingComma: false },
  );
  return { root: found.root, streamOptions: found.nested };
}

function printable(name: string): string {
  return name.replaceAll(/[^0-9A-Za-z_.-]/g, '?').slice(0, 64);
}
