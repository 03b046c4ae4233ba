import { type RequestText, forwardEdits } from '../../../lambdas/domain/forwarded-request.ts';
import { applyEdits } from '../../../lambdas/domain/json-edits.ts';
import type { RequestFields } from '../../../lambdas/domain/protocols/api.ts';
import { parseRequest } from '../../../lambdas/http/json-document.ts';

const FORWARDING = { model: 'gpt-x', outputCapField: 'max_completion_tokens', outputCapTokens: 100 };
const FIELDS: RequestFields = { model: 'economy', stream: false, includeUsage: false, answers: 1, mediaTokens: 0, unlisted: [] };

function forwarded(text: string, fields: Partial<RequestFields> = {}): string {
  const request: RequestText = parseRequest(new TextEncoder().encode(text), 64);
  return applyEdits(text, forwardEdits(request, { ...FIELDS, ...fields }, FORWARDING));
}

test('the model and a missing cap are written in', () => {
  expect(forwarded('{"model":"economy"}')).toBe('{"model":"gpt-x","max_completion_tokens":100}');
});

test('a request that is already as it should be keeps every byte', () => {
  const text = '{ "model": "gpt-x", "max_completion_tokens": 100 }';
  expect(forwarded(text)).toBe(text);
});

test('a cap of another name is renamed, one of another size is set, further ones go', () => {
  expect(forwarded('{"model":"gpt-x","max_tokens":100}')).toBe('{"model":"gpt-x","max_completion_tokens":100}');
  expect(forwarded('{"model":"gpt-x","max_completion_tokens":9}')).toBe('{"model":"gpt-x","max_completion_tokens":100}');
  expect(forwarded('{"model":"gpt-x","max_tokens":9,"max_completion_tokens":9,"n":1}')).toBe(
    '{"model":"gpt-x","max_completion_tokens":100,"n":1}',
  );
});

test('a stream asks for usage, unless the caller did', () => {
  const stream = '{"model":"gpt-x","max_completion_tokens":100,"stream":true';
  expect(forwarded(`${stream}}`, { stream: true })).toBe(`${stream},"stream_options":{"include_usage":true}}`);
  expect(forwarded(`${stream},"stream_options":null}`, { stream: true })).toBe(
    `${stream},"stream_options":{"include_usage":true}}`,
  );
  expect(forwarded(`${stream},"stream_options":{"x":1}}`, { stream: true })).toBe(
    `${stream},"stream_options":{"x":1,"include_usage":true}}`,
  );
  const asked = `${stream},"stream_options":{"include_usage":true}}`;
  expect(forwarded(asked, { stream: true, includeUsage: true })).toBe(asked);
  expect(forwarded(`${stream},"stream_options":{"include_usage":false}}`)).toBe(
    `${stream},"stream_options":{"include_usage":false}}`,
  );
});
