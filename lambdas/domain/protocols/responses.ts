/**
 * OpenAI's Responses. A stream tells its text in `….delta` events, says all of it again in `….done` ones, and ends with
 * one event that has the whole response and its usage.
 * @see https://platform.openai.com/docs/api-reference/responses-streaming and the types of openai 7.57, read 2026-11-24
 */
import { capEdits, modelEdits } from '../forwarded-request.ts';
import { readResponsesFields } from '../responses-fields.ts';
import { UNCOUNTED, field, readResponseUsage, textBytes } from '../usage.ts';
import type { AnswerReading, Api, EventReader } from './api.ts';

/** The field in which every endpoint of this API takes an output cap. */
const OUTPUT_CAP_FIELD = 'max_output_tokens';
/** Members of output items that are no text. */
const NO_TEXT: ReadonlySet<string> = new Set([...UNCOUNTED, 'call_id', 'status']);
const LAST_EVENTS: ReadonlySet<unknown> = new Set(['response.completed', 'response.failed', 'response.incomplete']);

export const RESPONSES: Api = {
  name: 'responses',
  protocol: 'openai',
  path: '/v1/responses',
  costs: 'output',
  readFields: readResponsesFields,
  upstreamPath: () => '/responses',
  forwardEdits: (request, _fields, forwarding) => [
    ...modelEdits(request, forwarding),
    ...capEdits(request, { ...forwarding, outputCapField: OUTPUT_CAP_FIELD }),
  ],
  readAnswer(answer) {
    const bytes = generatedBytes(answer);
    return { generatedBytes: bytes, usage: readResponseUsage(answer, bytes), end: endOf(answer) };
  },
  readEvents: () => new ResponseEvents(),
};

class ResponseEvents implements EventReader {
  /** Bytes counted so far, and bytes of the items that are finished: what these say beyond the deltas was generated too. */
  private counted = 0;
  private finished = 0;

  read(data: unknown): AnswerReading & { readonly hidden: boolean } {
    const type = field(data, 'type');
    if (LAST_EVENTS.has(type)) {
      const response = field(data, 'response');
      const generated = this.count(generatedBytes(response) - this.counted);
      const end = type === 'response.failed' ? 'failed' : (endOf(response) ?? 'whole');
      return { generatedBytes: generated, usage: readResponseUsage(response, this.counted), hidden: false, end };
    }
    if (type === 'response.output_item.done') {
      this.finished += textBytes(field(data, 'item'), NO_TEXT);
      return { generatedBytes: this.count(this.finished - this.counted), hidden: false };
    }
    const end = type === 'error' ? 'failed' : undefined;
    return { generatedBytes: this.count(eventBytes(data, type)), hidden: false, end };
  }

  private count(bytes: number): number {
    const more = Math.max(0, bytes);
    this.counted += more;
    return more;
  }
}

/** Only a delta is new text; what has no type of this API may be, and counts. */
function eventBytes(data: unknown, type: unknown): number {
  if (typeof type !== 'string') return textBytes(data);
  if (type.endsWith('.delta')) return textBytes(field(data, 'delta'));
  return type.startsWith('response.') || type === 'error' ? 0 : textBytes(data);
}

/** `incomplete` is cut at its cap, and all there will be. */
function endOf(response: unknown): 'failed' | undefined {
  const status = field(response, 'status');
  return status === undefined || status === 'completed' || status === 'incomplete' ? undefined : 'failed';
}

/** UTF-8 bytes of the text in a response's output; of another shape every text counts. */
function generatedBytes(response: unknown): number {
  const output = field(response, 'output');
  return Array.isArray(output) ? textBytes(output, NO_TEXT) : textBytes(response);
}
