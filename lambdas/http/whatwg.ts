/** The core's plain messages as WHATWG objects, for entries and clients that speak those. */
import { CallerStream } from './caller-stream.ts';
import { type Answer, type GatewayRequest, joinBytes } from './messages.ts';

/** Bytes that may wait for a slow reader. */
const HIGH_WATER_BYTES = 64 * 1024;

/** A `Request` as the core reads it. */
export function fromRequest(request: Request): GatewayRequest {
  const { method, headers, body } = request;
  return {
    method,
    path: new URL(request.url).pathname,
    headers,
    readBody: async (limitBytes) => {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      if (body === null) return new Uint8Array();
      const reader = body.getReader();
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        bytes += step.value.length;
        if (bytes > limitBytes) {
          await reader.cancel();
          return undefined;
        }
        pieces.push(step.value);
      }
      return joinBytes(pieces, bytes);
    },
  };
}

/** An answer as a `Response`. */
export function toResponse({ status, headers, body }: Answer): Response {
  const given = body instanceof CallerStream ? streamOf(body) : body instanceof Uint8Array ? new Uint8Array(body) : body;
  return new Response(given, { status, headers: [...headers] });
}

function streamOf(body: CallerStream): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        body.open({
          write: (bytes) => {
            controller.enqueue(bytes);
            return (controller.desiredSize ?? 0) > 0;
          },
          end: () => controller.close(),
          abort: () => controller.error(new Error('the caller takes nothing')),
        });
      },
      pull: () => body.room(),
      cancel: () => body.leave(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
  );
}
