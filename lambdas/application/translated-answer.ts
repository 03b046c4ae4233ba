/** A provider's answer as the caller's API has it: as it came, or translated. */
import type { AnswerFacts, EventTranslator, RequestFields } from '../domain/protocols/api.ts';
import type { PricedTarget } from './attempt.ts';
import { eventData } from './stream-meter.ts';

interface WholeAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

type Passed = Pick<PricedTarget, 'translation' | 'target'>;

const encoder = new TextEncoder();
/** The status of an answer that has no words in the caller's API. */
const UNTOLD = 502;

/** A whole answer, an error's included. What is no JSON goes on as it came; what nests too deep to be written again is an error. */
export function translateAnswer(
  { translation, target }: Passed,
  { status, headers, body }: WholeAnswer & { readonly free: boolean },
  nowEpochMs: number,
): WholeAnswer {
  if (translation === undefined) return { status, headers, body };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return { status, headers, body };
  }
  const ok = status >= 200 && status < 300;
  try {
    const told = ok ? translation.answer(parsed, factsOf(target, nowEpochMs)) : translation.error(parsed, status);
    return { status, headers, body: encoder.encode(JSON.stringify(told)) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const told = translation.error({ type: 'server_error', message: 'The answer of the provider nests too deep.' }, UNTOLD);
    return { status: UNTOLD, headers, body: encoder.encode(JSON.stringify(told)) };
  }
}

/** What is written to the caller for each whole event of the provider's stream. */
export interface StreamPassage {
  event(event: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

const NOTHING = new Uint8Array();
const AS_IT_CAME: StreamPassage = { event: (event) => event, end: () => NOTHING };

/** Begins to pass on a stream. */
export function translateStream({ translation, target }: Passed, fields: RequestFields, nowEpochMs: number): StreamPassage {
  if (translation === undefined) return AS_IT_CAME;
  const translator = translation.events(factsOf(target, nowEpochMs), fields.includeUsage);
  return { event: (event) => encoder.encode(translated(translator, event)), end: () => encoder.encode(translator.end()) };
}

function translated(translator: EventTranslator, event: Uint8Array): string {
  const data = eventData(event);
  if (data === '') return '';
  if (data === '[DONE]') return translator.event(data);
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return '';
  }
  return translator.event(parsed);
}

function factsOf({ model }: Passed['target'], nowEpochMs: number): AnswerFacts {
  return { model, createdEpochSeconds: Math.floor(nowEpochMs / 1_000) };
}
