/** What a provider that does not say serves. */
import { findBedrockHost } from '../domain/bedrock.ts';
import type { ProviderInFile } from './schema.ts';

/** The APIs of each protocol. */
export const DEFAULT_APIS = {
  openai: ['chat_completions', 'responses', 'embeddings'],
  anthropic: ['messages', 'count_tokens'],
} as const;

/** Those of them that Bedrock's endpoints have. */
export const BEDROCK_APIS = {
  openai: ['chat_completions', 'responses'],
  anthropic: ['messages'],
} as const;

/** All of its protocol that the endpoint can have. */
export function apisOf({ protocol = 'openai', base_url: baseUrl }: Pick<ProviderInFile, 'protocol' | 'base_url'>) {
  const bedrock = URL.canParse(baseUrl) && findBedrockHost(new URL(baseUrl).hostname) !== undefined;
  return (bedrock ? BEDROCK_APIS : DEFAULT_APIS)[protocol];
}
