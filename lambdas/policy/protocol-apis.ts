/** The APIs of each protocol: what a provider that does not say serves. */
export const DEFAULT_APIS = {
  openai: ['chat_completions', 'responses', 'embeddings'],
  anthropic: ['messages', 'count_tokens'],
} as const;
