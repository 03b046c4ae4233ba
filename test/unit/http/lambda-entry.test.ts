import { Writable } from 'node:stream';
import { Logger } from '@aws-lambda-powertools/logger';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import type { Gateway } from '../../../lambdas/http/core.ts';

/** What Lambda's runtime gives a streaming handler. */
class ResponseStream extends Writable {
  readonly pieces: string[] = [];
  metadata: Record<string, unknown> = {};
  onPiece: (piece: string) => void = () => undefined;

  static from(stream: ResponseStream, metadata: Record<string, unknown>): ResponseStream {
    stream.metadata = metadata;
    return stream;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const piece = chunk.toString();
    if (piece !== '') {
      this.pieces.push(piece);
      this.onPiece(piece);
    }
    done();
  }
}

type Streamed = (event: APIGatewayProxyEvent, stream: ResponseStream, context: Context) => Promise<void>;
Object.assign(globalThis, {
  awslambda: { streamifyResponse: (handler: Streamed): Streamed => handler, HttpResponseStream: ResponseStream },
});
const { createHandler, toRequest } = await import('../../../lambdas/http/lambda-entry.ts');

function event(change: object = {}): APIGatewayProxyEvent {
  return Object.assign(JSON.parse('{}'), {
    httpMethod: 'POST',
    path: '/v1/chat/completions',
    headers: { 'Content-Type': 'application/json' },
    multiValueHeaders: { 'Content-Type': ['application/json'], 'X-Two': ['a', 'b'] },
    multiValueQueryStringParameters: { q: ['1', '2'] },
    body: '{"a":"é"}',
    isBase64Encoded: false,
    requestContext: { requestId: 'gw-1' },
    ...change,
  }) as APIGatewayProxyEvent;
}

function context(): Context {
  return Object.assign(JSON.parse('{}'), {
    awsRequestId: 'aws-1',
    functionName: 'gateway',
    memoryLimitInMB: '256',
    callbackWaitsForEmptyEventLoop: true,
  }) as Context;
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}

const logger = new Logger({ logLevel: 'SILENT' });

function run(gateway: Gateway, given: APIGatewayProxyEvent, stream: ResponseStream, ctx = context()): Promise<void> {
  return (createHandler(gateway, logger) as Function as Streamed)(given, stream, ctx);
}

test('a REST event becomes the request that was sent', async () => {
  const request = toRequest(event());
  expect(request.method).toBe('POST');
  expect(new URL(request.url).pathname + new URL(request.url).search).toBe('/v1/chat/completions?q=1&q=2');
  expect(request.headers.get('x-two')).toBe('a, b');
  expect(request.headers.get('content-type')).toBe('application/json');
  expect(await request.text()).toBe('{"a":"é"}');
  const encoded = toRequest(
    event({ body: Buffer.from('{"a":1}').toString('base64'), isBase64Encoded: true, multiValueHeaders: null }),
  );
  expect(await encoded.text()).toBe('{"a":1}');
  expect(encoded.headers.get('content-type')).toBe('application/json');
  expect(toRequest(event({ httpMethod: 'GET', body: null })).body).toBeNull();
});

test('a header that no request can have does not end the handler: its value becomes the bytes that were sent', () => {
  const { headers } = toRequest(
    event({ multiValueHeaders: { 'X-Name': ['a=€'], 'no name': ['x'] }, headers: { 'X-Other': 'ü', 'X-Break': 'a\r\nb' } }),
  );
  expect(Buffer.from(headers.get('x-name') ?? '', 'latin1').toString()).toBe('a=€');
  expect(Buffer.from(headers.get('x-other') ?? '', 'latin1').toString()).toBe('ü');
  expect(headers.has('x-break')).toBe(false);
});

test('each piece of a stream leaves before the next is made, and the handler ends only when the money is settled', async () => {
  const money = deferred();
  const firstPieceOut = deferred();
  const order: string[] = [];
  const stream = new ResponseStream();
  stream.onPiece = (piece) => {
    order.push(`out ${piece}`);
    firstPieceOut.resolve();
  };
  const encoder = new TextEncoder();
  const gateway: Gateway = {
    handle: (_request, info) => {
      expect(info?.requestId).toBe('gw-1');
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(encoder.encode('one'));
          await firstPieceOut.promise;
          order.push('make two');
          controller.enqueue(encoder.encode('two'));
          controller.close();
        },
      });
      return Promise.resolve({ response: new Response(body, { status: 201, headers: { 'x-a': 'b' } }), done: money.promise });
    },
  };
  const ctx = context();
  let ended = false;
  const running = (async () => {
    await run(gateway, event(), stream, ctx);
    ended = true;
  })();
  await new Promise((resolve) => stream.once('finish', resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['out one', 'make two', 'out two']);
  expect(stream.metadata).toMatchObject({ statusCode: 201, headers: { 'x-a': 'b' } });
  expect(ctx.callbackWaitsForEmptyEventLoop).toBe(false);
  expect(ended).toBe(false);
  money.resolve();
  await running;
  expect(ended).toBe(true);
});

test('an answer without a body ends the stream', async () => {
  const stream = new ResponseStream();
  await run(
    { handle: () => Promise.resolve({ response: new Response(null, { status: 204 }), done: Promise.resolve() }) },
    event(),
    stream,
  );
  expect(stream.metadata).toMatchObject({ statusCode: 204 });
  expect(stream.writableFinished).toBe(true);
});
