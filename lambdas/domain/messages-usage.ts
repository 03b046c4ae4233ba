/**
 * Usage as Anthropic's Messages API reports it, read with the same suspicion as OpenAI's. Its cache tokens stand outside
 * `input_tokens`; here every input token is part of the input. A stream tells the input at its start and the output,
 * cumulative, with each `message_delta`.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming and …/prompt-caching (2026-11-24)
 */
import { utf8Length } from './json-edits.ts';
import type { Usage } from './prices.ts';
import type { AnswerReading, EventReader } from './protocols/api.ts';
import { count, field, textBytes } from './usage.ts';

/** Tokens as reported so far. `writeHour` is part of `write`. */
interface Counts {
  readonly input: number | undefined;
  readonly read: number;
  readonly write: number;
  readonly writeHour: number;
  readonly output: number;
  readonly thinking: number | undefined;
}

const NOTHING: Counts = { input: undefined, read: 0, write: 0, writeHour: 0, output: 0, thinking: undefined };

/** Reads a whole message. A report of no output beside text is not believed. */
export function readMessage(answer: unknown): AnswerReading {
  const content = field(answer, 'content');
  const generatedBytes = Array.isArray(content) ? contentBytes(content) : textBytes(answer);
  const counts = readCounts(field(answer, 'usage'));
  const usage = counts && usageOf(counts);
  const believed = usage !== undefined && (usage.outputTokens > 0 || generatedBytes === 0);
  return { generatedBytes, usage: believed ? usage : undefined };
}

/** Begins to read a stream. */
export function readMessageEvents(): EventReader {
  let seen = NOTHING;
  const report = (usage: unknown): Usage | undefined => {
    const counts = readCounts(usage);
    if (counts === undefined) return undefined;
    seen = larger(seen, counts);
    return usageOf(seen);
  };
  return {
    read(data) {
      switch (field(data, 'type')) {
        case 'message_start': {
          const message = field(data, 'message');
          const content = field(message, 'content');
          const generatedBytes = Array.isArray(content) ? contentBytes(content) : 0;
          return { generatedBytes, usage: report(field(message, 'usage')), hidden: false };
        }
        case 'content_block_start':
          return { generatedBytes: blockBytes(field(data, 'content_block')), hidden: false };
        case 'content_block_delta':
          return { generatedBytes: textBytes(field(data, 'delta')), hidden: false };
        case 'message_delta':
          return { generatedBytes: 0, usage: report(field(data, 'usage')), hidden: false };
        case 'message_stop':
          return { generatedBytes: 0, hidden: false, end: 'whole' };
        case 'error':
          return { generatedBytes: 0, hidden: false, end: 'failed' };
        case 'content_block_stop':
        case 'ping':
          return { generatedBytes: 0, hidden: false };
        default:
          // Nobody knows what it is: what a provider sent may have been billed.
          return { generatedBytes: textBytes(data), hidden: false };
      }
    },
  };
}

function readCounts(usage: unknown): Counts | undefined {
  const output = count(field(usage, 'output_tokens'));
  if (output === undefined) return undefined;
  const split = field(usage, 'cache_creation');
  const writeHour = count(field(split, 'ephemeral_1h_input_tokens')) ?? 0;
  const writeMinutes = count(field(split, 'ephemeral_5m_input_tokens')) ?? 0;
  return {
    input: count(field(usage, 'input_tokens')),
    read: count(field(usage, 'cache_read_input_tokens')) ?? 0,
    // What is written without a word on how long it lasts, lasts five minutes.
    write: Math.max(count(field(usage, 'cache_creation_input_tokens')) ?? 0, writeHour + writeMinutes),
    writeHour,
    output,
    thinking: count(field(field(usage, 'output_tokens_details'), 'thinking_tokens')),
  };
}

/** Reports of one stream are cumulative, and some leave out what an earlier one said: the larger count stands. */
function larger(a: Counts, b: Counts): Counts {
  const optional = (one: number | undefined, other: number | undefined): number | undefined =>
    one === undefined ? other : Math.max(one, other ?? 0);
  return {
    input: optional(a.input, b.input),
    read: Math.max(a.read, b.read),
    write: Math.max(a.write, b.write),
    writeHour: Math.max(a.writeHour, b.writeHour),
    output: Math.max(a.output, b.output),
    thinking: optional(a.thinking, b.thinking),
  };
}

function usageOf({ input, read, write, writeHour, output, thinking }: Counts): Usage | undefined {
  if (input === undefined) return undefined;
  const inputTokens = Math.min(input + read + write, Number.MAX_SAFE_INTEGER);
  if (inputTokens === 0 && output === 0) return undefined;
  return {
    inputTokens,
    cachedInputTokens: Math.min(read, inputTokens),
    cacheWriteInputTokens: write - writeHour,
    cacheWriteHourInputTokens: writeHour,
    outputTokens: output,
    reasoningTokens: thinking,
  };
}

function contentBytes(content: readonly unknown[]): number {
  return content.reduce<number>((sum, block) => sum + blockBytes(block), 0);
}

/** What a tool is called with is generated as JSON: names, numbers and brackets too. */
function blockBytes(block: unknown): number {
  const input = field(block, 'input');
  if (typeof input !== 'object' || input === null) return textBytes(block);
  return textBytes({ ...(block as object), input: undefined }) + utf8Length(JSON.stringify(input));
}
