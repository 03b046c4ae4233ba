/** Anthropic's Messages API and its count of tokens, as the simulated provider plays them. */
import type { SimulatorOptions } from './options.ts';
import { type SimulatedApi, answerText, inputTokens, outputTokens, tokenText } from './simulated-api.ts';

type Body = Readonly<Record<string, unknown>>;

export const SIMULATED_MESSAGES: SimulatedApi = {
  path: '/messages',
  error: anthropicError,
  read(body, options, number) {
    if (!Array.isArray(body.messages) || typeof body.max_tokens !== 'number') return undefined;
    const ask = readAsk(body, body.max_tokens, options);
    const head = { id: `msg_sim_${number}`, type: 'message', role: 'assistant', model: ask.model };
    return {
      whole: () => ({
        ...head,
        content:
          ask.tool === undefined
            ? [{ type: 'text', text: answerText(ask.tokens) }]
            : [toolUse(ask.tool, number, { words: answerText(ask.tokens) })],
        stop_reason: ask.tool === undefined ? 'end_turn' : 'tool_use',
        stop_sequence: null,
        ...(options.dropUsage ? {} : { usage: { ...ask.input, output_tokens: ask.reported } }),
      }),
      ...(body.stream === true ? { events: () => streamEvents(head, ask, number, options) } : {}),
    };
  },
};

export const SIMULATED_COUNT_TOKENS: SimulatedApi = {
  path: '/messages/count_tokens',
  error: anthropicError,
  read(body) {
    if (!Array.isArray(body.messages)) return undefined;
    return { whole: () => ({ input_tokens: promptTokens(body) }) };
  },
};

interface Ask {
  readonly model: string;
  readonly tokens: number;
  /** Input side of the usage. */
  readonly input: Body;
  readonly reported: number;
  /** A tool that the request forces is called. */
  readonly tool?: string;
}

function readAsk(body: Body, cap: number, options: SimulatorOptions): Ask {
  const tokens = cap === 0 ? 0 : outputTokens(cap, options);
  const choice = body.tool_choice;
  const forced = typeof choice === 'object' && choice !== null && 'name' in choice ? choice.name : undefined;
  return {
    model: typeof body.model === 'string' ? body.model : 'unknown',
    tokens,
    input: inputUsage(body, options.lieFactor),
    reported: Math.ceil(tokens * options.lieFactor),
    ...(typeof forced === 'string' ? { tool: forced } : {}),
  };
}

function promptTokens(body: Body): number {
  return inputTokens([body.system ?? '', body.messages, body.tools ?? []]);
}

/** What a request marks for the cache is written, and never found there: every call is the first. */
function inputUsage(body: Body, lieFactor: number): Body {
  const text = JSON.stringify(body);
  const all = Math.ceil(promptTokens(body) * lieFactor);
  const hour = text.includes('"ttl":"1h"');
  const written = text.includes('"cache_control"') ? all - 1 : 0;
  return {
    input_tokens: all - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: hour ? 0 : written, ephemeral_1h_input_tokens: hour ? written : 0 },
    service_tier: 'standard',
  };
}

function* streamEvents(head: object, ask: Ask, number: number, options: SimulatorOptions): Generator<string> {
  const usage = (counts: object): object => (options.dropUsage ? {} : { usage: counts });
  const message = { ...head, content: [], stop_reason: null, stop_sequence: null };
  yield event('message_start', { message: { ...message, ...usage({ ...ask.input, output_tokens: 1 }) } });
  yield event('content_block_start', {
    index: 0,
    content_block: ask.tool === undefined ? { type: 'text', text: '' } : toolUse(ask.tool, number, {}),
  });
  yield event('ping', {});
  if (ask.tool !== undefined) yield inputDelta('{"words":"');
  for (let token = 0; token < ask.tokens; token += 1)
    yield ask.tool === undefined ? textDelta(tokenText(token)) : inputDelta(tokenText(token));
  if (ask.tool !== undefined) yield inputDelta('"}');
  yield event('content_block_stop', { index: 0 });
  const delta = { stop_reason: ask.tool === undefined ? 'end_turn' : 'tool_use', stop_sequence: null };
  if (options.repeatUsage) yield event('message_delta', { delta, ...usage({ output_tokens: 1 }) });
  yield event('message_delta', { delta, ...usage({ output_tokens: ask.reported }) });
  yield event('message_stop', {});
}

function toolUse(name: string, number: number, input: object): object {
  return { type: 'tool_use', id: `toolu_sim_${number}`, name, input };
}

function textDelta(text: string): string {
  return event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
}

function inputDelta(text: string): string {
  return event('content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: text } });
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function anthropicError(message: string, code: string): string {
  const type = code === 'invalid_request' ? 'invalid_request_error' : 'api_error';
  return JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_simulated' });
}
