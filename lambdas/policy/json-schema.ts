/** The JSON Schema of a stage's file, so that an editor completes and checks it. */
import * as z from 'zod';
import { policySchema } from './schema.ts';

const LINE_WIDTH = 130;

/** The schema as JSON data, in the dialect that YAML editors read. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
  return { title: 'Tollgate policy of one stage', ...z.toJSONSchema(policySchema, { target: 'draft-7', io: 'input' }) };
}

/** The text of `policy/policy.schema.json`, laid out as the repository's formatter does. */
export function policyJsonSchemaText(): string {
  return `${layOut(policyJsonSchema(), '', 0)}\n`;
}

/** JSON with every mapping on lines of its own and a list of plain values on one line where it fits. */
function layOut(value: unknown, indent: string, before: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object')) {
      const line = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
      if (indent.length + before + line.length < LINE_WIDTH) return line;
    }
    return `[\n${value.map((item: unknown) => deeper + layOut(item, deeper, 0)).join(',\n')}\n${indent}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return '{}';
  const lines = entries.map(([key, item]: [string, unknown]) => {
    const name = `${JSON.stringify(key)}: `;
    return deeper + name + layOut(item, deeper, name.length);
  });
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
