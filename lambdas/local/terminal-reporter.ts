/** What the local stages tell of themselves: one line a happening on stderr, ids and codes only. */
import type { Reporter } from '../application/alert-desk.ts';

/** @param write takes one line, its line break included */
export function terminalReporter(stage: string, write: (line: string) => void): Reporter {
  const line =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const told = Object.entries(fields).filter(([, value]) => value !== undefined);
      const facts = told.map(
        ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value, bigintsAsText)}`,
      );
      write(`${new Date().toISOString()} ${stage} ${level} ${message}${facts.join('')}\n`);
    };
  return { info: line('info'), warn: line('warning'), error: line('error') };
}

function bigintsAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
