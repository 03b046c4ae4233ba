/** What the local stages tell of themselves: one line a happening on stderr, ids and codes only. */
import type { Reporter } from '../application/alert-desk.ts';

/** @param write takes one line, its line break included */
export function terminalReporter(stage: string, write: (line: string) => void): Reporter {
  const line =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      let text = `${new Date().toISOString()} ${stage} ${level} ${message}`;
      for (const name in fields) if (fields[name] !== undefined) text += ` ${name}=${wordOf(fields[name])}`;
      write(`${text}\n`);
    };
  return { info: line('info'), warn: line('warning'), error: line('error') };
}

function wordOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value, bigintsAsText);
}

function bigintsAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
