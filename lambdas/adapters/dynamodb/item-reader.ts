/** Reads a stored item attribute by attribute. What is missing or of another kind is an error that names the item, never a silent 0. */
import type { PlainItem } from './attribute-values.ts';

/** An item of the table that does not have the shape that the ledger writes. */
export class DamagedItemError extends Error {
  readonly code = 'damaged_item';
  constructor(item: string, why: string) {
    super(`the stored item ${item} is damaged: ${why}. Nothing was changed; compare it with a backup before repairing it`);
    this.name = 'DamagedItemError';
  }
}

/** One item under validation. */
export class ItemReader {
  /** `pk` and `sk`, as errors show them. */
  readonly name: string;
  private readonly item: PlainItem;

  /** @param name of the item, for a map inside one */
  constructor(item: PlainItem, name?: string) {
    this.item = item;
    this.name = name ?? `${String(item.pk)} / ${String(item.sk)}`;
  }

  get pk(): string {
    return this.text('pk');
  }

  get sk(): string {
    return this.text('sk');
  }

  /** The reader of a map in this item. @throws DamagedItemError when it is none */
  inside(attribute: string): ItemReader {
    return new ItemReader(this.map(attribute), `${this.name} in '${attribute}'`);
  }

  /** @throws DamagedItemError always */
  damaged(why: string): never {
    throw new DamagedItemError(this.name, why);
  }

  has(attribute: string): boolean {
    return this.item[attribute] !== undefined;
  }

  attributes(): readonly string[] {
    return Object.keys(this.item);
  }

  amount(attribute: string): bigint {
    const value = this.item[attribute];
    return typeof value === 'bigint' ? value : this.wrong(attribute, 'an integer');
  }

  optionalAmount(attribute: string): bigint | undefined {
    return this.has(attribute) ? this.amount(attribute) : undefined;
  }

  /** A count or an instant: exact as a JavaScript number. */
  integer(attribute: string): number {
    const value = Number(this.amount(attribute));
    return Number.isSafeInteger(value) ? value : this.wrong(attribute, 'a safe integer');
  }

  optionalInteger(attribute: string): number | undefined {
    return this.has(attribute) ? this.integer(attribute) : undefined;
  }

  text(attribute: string): string {
    const value = this.item[attribute];
    return typeof value === 'string' ? value : this.wrong(attribute, 'a text');
  }

  optionalText(attribute: string): string | undefined {
    return this.has(attribute) ? this.text(attribute) : undefined;
  }

  optionalFlag(attribute: string): boolean | undefined {
    const value = this.item[attribute];
    return value === undefined || typeof value === 'boolean' ? value : this.wrong(attribute, 'true or false');
  }

  bytes(attribute: string): Uint8Array {
    const value = this.item[attribute];
    return value instanceof Uint8Array ? value : this.wrong(attribute, 'binary');
  }

  texts(attribute: string): readonly string[] {
    const value = this.item[attribute];
    if (!Array.isArray(value)) return this.wrong(attribute, 'a list of texts');
    const list: readonly unknown[] = value;
    return list.map((element) => (typeof element === 'string' ? element : this.wrong(attribute, 'a list of texts')));
  }

  optionalTexts(attribute: string): readonly string[] | undefined {
    return this.has(attribute) ? this.texts(attribute) : undefined;
  }

  /** A set of texts; empty when it is absent, since an empty set cannot be stored. */
  textSet(attribute: string): readonly string[] {
    const value = this.item[attribute];
    if (value === undefined) return [];
    const members: readonly unknown[] = value instanceof Set ? [...value] : this.wrong(attribute, 'a set of texts');
    return members.map((member) => (typeof member === 'string' ? member : this.wrong(attribute, 'a set of texts')));
  }

  map(attribute: string): PlainItem {
    const value = this.item[attribute];
    return isMap(value) ? value : this.wrong(attribute, 'a map');
  }

  optionalMap(attribute: string): PlainItem | undefined {
    return this.has(attribute) ? this.map(attribute) : undefined;
  }

  private wrong(attribute: string, expected: string): never {
    return this.damaged(`'${attribute}' ${this.has(attribute) ? 'is not' : 'is missing and should be'} ${expected}`);
  }
}

function isMap(value: unknown): value is PlainItem {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
