/** A provider's error in the other protocol's shape: its words and type, nothing else of its body. */
import { type Json, compact, member, textOf } from './translation-checks.ts';

const MAX_WORDS = 2_000;

/** What a provider said went wrong. */
export interface ToldError {
  readonly message: string;
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
}

/** Reads the error of any of the usual bodies: OpenAI's, Anthropic's, and the flat ones of compatible servers. */
export function readError(body: unknown, status?: number): ToldError {
  const error = member(body, 'error');
  const flat = textOf(error) ?? textOf(member(body, 'message')) ?? textOf(member(body, 'detail'));
  const message = textOf(member(error, 'message')) ?? flat;
  const code = member(error, 'code') ?? member(member(error, 'details'), 'error_code') ?? member(body, 'code');
  return {
    message:
      message?.slice(0, MAX_WORDS) ?? `The provider refused the request${status === undefined ? '' : ` with status ${status}`}.`,
    type: textOf(member(error, 'type')) ?? (error === undefined ? textOf(member(body, 'type')) : undefined),
    code: typeof code === 'number' ? String(code) : textOf(code),
    param: textOf(member(error, 'param')),
  };
}

/** OpenAI's shape. */
export function chatError({ message, type, code, param }: ToldError): Json {
  return { error: { message, type: type ?? 'invalid_request_error', param: param ?? null, code: code ?? null } };
}

/** Anthropic's shape. Its types are fixed ones; the provider's own stands in the details. */
export function messagesError({ message, type, code, param }: ToldError, status: number): Json {
  const details = compact({ error_code: code ?? type, param });
  return { type: 'error', error: { type: messagesErrorType(status), message, details } };
}

function messagesErrorType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    529: 'overloaded_error',
  };
  return types[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}
