/** Reads YAML with positions: what a file says, and on which line each part of it stands. */
import { LineCounter, type Document, isAlias, isMap, isNode, isScalar, isSeq, parseDocument, visit } from 'yaml';
import { type PathStep, PolicyError, type PolicyProblem, formatPath } from './problems.ts';

const MAX_FILE_CHARACTERS = 512 * 1024;
/** Enough for a shared list of thresholds; a file that unfolds to more is an attack or a mistake. */
const MAX_ALIASES = 64;

/** Words for the parser's codes. Its own messages quote the file, and a file may hold a key. */
const SYNTAX: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands twice in the same mapping',
  TAB_AS_INDENT: 'a tab indents this line: YAML wants spaces',
  BAD_INDENT: 'the indentation does not fit the lines above',
  MISSING_CHAR: 'a quote, bracket or brace is not closed, or a separator is missing',
  BAD_ALIAS: 'an alias (*name) without its anchor (&name)',
  BLOCK_AS_IMPLICIT_KEY: 'a nested mapping stands on one line with its key',
  BLOCK_IN_FLOW: 'a block stands inside brackets or braces',
  MULTILINE_IMPLICIT_KEY: 'a key goes over more than one line: is a quote or a colon missing?',
  MULTIPLE_DOCS: 'there is more than one document (---) in the file',
  UNEXPECTED_TOKEN: 'something stands here that YAML does not expect',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
};

/** A place in a file, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A parsed YAML file that can say where each of its parts stands. */
export class PolicyDocument {
  readonly file: string;
  /** The plain data; undefined for an empty file. */
  readonly data: unknown;
  private readonly document: Document.Parsed;
  private readonly lines: LineCounter;

  private constructor(file: string, document: Document.Parsed, lines: LineCounter, data: unknown) {
    this.file = file;
    this.document = document;
    this.lines = lines;
    this.data = data;
  }

  /**
   * @param file what errors call it
   * @throws PolicyError when it is not YAML that a policy can be read from
   */
  static parse(text: string, file: string): PolicyDocument {
    const whole = (message: string, suggestion?: string) =>
      new PolicyError([{ file, line: 1, column: 1, path: '', message, suggestion }]);
    if (text.length > MAX_FILE_CHARACTERS) throw whole(`the file is larger than ${MAX_FILE_CHARACTERS / 1024} KB`);
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    if (document.errors.length > 0) {
      throw new PolicyError(
        document.errors.map((error) => ({ file, ...place(lines, error.pos[0]), path: '', message: syntaxMessage(error.code) })),
      );
    }
    const badKeys: PolicyProblem[] = [];
    visit(document, {
      Pair: (_key, { key }) => {
        if (isScalar(key)) return;
        const offset = isNode(key) ? key.range?.[0] : undefined;
        badKeys.push({ file, ...place(lines, offset ?? 0), path: '', message: 'a key is a plain text' });
      },
    });
    if (badKeys.length > 0) throw new PolicyError(badKeys);
    let data: unknown;
    try {
      data = document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      if (error instanceof ReferenceError)
        throw whole('the anchors and aliases of this file unfold to too much', 'write the values out');
      throw error;
    }
    return new PolicyDocument(file, document, lines, data ?? undefined);
  }

  /** Where a part stands: its key in a mapping, its item in a list, or the nearest part around it that exists. */
  placeOf(path: readonly PathStep[]): Place {
    let node: unknown = this.document.contents;
    let offset = 0;
    for (const step of path) {
      const found = this.enter(node, step);
      if (found === undefined) break;
      [node, offset] = [found.value, found.offset ?? offset];
    }
    return place(this.lines, offset);
  }

  /** How a scalar is written, such as `400.00` for a number that JavaScript reads as 400. */
  sourceOf(path: readonly PathStep[]): string | undefined {
    let node: unknown = this.document.contents;
    for (const step of path) node = this.enter(node, step)?.value;
    return isScalar(node) && typeof node.source === 'string' ? node.source : undefined;
  }

  /** A problem at a part of this file. */
  problem(path: readonly PathStep[], message: string, suggestion?: string): PolicyProblem {
    return { file: this.file, ...this.placeOf(path), path: formatPath(path), message, suggestion };
  }

  private enter(parent: unknown, step: PathStep): { readonly value: unknown; readonly offset?: number } | undefined {
    const node = isAlias(parent) ? parent.resolve(this.document) : parent;
    if (isMap(node)) {
      const pair = node.items.find((item) => (isScalar(item.key) ? String(item.key.value) : '') === String(step));
      if (pair === undefined) return undefined;
      return { value: pair.value, offset: isNode(pair.key) ? pair.key.range?.[0] : undefined };
    }
    if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
      const value: unknown = node.items[step];
      return { value, offset: isNode(value) ? value.range?.[0] : undefined };
    }
    return undefined;
  }
}

function place(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function syntaxMessage(code: string): string {
  return `not valid YAML: ${SYNTAX[code] ?? code.toLowerCase().replaceAll('_', ' ')}`;
}
