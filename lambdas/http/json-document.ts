/**
 * Reads a request's JSON so that nobody downstream can read it differently: strict JSON in valid UTF-8, bounded depth,
 * no key twice, and the places of the top-level members for byte-exact changes.
 */
import type { RequestText } from '../domain/forwarded-request.ts';
import type { JsonMember, JsonObjectText } from '../domain/json-edits.ts';
import { invalidRequest } from './errors.ts';

/**
 * Parses a request body.
 * @throws GatewayError 400 when it is not a JSON object, nests too deep or has a key twice
 */
export function parseRequest(body: Uint8Array, maxDepth: number): RequestText {
  const text = decode(body);
  const value = parse(text);
  if (!isObject(value)) throw invalidRequest('The body must be a JSON object.');
  const { root, streamOptions } = scan(text, maxDepth);
  return { ...root, streamOptions, value };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch {
    throw invalidRequest('The body is not valid UTF-8.');
  }
}

/** The engine's parser does not recurse, so that depth alone cannot exhaust its stack. */
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

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** An object or array that is open at a place of the text; `names` are an object's keys so far. */
interface Open {
  readonly names: Set<string> | undefined;
  /** Where the members of a recorded object go. */
  readonly members: JsonMember[] | undefined;
  /** An object's next string is a key. */
  keyNext: boolean;
  name: string;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
}

/** One pass over the text of an object that is known to be valid JSON: only strings, brackets, commas and colons matter. */
function scan(text: string, maxDepth: number): { readonly root: JsonObjectText; readonly streamOptions?: JsonObjectText } {
  const stack: Open[] = [];
  let open: Open | undefined;
  let root: JsonObjectText | undefined;
  let streamOptions: JsonObjectText | undefined;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (open?.keyNext === true) takeKey(open, text, at, end, stack.length);
        at = end - 1;
        break;
      }
      case OPEN_BRACE: {
        const members: JsonMember[] = [];
        const recorded = stack.length === 0 || (stack.length === 1 && open?.name === 'stream_options');
        if (stack.length === 0) root = { text, openBrace: at, members };
        else if (recorded) streamOptions = { text, openBrace: at, members };
        open = enter(stack, maxDepth, new Set(), recorded ? members : undefined);
        break;
      }
      case OPEN_BRACKET:
        open = enter(stack, maxDepth, undefined, undefined);
        break;
      case COLON:
        if (open !== undefined) open.valueStart = at + 1;
        break;
      case COMMA:
        if (open?.names !== undefined) {
          endValue(open, text, at);
          open.keyNext = true;
        }
        break;
      case CLOSE_BRACE:
        if (open !== undefined) endValue(open, text, at);
        stack.pop();
        open = stack.at(-1);
        break;
      case CLOSE_BRACKET:
        stack.pop();
        open = stack.at(-1);
        break;
      default:
    }
  }
  if (root === undefined) throw invalidRequest('The body must be a JSON object.');
  return { root, streamOptions };
}

function enter(stack: Open[], maxDepth: number, names: Open['names'], members: Open['members']): Open {
  if (stack.length >= maxDepth) throw invalidRequest(`The body nests deeper than ${maxDepth} levels.`);
  const open = { names, members, keyNext: names !== undefined, name: '', keyStart: 0, keyEnd: 0, valueStart: 0 };
  stack.push(open);
  return open;
}

/** The offset behind a string's closing quote. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
}

function takeKey(open: Open, text: string, start: number, end: number, depth: number): void {
  const spelled = text.slice(start + 1, end - 1);
  const name = spelled.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : spelled;
  if (open.names?.has(name) === true) {
    throw invalidRequest(
      'A key stands twice in one object of the body: send each once.',
      depth === 1 ? printable(name) : undefined,
    );
  }
  open.names?.add(name);
  open.keyNext = false;
  open.name = name;
  open.keyStart = start;
  open.keyEnd = end;
}

/** A member ends at the comma or brace behind it, less the space around its value. */
function endValue(open: Open, text: string, end: number): void {
  const { members, name, keyStart, keyEnd, keyNext } = open;
  if (members === undefined || keyNext) return;
  let { valueStart } = open;
  let valueEnd = end;
  while (isSpace(text.charCodeAt(valueStart))) valueStart += 1;
  while (isSpace(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
  members.push({ name, keyStart, keyEnd, valueStart, valueEnd });
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
}

function printable(name: string): string {
  return name.replaceAll(/[^0-9A-Za-z_.-]/g, '?').slice(0, 64);
}
