/** What every API's field table is made of: shapes, refusals by name, and names that are safe to say. */

/** What a request must look like to be refused for it: the field's name, and what to do. */
export interface FieldProblem {
  readonly param: string;
  readonly message: string;
}

/** Thrown inside a reader of fields and turned into a `FieldProblem` at its edge. */
export class Refused extends Error {
  readonly problem: FieldProblem;
  constructor(param: string, message: string) {
    super(message);
    this.problem = { param, message };
  }
}

/** The shape that a cost-neutral field must have. */
export type Shape = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'any';

/** How an API classifies the fields of its requests: each is cost-neutral, bounded by a check of its own, or refused by name. */
export interface FieldTable {
  /** What they cost is inside the bound of bytes and output tokens. */
  readonly costNeutral: Readonly<Record<string, Shape>>;
  /** Checked one by one: they carry the bound. */
  readonly bounded: ReadonlySet<string>;
  /** Fields without a bound, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

const MAX_MODEL_NAME = 256;

/** Runs a reader. What it refuses becomes a problem; a defect of the reader stays a defect. */
export function readOrRefuse<T>(
  read: () => T,
): { readonly ok: true; readonly fields: T } | { readonly ok: false; readonly problem: FieldProblem } {
  try {
    return { ok: true, fields: read() };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, problem: error.problem };
    throw error;
  }
}

/** The model's name. @throws Refused */
export function readModel(body: Readonly<Record<string, unknown>>): string {
  const { model } = body;
  if (typeof model !== 'string' || model === '' || model.length > MAX_MODEL_NAME)
    throw new Refused('model', `model must be a name of 1 to ${MAX_MODEL_NAME} characters`);
  return model;
}

/** Checks the fields of an object by their table, and notes those that no table lists. @throws Refused */
export function checkFields(body: Readonly<Record<string, unknown>>, table: FieldTable, unlisted: Set<string>): void {
  for (const [name, value] of Object.entries(body)) {
    const shape = Object.hasOwn(table.costNeutral, name) ? table.costNeutral[name] : undefined;
    const reason = Object.hasOwn(table.refused, name) ? table.refused[name] : undefined;
    if (reason !== undefined) {
      if (value !== null) throw new Refused(name, `${name} is not accepted: ${reason}`);
    } else if (shape !== undefined) {
      if (value !== null && !hasShape(value, shape)) throw new Refused(name, `${name} must be ${article(shape)}`);
    } else if (!table.bounded.has(name)) {
      refuseOtherCase(name, table);
      unlisted.add(printable(name));
    }
  }
}

/** Where unknown fields go on, `MAX_TOKENS` would be the cap of a server that reads names without regard to case, as Go does. */
function refuseOtherCase(name: string, { costNeutral, bounded, refused }: FieldTable): void {
  const known = foldCase(name);
  if (!bounded.has(known) && !Object.hasOwn(costNeutral, known) && !Object.hasOwn(refused, known)) return;
  const message = `${known} must be written so, and not ${printable(name)}: some servers read names without regard to case`;
  throw new Refused(known, message);
}

/** By way of the upper case, in which a long s and the sign of Kelvin meet their letters. */
function foldCase(name: string): string {
  return name.toLowerCase().toUpperCase().toLowerCase();
}

/** A service stage refuses fields that nobody listed: unknown fields have no bound. @throws Refused */
export function refuseUnlisted(unlisted: ReadonlySet<string>, purpose: 'learning' | 'service'): void {
  const [first] = unlisted;
  if (purpose === 'service' && first !== undefined)
    throw new Refused(first, `${first} is not a field that this gateway knows, and unknown fields have no bound: leave it out`);
}

/** A whole number from 1 to `most`, or nothing. @throws Refused */
export function readInteger(value: unknown, name: string, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most)
    throw new Refused(name, `${name} must be a whole number from 1 to ${most}`);
  return value;
}

/** A text, or nothing. @throws Refused */
export function checkText(value: unknown, at: string): void {
  if (value !== undefined && value !== null && typeof value !== 'string') throw new Refused(at, `${at} must be a text`);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A caller's text in a form that is safe in headers, logs and messages. */
export function printable(name: string): string {
  return name.replaceAll(/[^0-9A-Za-z_.-]/g, '?').slice(0, 64);
}

function hasShape(value: unknown, shape: Shape): boolean {
  switch (shape) {
    case 'any':
      return true;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === shape;
    default:
      return shape satisfies never;
  }
}

function article(shape: Shape): string {
  return shape === 'object' || shape === 'array' ? `an ${shape}` : `a ${shape}`;
}
