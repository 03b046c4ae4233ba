/** The call that the benchmarks send: a system prompt, a few turns of a talk and some parameters, about 2 KB. */
const TURN = 'Which budgets stand over this group, what is left of each, and when does the next one of them begin again? ';

/** The body of a chat completion for a model. */
export function chatCall(model: string, stream: boolean): string {
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: `You answer questions about money in one short paragraph. ${TURN.repeat(6)}` },
      { role: 'user', content: TURN.repeat(3) },
      { role: 'assistant', content: TURN.repeat(4) },
      { role: 'user', content: TURN.repeat(2) },
    ],
    temperature: 0.2,
    max_completion_tokens: 512,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
}
