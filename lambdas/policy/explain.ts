/** Turns the schema's findings into problems that say what was wrong, where it stands and what to write. */
import * as z from 'zod';
import type { PolicyDocument } from './document.ts';
import { type PathStep, type PolicyProblem, nearest } from './problems.ts';

type Issue = z.core.$ZodIssue;

/** Every finding of a schema as a problem of the file, in the order of its lines. */
export function explainIssues(document: PolicyDocument, schema: z.ZodType, issues: readonly Issue[]): PolicyProblem[] {
  return issues
    .flatMap((issue) => explain(document, schema, issue, []))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function explain(document: PolicyDocument, schema: z.ZodType, issue: Issue, prefix: readonly PathStep[]): PolicyProblem[] {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(document, schema, path, key));
  if (issue.code === 'invalid_union') {
    const branch = fittingBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => explain(document, schema, inner, path));
  }
  const value = valueAt(document.data, path);
  const last = String(path.at(-1) ?? '');
  if (value === undefined) return [missing(document, path)];
  if (value === null) return [document.problem(path, `'${last}' has no value yet`, 'fill it in')];
  if (issue.code === 'invalid_type' && issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    const source = document.sourceOf(path) ?? String(value);
    const why = isMoney(last) ? 'an amount of money is a text, because a number would lose digits' : 'this is a text';
    return [document.problem(path, `${why}: put quotes around it`, `write ${last === '' ? '' : `${last}: `}"${source}"`)];
  }
  if (issue.code === 'invalid_value') {
    const known = issue.values.map(String);
    const near = typeof value === 'string' ? nearest(value, known) : undefined;
    const shown = typeof value === 'string' ? `'${value.slice(0, 40)}'` : 'this';
    return [
      document.problem(
        path,
        `${shown} is not known here: ${known.join(' | ')}`,
        near === undefined ? undefined : `did you mean '${near}'?`,
      ),
    ];
  }
  return [document.problem(path, ownWords(issue, path, value))];
}

function missing(document: PolicyDocument, path: readonly PathStep[]): PolicyProblem {
  const last = String(path.at(-1) ?? '');
  if (path.length === 0) return document.problem(path, 'the file is empty', 'policy/dev.yaml is an example');
  if (path.length === 1 && last === 'stage') {
    const advice = "add stage: dev or stage: prod; a file with several stages' groups is split by npx tollgate policy split FILE";
    return document.problem(path, "'stage' is missing: a file is the policy of one stage", advice);
  }
  return document.problem(path, `'${last}' is missing`, `add ${last}`);
}

function unknownKey(document: PolicyDocument, schema: z.ZodType, path: readonly PathStep[], key: string): PolicyProblem {
  const known = keysAt(schema, path);
  const near = nearest(key, known);
  const suggestion = near === undefined ? `known here: ${known.join(', ')}` : `did you mean '${near}'?`;
  return document.problem([...path, key], `unknown key '${key.slice(0, 60)}'`, suggestion);
}

function ownWords(issue: Issue, path: readonly PathStep[], value: unknown): string {
  if (path.length === 0) return 'a policy is a mapping of keys, such as stage: dev';
  switch (issue.code) {
    case 'invalid_type':
      return `this is ${kindOf(value)}, expected ${EXPECTED[issue.expected] ?? issue.expected}`;
    case 'too_big':
      return issue.origin === 'array' ? `at most ${issue.maximum} items fit here` : `at most ${issue.maximum}`;
    case 'too_small':
      if (issue.origin === 'array')
        return `at least ${issue.minimum} ${issue.minimum === 1 ? 'item is' : 'items are'} needed here`;
      return issue.origin === 'string' ? issue.message : `at least ${issue.minimum}`;
    case 'invalid_union':
      return path.at(-1) === 'credential'
        ? 'a credential is { secret: NAME }, { iam: SERVICE } or none'
        : 'the value has none of the forms that fit here';
    default:
      return issue.message;
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys',
};

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a number with decimals';
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}

/** The branch of a union that the value took: the one that does not fail at its root. */
function fittingBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fitting = branches.filter((issues) =>
    issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'custom'),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

function isMoney(key: string): boolean {
  return key.endsWith('_usd') || key.includes('_usd_per_');
}

function valueAt(data: unknown, path: readonly PathStep[]): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined,
    data,
  );
}

/** The keys that the schema knows at a path. */
export function keysAt(schema: z.core.$ZodType, path: readonly PathStep[]): string[] {
  const [step, ...rest] = path;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return keysAt(schema.unwrap(), path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => keysAt(option, path));
  if (schema instanceof z.ZodArray) return step === undefined ? [] : keysAt(schema.element, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  if (step === undefined) return Object.keys(schema.shape);
  const inner: z.core.$ZodType | undefined = schema.shape[String(step)];
  return inner === undefined ? [] : keysAt(inner, rest);
}
