/** OpenAI's embeddings, as the simulated provider plays them: the same text always has the same vector of length 1. */
import { createHash } from 'node:crypto';
import { type SimulatedApi, inputTokens, openAiError } from './simulated-api.ts';

/** Of a vector whose request asks for no other size. */
const DIMENSIONS = 1_536;
const MAX_DIMENSIONS = 4_096;

export const SIMULATED_EMBEDDINGS: SimulatedApi = {
  path: '/embeddings',
  error: openAiError,
  read(body, options) {
    const texts = readInput(body.input);
    if (texts === undefined) return undefined;
    const size = typeof body.dimensions === 'number' ? Math.min(body.dimensions, MAX_DIMENSIONS) : DIMENSIONS;
    const tokens = texts.reduce((sum, text) => sum + (typeof text === 'string' ? inputTokens(text) : text.length), 0);
    const told = Math.ceil(tokens * options.lieFactor);
    return {
      whole: () => ({
        object: 'list',
        data: texts.map((text, index) => ({
          object: 'embedding',
          index,
          embedding: encoded(vectorOf(JSON.stringify(text), size), body.encoding_format),
        })),
        model: body.model,
        usage: options.dropUsage ? undefined : { prompt_tokens: told, total_tokens: told },
      }),
    };
  },
};

function readInput(input: unknown): readonly (string | readonly unknown[])[] | undefined {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  const list = input as readonly unknown[];
  if (list.every((one) => typeof one === 'number')) return [list];
  const texts = list.filter((one): one is string | unknown[] => typeof one === 'string' || Array.isArray(one));
  return texts.length === list.length ? texts : undefined;
}

function vectorOf(text: string, size: number): Float32Array {
  const vector = new Float32Array(size);
  let block = Buffer.alloc(0);
  for (let at = 0; at < size; at += 1) {
    if (at % 16 === 0) block = createHash('sha256').update(`${at} ${text}`).digest();
    vector[at] = block.readInt16LE((at % 16) * 2) / 32_768;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function encoded(vector: Float32Array, format: unknown): string | number[] {
  if (format !== 'base64') return [...vector];
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}
