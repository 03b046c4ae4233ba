/**
 * OpenAI's embeddings: one whole answer, and only the input costs.
 * @see https://platform.openai.com/docs/api-reference/embeddings, read 2026-11-24
 */
import { readEmbeddingsFields } from '../embeddings-fields.ts';
import { modelEdits } from '../forwarded-request.ts';
import { readEmbeddingUsage } from '../usage.ts';
import type { Api } from './api.ts';

export const EMBEDDINGS: Api = {
  name: 'embeddings',
  protocol: 'openai',
  path: '/v1/embeddings',
  costs: 'input',
  readFields: readEmbeddingsFields,
  upstreamPath: () => '/embeddings',
  forwardEdits: (request, _fields, forwarding) => modelEdits(request, forwarding),
  // Vectors are no text: without usage the bound of the input is what it cost.
  readAnswer: (answer) => ({ generatedBytes: 0, usage: readEmbeddingUsage(answer) }),
  readEvents: () => ({ read: (event) => ({ generatedBytes: 0, usage: readEmbeddingUsage(event), hidden: false }) }),
};
