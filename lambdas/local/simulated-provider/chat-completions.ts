/** OpenAI's chat completions, as the simulated provider plays them. */
import type { SimulatorOptions } from './options.ts';
import { type SimulatedApi, answerText, inputTokens, openAiError, outputTokens, tokenText } from './simulated-api.ts';

export const SIMULATED_CHAT: SimulatedApi = {
  path: '/chat/completions',
  error: openAiError,
  read(body, options, number) {
    const ask = readAsk(body, options);
    if (ask === undefined) return undefined;
    return {
      whole: () => wholeAnswer(ask, number, options.dropUsage),
      ...(ask.stream ? { events: () => streamEvents(ask, number, options) } : {}),
    };
  },
};

interface Ask {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly answers: number;
  readonly tokens: number;
  readonly usage: Readonly<Record<string, unknown>>;
}

function wholeAnswer(ask: Ask, number: number, dropUsage: boolean): unknown {
  const choices = Array.from({ length: ask.answers }, (_, index) => ({
    index,
    message: { role: 'assistant', content: answerText(ask.tokens) },
    finish_reason: 'stop',
  }));
  const usage = dropUsage ? undefined : ask.usage;
  return { id: `chatcmpl-sim-${number}`, object: 'chat.completion', created: 0, model: ask.model, choices, usage };
}

function* streamEvents(ask: Ask, number: number, options: SimulatorOptions): Generator<string> {
  const head = { id: `chatcmpl-sim-${number}`, object: 'chat.completion.chunk', created: 0, model: ask.model };
  const event = (fields: object): string => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  for (let token = 0; token < ask.tokens; token += 1) {
    for (let index = 0; index < ask.answers; index += 1) {
      const delta = { ...(token === 0 ? { role: 'assistant' } : {}), content: tokenText(token) };
      yield event({ choices: [{ index, delta, finish_reason: null }] });
    }
  }
  for (let index = 0; index < ask.answers; index += 1) yield event({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });
  if (ask.includeUsage && !options.dropUsage) {
    if (options.repeatUsage) yield event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });
    yield event({ choices: [], usage: ask.usage });
  }
  yield 'data: [DONE]\n\n';
}

function readAsk(parsed: Readonly<Record<string, unknown>>, options: SimulatorOptions): Ask | undefined {
  if (!Array.isArray(parsed.messages)) return undefined;
  const cap = [parsed.max_completion_tokens, parsed.max_tokens, parsed.max_output_tokens].find(
    (value) => typeof value === 'number',
  );
  const tokens = outputTokens(cap, options);
  const answers = typeof parsed.n === 'number' ? parsed.n : 1;
  const streamOptions = parsed.stream_options;
  const promptTokens = Math.ceil(inputTokens(parsed.messages) * options.lieFactor);
  const completionTokens = Math.ceil(tokens * answers * options.lieFactor);
  return {
    model: typeof parsed.model === 'string' ? parsed.model : 'unknown',
    stream: parsed.stream === true,
    includeUsage:
      typeof streamOptions === 'object' &&
      streamOptions !== null &&
      'include_usage' in streamOptions &&
      streamOptions.include_usage === true,
    answers,
    tokens,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  };
}
