/**
 * A chat's chunks as Anthropic's stream: `message_start`, for each block its start, its pieces and its stop, then
 * `message_delta` with the reason and the usage, and `message_stop`. A stream that breaks off ends in an `error` event.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-24
 */
import { isObject } from '../field-checks.ts';
import type { AnswerFacts, EventTranslator } from './api.ts';
import { stopReason } from './stop-reasons.ts';
import { messagesError, readError } from './told-errors.ts';
import { messagesUsage } from './told-usage.ts';
import { type Json, listOf, member, textOf } from './translation-checks.ts';
import { MessageBlocks, sse } from './message-blocks.ts';

/** Translates one stream. */
export class MessageEvents implements EventTranslator {
  private readonly told: AnswerFacts;
  private readonly blocks = new MessageBlocks();
  private started = false;
  private over = false;
  private finish: unknown;
  private sawRefusal = false;
  private usage: unknown;

  constructor(told: AnswerFacts) {
    this.told = told;
  }

  event(data: unknown): string {
    if (this.over) return '';
    if (data === '[DONE]') return this.stop();
    if ((member(data, 'error') ?? undefined) !== undefined) return this.fail(messagesError(readError(data), 502));
    const choices = listOf(member(data, 'choices'));
    // Azure's first chunk has no choice, no id and no model.
    const start = this.started || choices.length === 0 ? '' : this.start(data);
    const usage = member(data, 'usage');
    if (isObject(usage)) this.usage = usage;
    const choice = choices.find((candidate) => (member(candidate, 'index') ?? 0) === 0);
    this.finish ??= member(choice, 'finish_reason') ?? undefined;
    return start + this.delta(member(choice, 'delta'));
  }

  end(): string {
    if (this.over) return '';
    // It said why it ended, so all of it is there.
    if (this.finish !== undefined) return this.stop();
    return this.fail(messagesError({ message: 'The provider ended the answer before it was whole.' }, 502));
  }

  private start(chunk: unknown): string {
    this.started = true;
    const message = {
      id: member(chunk, 'id'),
      type: 'message',
      role: 'assistant',
      model: textOf(member(chunk, 'model')) ?? this.told.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      // Not known yet: the counts of `message_delta` are those of the whole message.
      usage: messagesUsage(undefined),
    };
    return sse({ type: 'message_start', message });
  }

  private delta(delta: unknown): string {
    let out = this.blocks.text(textOf(member(delta, 'content')));
    const refusal = textOf(member(delta, 'refusal'));
    if (refusal !== undefined) this.sawRefusal = true;
    out += this.blocks.text(refusal);
    for (const call of listOf(member(delta, 'tool_calls'))) {
      const called = member(call, 'function');
      out += this.blocks.call(
        member(call, 'index') ?? 0,
        member(call, 'id'),
        member(called, 'name'),
        textOf(member(called, 'arguments')),
      );
    }
    return out;
  }

  private stop(): string {
    this.over = true;
    const start = this.started ? '' : this.start({});
    const saw = { toolCalls: this.blocks.sawCalls, refusal: this.sawRefusal };
    const delta = { stop_reason: stopReason(this.finish, saw), stop_sequence: null };
    const end = sse({ type: 'message_delta', delta, usage: messagesUsage(this.usage) }) + sse({ type: 'message_stop' });
    return start + this.blocks.closeAll() + end;
  }

  private fail(error: Json): string {
    this.over = true;
    return sse(error);
  }
}
