/** The gateway's own answers to what it refuses, in the shape of OpenAI's errors, and of Anthropic's on its paths. */
import type { Api } from '../domain/protocols/api.ts';
import type { Answer } from './messages.ts';

export type ErrorShape = 'openai' | 'anthropic';

export interface GatewayErrorInit {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly type?: string;
  readonly param?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal as the caller gets it: everything in it is meant to be read by them. */
export class GatewayError extends Error {
  readonly status: number;
  readonly code: string;
  readonly type: string;
  readonly param: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(init: GatewayErrorInit) {
    super(init.message);
    this.name = 'GatewayError';
    this.status = init.status;
    this.code = init.code;
    this.type = init.type ?? openAiType(init.status);
    this.param = init.param;
    this.metadata = init.metadata;
    this.headers = init.headers ?? {};
  }
}

/** A request that is wrong as it stands. `param` names the field or header. */
export function invalidRequest(message: string, param?: string, status = 400): GatewayError {
  return new GatewayError({ status, code: 'invalid_request', message, param });
}

/** The error's body in the protocol's shape. */
export function errorBody(error: GatewayError, shape: ErrorShape, requestId: string): string {
  if (shape === 'anthropic') {
    return JSON.stringify({
      type: 'error',
      error: {
        type: anthropicType(error.status),
        message: error.message,
        details: { error_code: error.code, ...error.metadata },
      },
      request_id: requestId,
    });
  }
  return JSON.stringify({
    error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code, metadata: error.metadata },
  });
}

/** The event that tells, in the way of the API that is streamed, that a stream broke. */
export function errorEvent(error: GatewayError, api: Pick<Api, 'name' | 'protocol'>, requestId: string): string {
  const body = errorBody(error, api.protocol, requestId);
  if (api.name !== 'responses') return `${api.protocol === 'anthropic' ? 'event: error\n' : ''}data: ${body}\n\n`;
  const { code, message, param = null } = error;
  // Clients of this API read one of the two forms that it has had: flat, or nested as everywhere else.
  const flat = JSON.stringify({ type: 'error', sequence_number: 0, code, message, param });
  return `event: error\ndata: ${flat.slice(0, -1)},${body.slice(1)}\n\n`;
}

/** The answer that carries an error. */
export function errorAnswer(error: GatewayError, shape: ErrorShape, requestId: string): Answer {
  const headers = new Map([['content-type', 'application/json'], ...Object.entries(error.headers)]);
  return { status: error.status, headers, body: errorBody(error, shape, requestId) };
}

function openAiType(status: number): string {
  if (status === 402) return 'insufficient_quota';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

function anthropicType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    402: 'billing_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    504: 'timeout_error',
  };
  return types[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}
