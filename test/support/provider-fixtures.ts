/** Answers of real providers, as files of `test/fixtures/providers`. */
import { readFileSync } from 'node:fs';

/** The text of a file, such as `openai/response-text.json`. */
export function providerText(name: string): string {
  return readFileSync(new URL(`../fixtures/providers/${name}`, import.meta.url), 'utf8');
}

/** A file's JSON. */
export function providerAnswer(name: string): unknown {
  return JSON.parse(providerText(name));
}
