/** Reads a request's body under its limit, and never more of it. */
import { invalidRequest } from './errors.ts';
import type { GatewayRequest, RequestHeaders } from './messages.ts';

/**
 * The body's bytes.
 * @throws GatewayError 413 past the limit, without reading on; 400 when it is no JSON by its own words
 */
export async function readJsonBody(request: GatewayRequest, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = request.headers.get('content-length');
  if (length !== null && Number(length) > limitBytes) throw tooLarge(limitBytes);
  checkType(request.headers);
  const body = await request.readBody(limitBytes);
  if (body === undefined) throw tooLarge(limitBytes);
  return body;
}

function tooLarge(limitBytes: number): Error {
  return invalidRequest(`The body is larger than ${limitBytes} bytes. Send less.`, undefined, 413);
}

function checkType(headers: RequestHeaders): void {
  const given = headers.get('content-type') ?? '';
  if (given !== 'application/json') {
    const [type = '', ...parameters] = given.toLowerCase().split(';');
    if (!/^application\/(?:[a-z0-9.+-]+\+)?json$/.test(type.trim())) {
      throw invalidRequest('Send the body as content-type: application/json.', 'content-type');
    }
    const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
    if (charset !== undefined && !['utf-8', 'utf8'].includes(charset.slice(8).replaceAll('"', ''))) {
      throw invalidRequest('Send the body in UTF-8.', 'content-type');
    }
  }
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw invalidRequest('Send the body without content-encoding.', 'content-encoding');
  }
}
