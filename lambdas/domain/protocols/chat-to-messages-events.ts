/**
 * Anthropic's stream as chunks of a chat completion: the role, texts and calls as they come, one chunk that says why it
 * ended, the usage where it was asked for, and `[DONE]`. A stream that breaks off ends in an error and not in `[DONE]`.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-24
 */
import { isObject } from '../field-checks.ts';
import type { AnswerFacts, EventTranslator } from './api.ts';
import { finishReason } from './stop-reasons.ts';
import { chatError, readError } from './told-errors.ts';
import { chatUsage } from './told-usage.ts';
import { argumentsOf } from './tool-input.ts';
import { type Json, member, textOf } from './translation-checks.ts';

interface OpenCall {
  readonly index: number;
  /** What the block said at its start, where no pieces follow. */
  readonly input: unknown;
  hasArguments: boolean;
}

/** Translates one stream. */
export class ChatChunks implements EventTranslator {
  private readonly includeUsage: boolean;
  private readonly created: number;
  private id: unknown;
  private model: string;
  /** By the index of Anthropic's block. */
  private readonly calls = new Map<unknown, OpenCall>();
  private usage: Json = {};
  private reason: unknown;
  private over = false;

  constructor(told: AnswerFacts, includeUsage: boolean) {
    this.includeUsage = includeUsage;
    this.created = told.createdEpochSeconds;
    this.model = told.model;
  }

  event(data: unknown): string {
    if (this.over) return '';
    switch (member(data, 'type')) {
      case 'message_start':
        return this.start(member(data, 'message'));
      case 'content_block_start':
        return this.openBlock(member(data, 'index'), member(data, 'content_block'));
      case 'content_block_delta':
        return this.delta(member(data, 'index'), member(data, 'delta'));
      case 'content_block_stop':
        return this.closeBlock(member(data, 'index'));
      case 'message_delta':
        return this.finish(data);
      case 'message_stop':
        return this.stop();
      case 'error':
        return this.fail(chatError({ ...readError(data), type: readError(data).type ?? 'server_error' }));
      default:
        return '';
    }
  }

  end(): string {
    if (this.over) return '';
    // It said why it ended, so all of it is there.
    if (this.reason !== undefined) return this.stop();
    return this.fail(chatError({ message: 'The provider ended the answer before it was whole.', type: 'server_error' }));
  }

  private start(message: unknown): string {
    this.id = member(message, 'id');
    this.model = textOf(member(message, 'model')) ?? this.model;
    this.learn(member(message, 'usage'));
    return this.chunk({ role: 'assistant', content: '' });
  }

  private openBlock(index: unknown, block: unknown): string {
    if (member(block, 'type') === 'text') return this.text(member(block, 'text'));
    if (member(block, 'type') !== 'tool_use') return '';
    const call: OpenCall = { index: this.calls.size, input: member(block, 'input'), hasArguments: false };
    this.calls.set(index, call);
    const called = { name: member(block, 'name'), arguments: '' };
    return this.chunk({ tool_calls: [{ index: call.index, id: member(block, 'id'), type: 'function', function: called }] });
  }

  private delta(index: unknown, delta: unknown): string {
    if (member(delta, 'type') === 'text_delta') return this.text(member(delta, 'text'));
    const piece = textOf(member(delta, 'partial_json'));
    const call = this.calls.get(index);
    if (piece === undefined || call === undefined) return '';
    call.hasArguments = true;
    return this.arguments(call, piece);
  }

  /** A call without parameters comes without pieces, and an empty text would be no JSON. */
  private closeBlock(index: unknown): string {
    const call = this.calls.get(index);
    if (call === undefined || call.hasArguments) return '';
    call.hasArguments = true;
    return this.arguments(call, argumentsOf(call.input));
  }

  private finish(data: unknown): string {
    this.learn(member(data, 'usage'));
    const delta = member(data, 'delta');
    const reason = member(delta, 'stop_reason') ?? undefined;
    if (reason === undefined || this.reason !== undefined) return '';
    this.reason = reason;
    const refusal = textOf(member(member(delta, 'stop_details'), 'explanation'));
    return this.chunk(refusal === undefined ? {} : { refusal }, finishReason(reason));
  }

  private stop(): string {
    const finish = this.reason === undefined ? this.finish({ delta: { stop_reason: 'end_turn' } }) : '';
    this.over = true;
    const usage = this.includeUsage ? event({ ...this.head(), choices: [], usage: chatUsage(this.usage) }) : '';
    return `${finish}${usage}data: [DONE]\n\n`;
  }

  private fail(error: Json): string {
    this.over = true;
    return event(error);
  }

  private text(text: unknown): string {
    const content = textOf(text);
    return content === undefined ? '' : this.chunk({ content });
  }

  private arguments(call: OpenCall, piece: string): string {
    return this.chunk({ tool_calls: [{ index: call.index, function: { arguments: piece } }] });
  }

  /** Later counts are of the whole message, and those left out stay as they were. */
  private learn(usage: unknown): void {
    if (!isObject(usage)) return;
    const said = Object.entries(usage).filter(([, value]) => value !== null && value !== undefined);
    this.usage = { ...this.usage, ...Object.fromEntries(said) };
  }

  private chunk(delta: Json, finish: string | null = null): string {
    return event({ ...this.head(), choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  }

  private head(): Json {
    return { id: this.id, object: 'chat.completion.chunk', created: this.created, model: this.model };
  }
}

function event(data: Json): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
