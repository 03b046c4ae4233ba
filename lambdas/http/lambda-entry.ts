/**
 * The Lambda entry: an API Gateway REST event in, a streamed answer out. It knows no rules; it ends only when the money is settled, since
 * Lambda freezes what runs after the handler.
 */
import type { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import withMiddlewares from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import type { Gateway } from './core.ts';

interface StreamedAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream<Uint8Array>;
}

/**
 * Wraps the gateway as a streaming handler.
 * @param logger writes the request's Lambda context with each line, and never the event: events hold prompts
 */
export function createHandler(gateway: Gateway, logger: Logger) {
  const unsettled = new Map<string, Promise<void>>();
  return withMiddlewares<APIGatewayProxyEvent, StreamedAnswer>({
    executionMode: executionModeStreamifyResponse,
    // Runs after the stream's end and is waited for.
    requestEnd: async (request: { readonly context: Context }) => {
      await unsettled.get(request.context.awsRequestId);
      unsettled.delete(request.context.awsRequestId);
    },
  })
    .use(injectLambdaContext(logger, { logEvent: false }))
    .handler(async (event: APIGatewayProxyEvent, context: Context): Promise<StreamedAnswer> => {
      context.callbackWaitsForEmptyEventLoop = false;
      const { response, done } = await gateway.handle(toRequest(event), { requestId: event.requestContext.requestId });
      unsettled.set(context.awsRequestId, done);
      return {
        statusCode: response.status,
        headers: Object.fromEntries(response.headers),
        body: (response.body as ReadableStream<Uint8Array> | null) ?? '',
      };
    });
}

/** A REST proxy event as a `Request`. */
export function toRequest(event: APIGatewayProxyEvent): Request {
  const headers = new Headers();
  for (const [name, values] of Object.entries(event.multiValueHeaders ?? {})) {
    for (const value of values ?? []) addHeader(headers, name, value);
  }
  const single = Object.entries(event.headers ?? {}).filter(([name]) => HEADER_NAME.test(name) && !headers.has(name));
  for (const [name, value] of single) if (value !== undefined) addHeader(headers, name, value);
  const query = new URLSearchParams();
  for (const [name, values] of Object.entries(event.multiValueQueryStringParameters ?? {})) {
    for (const value of values ?? []) query.append(name, value);
  }
  const search = query.size > 0 ? `?${query.toString()}` : '';
  const url = `https://gateway.invalid${event.path.startsWith('/') ? '' : '/'}${event.path}${search}`;
  const method = event.httpMethod;
  if (event.body === null || event.body === undefined || method === 'GET' || method === 'HEAD')
    return new Request(url, { method, headers });
  const body = event.isBase64Encoded ? Buffer.from(event.body, 'base64') : event.body;
  return new Request(url, { method, headers, body });
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Adds what HTTP can carry. An event's text is that of UTF-8, and `Headers` takes bytes: what is beyond them would throw. */
function addHeader(headers: Headers, name: string, value: string): void {
  const bytes = Buffer.from(value).toString('latin1');
  if (HEADER_NAME.test(name) && !/[\0\r\n]/.test(bytes)) headers.append(name, bytes);
}
