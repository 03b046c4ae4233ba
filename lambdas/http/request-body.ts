/** Reads a request's body under its limit, and never more of it. */
import { invalidRequest } from './errors.ts';

/**
 * The body's bytes.
 * @throws GatewayError 413 past the limit, without reading on; 400 when it is no JSON by its own words
 */
export async function readJsonBody(request: Request, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = request.headers.get('content-length');
  if (length !== null && Number(length) > limitBytes) {
    await request.body?.cancel();
    throw tooLarge(limitBytes);
  }
  checkType(request.headers);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (request.body !== null) {
    const reader = request.body.getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bytes += step.value.length;
      if (bytes > limitBytes) {
        await reader.cancel();
        throw tooLarge(limitBytes);
      }
      pieces.push(step.value);
    }
  }
  const body = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

function tooLarge(limitBytes: number): Error {
  return invalidRequest(`The body is larger than ${limitBytes} bytes. Send less.`, undefined, 413);
}

function checkType(headers: Headers): void {
  const [type = '', ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';');
  if (!/^application\/(?:[a-z0-9.+-]+\+)?json$/.test(type.trim())) {
    throw invalidRequest('Send the body as content-type: application/json.', 'content-type');
  }
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  if (charset !== undefined && !['utf-8', 'utf8'].includes(charset.slice(8).replaceAll('"', ''))) {
    throw invalidRequest('Send the body in UTF-8.', 'content-type');
  }
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw invalidRequest('Send the body without content-encoding.', 'content-encoding');
  }
}
