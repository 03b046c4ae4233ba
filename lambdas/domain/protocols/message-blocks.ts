/**
 * The content blocks of a stream of Anthropic's, one after another. OpenAI may send pieces of several calls in turns, so a
 * call's block is closed only when its arguments are whole, and what comes for others waits until then.
 */
import { isWhole } from './tool-input.ts';
import type { Json } from './translation-checks.ts';

interface Block {
  /** The call's index; undefined for a text. */
  readonly callIndex: unknown;
  readonly start: Json;
  /** What came and has not left yet. */
  waiting: string;
  /** All that came, of a call. */
  all: string;
}

/** A server-sent event of Anthropic's. */
export function sse(data: Json): string {
  return `event: ${String(data.type)}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Orders the blocks of one message. */
export class MessageBlocks {
  sawCalls = false;
  /** The open block first, then those that wait. */
  private queue: Block[] = [];
  private isOpen = false;
  private closed = 0;
  private readonly calls = new Map<unknown, Block>();

  /** A piece of text. */
  text(piece: string | undefined): string {
    if (piece === undefined) return '';
    let block = this.queue.at(-1);
    if (block === undefined || block.callIndex !== undefined) {
      block = { callIndex: undefined, start: { type: 'text', text: '', citations: null }, waiting: '', all: '' };
      this.queue.push(block);
    }
    block.waiting += piece;
    return this.flush();
  }

  /** A piece of a call; the first one names it. Some providers number all of their calls 0: another id is another call. */
  call(index: unknown, id: unknown, name: unknown, piece: string | undefined): string {
    this.sawCalls = true;
    let block = this.calls.get(index);
    if (block === undefined || (typeof id === 'string' && id !== '' && id !== block.start.id)) {
      block = { callIndex: index, start: { type: 'tool_use', id, name, input: {} }, waiting: '', all: '' };
      this.calls.set(index, block);
      this.queue.push(block);
    }
    block.waiting += piece ?? '';
    block.all += piece ?? '';
    return this.flush();
  }

  /** Ends all blocks, in their order. */
  closeAll(): string {
    let out = this.flush();
    while (this.queue.length > 0) out += this.close() + this.flush();
    return out;
  }

  private flush(): string {
    let out = '';
    for (;;) {
      const [block] = this.queue;
      if (block === undefined) return out;
      if (!this.isOpen) {
        this.isOpen = true;
        out += sse({ type: 'content_block_start', index: this.closed, content_block: block.start });
      }
      if (block.waiting !== '') out += sse({ type: 'content_block_delta', index: this.closed, delta: deltaOf(block) });
      block.waiting = '';
      if (this.queue.length === 1 || (block.callIndex !== undefined && !isWhole(block.all))) return out;
      out += this.close();
    }
  }

  private close(): string {
    const index = this.closed;
    this.queue.shift();
    this.isOpen = false;
    this.closed += 1;
    return sse({ type: 'content_block_stop', index });
  }
}

function deltaOf(block: Block): Json {
  return block.callIndex === undefined
    ? { type: 'text_delta', text: block.waiting }
    : { type: 'input_json_delta', partial_json: block.waiting };
}
