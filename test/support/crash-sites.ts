/**
 * Finds, in the text of the application, every place that calls a port and every `await`. The crash matrix must have met each:
 * what is enumerated is read from the code, so a new call or a new await that no scenario reaches turns a test red.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'lambdas', 'application');

/** Reads everything and moves nothing; it runs on an operator's command and is on no paid path. */
const NOT_PAID = new Set(['verify.ts']);

export interface CallSite {
  /** `file.ts:line` */
  readonly at: string;
  /** As a boundary is named: `store.reserve`. */
  readonly op: string;
}

export interface AwaitSite {
  readonly at: string;
  /** All lines of the awaited expression: a stack names one of them. */
  readonly lines: readonly string[];
  readonly text: string;
}

interface Source {
  readonly file: string;
  /** Comments and the insides of strings are blanks, so that every position stays. */
  readonly code: string;
}

function sources(): readonly Source[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.ts') && !NOT_PAID.has(file))
    .map((file) => ({ file, code: withoutWords(readFileSync(path.join(FOLDER, file), 'utf8')) }));
}

/** Names of the methods of the ports, read from their interfaces. */
export function portMethods(): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  const note = (receiver: string, file: string, name: string): void => {
    const text = withoutWords(readFileSync(path.join(FOLDER, file), 'utf8'));
    const begin = text.indexOf(`export interface ${name} {`);
    if (begin === -1) throw new Error(`${file} has no interface ${name}`);
    const body = text.slice(begin, text.indexOf('\n}', begin));
    for (const [, method] of body.matchAll(/^ {2}(\w+)\(/gm)) {
      if (method !== undefined && method !== 'now') all.set(method, [...(all.get(method) ?? []), receiver]);
    }
  };
  note('store', 'ports.ts', 'LedgerStore');
  note('store', 'ports-health.ts', 'HealthStore');
  note('store', 'ports-rates.ts', 'RateStore');
  note('store', 'ports-answers.ts', 'AnswerStore');
  note('publisher', 'ports.ts', 'AlertPublisher');
  note('log', 'ports.ts', 'AlertLog');
  note('clock', 'ports.ts', 'Clock');
  note('client', 'ports-provider.ts', 'ProviderClient');
  note('body', 'ports-provider.ts', 'ProviderBody');
  note('sink', 'complete-call.ts', 'StreamSink');
  return all;
}

/** Methods that wait for nobody. */
const AT_ONCE = new Set(['sink.fail', 'sink.end', 'body.cancel']);

/** Calls of the application's own methods that are named like a port's. */
const OWN = new Set([
  'this.readPots',
  'this.flush',
  'this.noteLimit',
  'this.expire',
  'payments.settle',
  'payments.hold',
  'payments.record',
  'meter.push',
  'meter.end',
  'translated.end',
  'translator.end',
  'roundRobin.next',
  'context.sleep',
]);

/** Every place where a port is called. @throws Error at a call that could be a port's under another name */
export function callSites(): readonly CallSite[] {
  const methods = portMethods();
  const sites: CallSite[] = [];
  for (const { file, code } of sources()) {
    for (const found of code.matchAll(/(\w+)(?:\s*\??\.\s*)(\w+)\(/g)) {
      const [, receiver = '', method = ''] = found;
      const ports = methods.get(method);
      if (ports === undefined) continue;
      const op = `${receiver}.${method}`;
      const at = `${file}:${lineOf(code, found.index + found[0].lastIndexOf(method))}`;
      if (ports.includes(receiver)) {
        if (!AT_ONCE.has(op)) sites.push({ at, op });
      } else if (!OWN.has(op)) throw new Error(`${at}: is ${op} a port? Name it so, or list it in crash-sites.ts`);
    }
  }
  return sites;
}

/** Every `await`, and every `for await`. */
export function awaitSites(): readonly AwaitSite[] {
  return sources().flatMap(({ file, code }) =>
    [...code.matchAll(/\bawait\b/g)].map(({ index }) => {
      const end = endOfExpression(code, index);
      const first = lineOf(code, index);
      const lines = Array.from({ length: lineOf(code, end) - first + 1 }, (_, more) => `${file}:${first + more}`);
      const text = code.slice(index, end).replaceAll(/\s+/g, ' ');
      return { at: `${file}:${first}`, lines, text };
    }),
  );
}

/** Where the operand of an `await` ends: a bracket that was open before it closes, or a `;` or `,` outside of brackets. */
function endOfExpression(code: string, from: number): number {
  let depth = 0;
  for (let at = from; at < code.length; at += 1) {
    const sign = code.charAt(at);
    if ('([{'.includes(sign)) depth += 1;
    else if (')]}'.includes(sign)) depth -= 1;
    if (depth < 0 || (depth === 0 && (sign === ';' || sign === ','))) return at;
  }
  return code.length;
}

function lineOf(code: string, at: number): number {
  return code.slice(0, at).split('\n').length;
}

/** The same text with blanks for comments and for what stands in quotes; code inside a template stays. */
function withoutWords(text: string): string {
  const blank = (words: string): string => words.replaceAll(/[^\n]/g, ' ');
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, blank)
    .replaceAll(/(^|[^:'"`\w])\/\/[^\n]*/g, (words: string, before: string) => before + blank(words.slice(before.length)))
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, (words) => `'${blank(words.slice(1, -1))}'`);
}
