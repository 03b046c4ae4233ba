/**
 * An API that apps call or providers serve, as the gateway needs to know it: which fields a request may have and what
 * bounds it, what is changed on its way, and how its answers tell what they cost. One file an API implements this.
 */
import type { FieldProblem } from '../field-checks.ts';
import type { Forwarding, RequestText } from '../forwarded-request.ts';
import type { TextEdit } from '../json-edits.ts';
import type { CacheWrites, Usage } from '../prices.ts';

export type Protocol = 'openai' | 'anthropic';

export type ApiName = 'chat_completions' | 'responses' | 'embeddings' | 'messages' | 'count_tokens';

/** What the gateway needs to know of a checked request, whatever its API. */
export interface RequestFields {
  readonly model: string;
  readonly stream: boolean;
  /** The caller asked for the event of a stream that only carries usage. */
  readonly includeUsage: boolean;
  /** Answers to one prompt, each up to the output cap: `n`. */
  readonly answers: number;
  readonly requestedOutputTokens?: number;
  /** The least output cap that the request can work with, tokens: a target whose cap is lower refuses it. */
  readonly leastOutputTokens?: number;
  /** The most input tokens that bytes of the body do not bound: images and files, by reference or by their own rules,
   * and what the provider adds for tools. */
  readonly mediaTokens: number;
  /** UTF-8 bytes of the body that `mediaTokens` bounds, so that they are not counted as text too; absent: none. */
  readonly mediaBytes?: number;
  /** The dearest cache write that it asks for; absent: the provider decides, and writes at its plain price for it. */
  readonly cacheWrites?: CacheWrites;
  /** Names of fields that are not listed and go on. */
  readonly unlisted: readonly string[];
}

export type FieldsResult =
  | { readonly ok: true; readonly fields: RequestFields }
  | { readonly ok: false; readonly problem: FieldProblem };

/** What a whole answer, or one event of a stream, tells. */
export interface AnswerReading {
  /** UTF-8 bytes of what it generated: what a call costs when no usage comes. */
  readonly generatedBytes: number;
  /** All that was used so far, where it says so. */
  readonly usage?: Usage;
  /** That the answer ends here, where it says so: `failed` also when the provider has not finished it. */
  readonly end?: 'whole' | 'failed';
}

/** Reads the events of one stream, in order. It may remember what earlier ones said. */
export interface EventReader {
  /**
   * @param data the parsed `data` of the event
   * @returns `hidden`: it only carries usage that the caller did not ask for
   */
  read(data: unknown): AnswerReading & { readonly hidden: boolean };
}

export interface Api {
  readonly name: ApiName;
  readonly protocol: Protocol;
  /** Where apps call it, such as `/v1/chat/completions`. */
  readonly path: string;
  /**
   * `output`: input and generated tokens cost. `input`: it generates nothing, so there is no output cap.
   * `free`: the provider bills nothing; it goes through the same door at 0.
   */
  readonly costs: 'output' | 'input' | 'free';
  /** Checks and classifies the fields of a request. A service stage refuses fields that are not listed. */
  readFields(body: Readonly<Record<string, unknown>>, purpose: 'learning' | 'service'): FieldsResult;
  /** Below a provider's base URL. */
  upstreamPath(forwarding: Forwarding, stream: boolean): string;
  /** The edits that turn a caller's request into the one for a target; none when it already is. */
  forwardEdits(request: RequestText, fields: RequestFields, forwarding: Forwarding): readonly TextEdit[];
  /** Reads a whole answer, parsed. */
  readAnswer(answer: unknown): AnswerReading;
  /** Begins to read a stream. */
  readEvents(includeUsage: boolean): EventReader;
}

/** Turns calls of one API into calls of another protocol's, and its answers back. It reads and writes parsed JSON only. */
export interface Translation {
  readonly from: ApiName;
  readonly to: ApiName;
  /** The request as the other API has it, without what `forwardEdits` of that API sets; or what has no counterpart there. */
  request(
    body: Readonly<Record<string, unknown>>,
  ):
    | { readonly ok: true; readonly body: Readonly<Record<string, unknown>> }
    | { readonly ok: false; readonly problem: FieldProblem };
  /** A whole answer, as the caller's API has it. */
  answer(answer: unknown, told: AnswerFacts): unknown;
  /** A provider's error body, as the caller's API has it. */
  error(body: unknown, status: number): unknown;
  /** Begins to translate a stream. */
  events(told: AnswerFacts, includeUsage: boolean): EventTranslator;
}

/** What an answer must say and the provider's may not. */
export interface AnswerFacts {
  /** The provider's name of the model. */
  readonly model: string;
  readonly createdEpochSeconds: number;
}

/** Translates the events of one stream, in order. */
export interface EventTranslator {
  /**
   * @param data the parsed `data` of the event, or the text `[DONE]`
   * @returns text of whole server-sent events for the caller; empty when this one has no counterpart
   */
  event(data: unknown): string;
  /** What is still to be said when the provider has closed the stream. */
  end(): string;
}
