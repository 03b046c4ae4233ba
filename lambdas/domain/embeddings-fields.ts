/**
 * Every field of an embeddings request is cost-neutral, bounded or refused by name. It generates nothing: what it costs
 * is its input, and the bytes of the body bound that, tokens given as numbers included.
 * @see https://platform.openai.com/docs/api-reference/embeddings/create, read 2026-11-24
 */
import { type FieldTable, Refused, checkFields, readModel, readOrRefuse, refuseUnlisted } from './field-checks.ts';
import type { FieldsResult } from './protocols/api.ts';

/** The most inputs of one request, which is OpenAI's limit. */
export const MAX_INPUTS = 2_048;

const TABLE: FieldTable = {
  costNeutral: {
    dimensions: 'number',
    encoding_format: 'string',
    // Mistral's names for the next two.
    output_dimension: 'number',
    output_dtype: 'string',
    user: 'string',
  },
  bounded: new Set(['input', 'model']),
  refused: {
    inputs: 'images and other inputs beside text have no bound here; use input',
    messages: 'images and other inputs beside text have no bound here; use input',
    stream: 'vectors come in one answer',
  },
};

/**
 * Checks and classifies the fields of an embeddings request.
 * @param body the parsed JSON object
 * @param purpose the stage's: a service refuses fields that are not listed
 */
export function readEmbeddingsFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult {
  return readOrRefuse(() => {
    const unlisted = new Set<string>();
    const model = readModel(body);
    checkFields(body, TABLE, unlisted);
    checkInput(body.input);
    refuseUnlisted(unlisted, purpose);
    return { model, stream: false, includeUsage: false, answers: 1, mediaTokens: 0, unlisted: [...unlisted] };
  });
}

/** A text, its tokens, or a list of either. Every token is a number of its own, so it has a byte of its own. */
function checkInput(input: unknown): void {
  if (typeof input === 'string') return;
  if (!Array.isArray(input) || input.length === 0)
    throw new Refused('input', 'input must be a text, a list of tokens, or a list of texts or of lists of tokens');
  const list = input as readonly unknown[];
  if (list.every(isToken)) return;
  if (list.length > MAX_INPUTS) throw new Refused('input', `input may have at most ${MAX_INPUTS} texts`);
  for (const [index, entry] of list.entries()) {
    if (typeof entry === 'string' || (Array.isArray(entry) && entry.length > 0 && entry.every(isToken))) continue;
    throw new Refused(`input[${index}]`, `input[${index}] must be a text or a list of tokens, as all others are`);
  }
}

function isToken(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
