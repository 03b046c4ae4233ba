/** The form of InvokeModel: whatever stands where in a request, the model, the stream and old versions go, all other text stays. */
import * as fc from 'fast-check';
import { applyEdits, byteGrowth, utf8Length } from '../../lambdas/domain/json-edits.ts';
import { BEDROCK_MESSAGES } from '../../lambdas/domain/protocols/bedrock-messages.ts';
import { parseRequest } from '../../lambdas/http/json-document.ts';

const space = fc.constantFrom('', ' ', '\n\t');
const member = (name: string, ...values: string[]) => fc.tuple(fc.constant(name), fc.constantFrom(...values));
const optional = (arbitrary: fc.Arbitrary<[string, string]>) => fc.option(arbitrary, { nil: undefined });
const members = fc
  .tuple(
    member('model', '"economy"'),
    member('messages', '[{"role":"user","content":"1.0 é"}]'),
    optional(member('stream', 'true', 'false')),
    optional(member('max_tokens', '9', '100', '1e2')),
    optional(member('anthropic_version', '"old"', 'null')),
    optional(member('anthropic_beta', '["own"]')),
    optional(member('novel', '1.50E+3', '{ "model" : 1 }')),
    optional(member('system', '"stream"')),
  )
  .map((all) => all.filter((one) => one !== undefined))
  .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));

test('a request becomes one of InvokeModel by edits that touch nothing else', () => {
  fc.assert(
    fc.property(members, space, fc.constantFrom('', 'a-1', 'a-1, b-2 ,'), fc.boolean(), (all, gap, header, stream) => {
      const body = `{${gap}${all.map(([name, value]) => `"${name}"${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`;
      const request = parseRequest(new TextEncoder().encode(body), 64);
      const read = BEDROCK_MESSAGES.readFields(request.value, 'learning');
      if (!read.ok) throw new Error(read.problem.message);
      const headers: Record<string, string> = header === '' ? {} : { 'anthropic-beta': header };
      const forwarding = {
        model: 'eu.x:0',
        outputCapField: 'max_tokens',
        outputCapTokens: 9,
        headers,
      };
      const edits = BEDROCK_MESSAGES.forwardEdits(request, read.fields, forwarding);
      const sent = applyEdits(body, edits);
      const { model, stream: _stream, ...rest } = request.value;
      expect(model).toBe('economy');
      expect(JSON.parse(sent)).toEqual({
        ...rest,
        max_tokens: 9,
        anthropic_version: 'bedrock-2023-05-31',
        ...(header === '' ? {} : { anthropic_beta: header.startsWith('a-1,') ? ['a-1', 'b-2'] : ['a-1'] }),
      });
      expect(utf8Length(sent)).toBe(utf8Length(body) + byteGrowth(body, edits));
      expect(sent.match(/"anthropic_version"/g)).toHaveLength(1);
      const novel = all.find(([name]) => name === 'novel');
      if (novel !== undefined) expect(sent).toContain(`"novel"${gap}:${gap}${novel[1]}`);
      expect(BEDROCK_MESSAGES.upstreamPath(forwarding, stream)).toBe(
        `/model/eu.x%3A0/${stream ? 'invoke-with-response-stream' : 'invoke'}`,
      );
    }),
  );
});
