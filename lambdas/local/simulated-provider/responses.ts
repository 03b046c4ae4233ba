/**
 * OpenAI's Responses, as the simulated provider plays them: the events of a stream in the order of the real ones, and a
 * call to the first function that a request offers, unless its input already has an output of one.
 */
import type { SimulatorOptions } from './options.ts';
import { type SimulatedApi, answerText, inputTokens, openAiError, outputTokens, tokenText } from './simulated-api.ts';

export const SIMULATED_RESPONSES: SimulatedApi = {
  path: '/responses',
  error: openAiError,
  read(body, options, number) {
    const ask = readAsk(body, options, number);
    if (ask === undefined) return undefined;
    const usage = options.dropUsage ? null : ask.usage;
    return {
      whole: () => response(ask, { status: ask.status, output: [item(ask, 'completed')], usage }),
      ...(ask.stream ? { events: () => streamEvents(ask, options) } : {}),
    };
  },
};

/** What a call to a function says: no argument, so that any function takes it. */
const CALL_ARGUMENTS = '{}';

interface Ask {
  readonly number: number;
  readonly model: string;
  readonly stream: boolean;
  readonly tokens: number;
  /** `incomplete` where the request's cap cut the answer. */
  readonly status: 'completed' | 'incomplete';
  /** The function that is called instead of an answer in words. */
  readonly call?: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly usage: object;
}

function readAsk(request: Readonly<Record<string, unknown>>, options: SimulatorOptions, number: number): Ask | undefined {
  const { input, model, tools, max_output_tokens: cap } = request;
  if (typeof input !== 'string' && !Array.isArray(input)) return undefined;
  const call = hasOutput(input) || request.tool_choice === 'none' ? undefined : firstFunction(tools);
  const tokens = call === undefined ? outputTokens(cap, options) : CALL_ARGUMENTS.length;
  const sent = [input, request.instructions ?? '', tools ?? []];
  return {
    number,
    model: typeof model === 'string' ? model : 'unknown',
    stream: request.stream === true,
    tokens,
    status: call === undefined && tokens < options.answerTokens ? 'incomplete' : 'completed',
    ...(call === undefined ? {} : { call }),
    request,
    usage: usageOf(inputTokens(sent), tokens, options.lieFactor),
  };
}

function usageOf(input: number, output: number, factor: number): object {
  const told = { input: Math.ceil(input * factor), output: Math.ceil(output * factor) };
  return {
    input_tokens: told.input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: told.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: told.input + told.output,
  };
}

function hasOutput(input: unknown): boolean {
  return Array.isArray(input) && input.some((one) => isRecord(one) && one.type === 'function_call_output');
}

function firstFunction(tools: unknown): string | undefined {
  const found: unknown = Array.isArray(tools) ? tools.find((tool) => isRecord(tool) && tool.type === 'function') : undefined;
  return isRecord(found) && typeof found.name === 'string' ? found.name : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function response(ask: Ask, fields: object): object {
  const { number, model, request, status } = ask;
  return {
    id: `resp_sim_${number}`,
    object: 'response',
    created_at: 0,
    status: 'in_progress',
    error: null,
    incomplete_details: 'status' in fields && status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    model,
    output: [],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: request.store ?? true,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: null,
    user: null,
    metadata: request.metadata ?? {},
    ...fields,
  };
}

function item(ask: Ask, status: 'in_progress' | 'completed'): object {
  const { number, call, tokens } = ask;
  const done = status === 'completed';
  if (call !== undefined) {
    const text = done ? CALL_ARGUMENTS : '';
    return { id: `fc_sim_${number}`, type: 'function_call', status, call_id: `call_sim_${number}`, name: call, arguments: text };
  }
  const content = done ? [{ type: 'output_text', text: answerText(tokens), annotations: [], logprobs: [] }] : [];
  return { id: `msg_sim_${number}`, type: 'message', status, role: 'assistant', content };
}

function* streamEvents(ask: Ask, options: SimulatorOptions): Generator<string> {
  let sequence = 0;
  const event = (type: string, fields: object): string => {
    const data = { type, sequence_number: sequence, ...fields };
    sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  };
  yield event('response.created', { response: response(ask, {}) });
  yield event('response.in_progress', { response: response(ask, {}) });
  yield event('response.output_item.added', { output_index: 0, item: item(ask, 'in_progress') });
  yield* ask.call === undefined ? textEvents(ask, event) : callEvents(ask, ask.call, event);
  yield event('response.output_item.done', { output_index: 0, item: item(ask, 'completed') });
  const usage = options.dropUsage ? null : ask.usage;
  if (options.repeatUsage && usage !== null)
    yield event('response.completed', { response: response(ask, { status: 'completed', usage: usageOf(1, 1, 1) }) });
  const whole = response(ask, { status: ask.status, output: [item(ask, 'completed')], usage });
  yield event(`response.${ask.status}`, { response: whole });
}

type Writer = (type: string, fields: object) => string;

function* textEvents({ number, tokens }: Ask, event: Writer): Generator<string> {
  const at = { item_id: `msg_sim_${number}`, output_index: 0, content_index: 0 };
  const part = (text: string): object => ({ type: 'output_text', text, annotations: [], logprobs: [] });
  yield event('response.content_part.added', { ...at, part: part('') });
  for (let token = 0; token < tokens; token += 1)
    yield event('response.output_text.delta', { ...at, delta: tokenText(token), logprobs: [] });
  yield event('response.output_text.done', { ...at, text: answerText(tokens), logprobs: [] });
  yield event('response.content_part.done', { ...at, part: part(answerText(tokens)) });
}

function* callEvents({ number }: Ask, name: string, event: Writer): Generator<string> {
  const at = { item_id: `fc_sim_${number}`, output_index: 0 };
  for (const delta of CALL_ARGUMENTS) yield event('response.function_call_arguments.delta', { ...at, delta });
  yield event('response.function_call_arguments.done', { ...at, name, arguments: CALL_ARGUMENTS });
}
