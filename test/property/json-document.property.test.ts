import * as fc from 'fast-check';
import { type Node, parseTree } from 'jsonc-parser';
import { GatewayError } from '../../lambdas/http/errors.ts';
import { parseRequest } from '../../lambdas/http/json-document.ts';

const space = fc.array(fc.constantFrom(' ', '\n', '\t', '\r'), { maxLength: 2 }).map((parts) => parts.join(''));
/** Few names, two spellings of some: keys that stand twice are common, and so are strings full of JSON's own signs. */
const key = fc.constantFrom(
  '"a"',
  '"b"',
  '"\\u0061"',
  '"stream_options"',
  '"__proto__"',
  '"{"',
  '"x\\\\"',
  '"y\\\\\\""',
  '"é"',
  '""',
);
const scalar = fc.oneof(
  fc.constantFrom('1', '-0.0e-1', 'true', 'null', '"}"', '"[,:{\\""', '"\\\\"', '"\\\\\\\\\\""', '"😀"', '" "'),
  fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => JSON.stringify(text)),
);
const joined = (open: string, close: string, member: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(space, member, space), { maxLength: 4 })
    .map((members) => `${open}${members.map((parts) => parts.join('')).join(',')}${close}`);
const { object } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, joined('[', ']', tie('value')), tie('object')),
  object: joined(
    '{',
    '}',
    fc.tuple(key, space, space, tie('value')).map(([name, before, after, value]) => `${name}${before}:${after}${value}`),
  ),
}));
const document = fc.tuple(space, object, space).map((parts) => parts.join(''));

/** What another parser makes of the text: every object's keys, and the places of the members that are recorded. */
function reference(text: string) {
  const root = parseTree(text, [], { disallowComments: true, allowTrailingComma: false });
  if (root === undefined) throw new Error('no tree');
  const duplicate = (node: Node): boolean => {
    const names = node.type === 'object' ? (node.children ?? []).map((property) => String(property.children?.[0]?.value)) : [];
    return new Set(names).size < names.length || (node.children ?? []).some(duplicate);
  };
  const depth = (node: Node): number => {
    const inner = Math.max(0, ...(node.children ?? []).map(depth));
    return node.type === 'object' || node.type === 'array' ? inner + 1 : inner;
  };
  const members = (node: Node) => ({
    openBrace: node.offset,
    members: (node.children ?? []).map(({ children: [name, value] = [] }) => ({
      name: String(name?.value),
      keyStart: name?.offset,
      keyEnd: (name?.offset ?? 0) + (name?.length ?? 0),
      valueStart: value?.offset,
      valueEnd: (value?.offset ?? 0) + (value?.length ?? 0),
    })),
  });
  const options = root.children?.find((property) => property.children?.[0]?.value === 'stream_options')?.children?.[1];
  return {
    duplicate: duplicate(root),
    depth: depth(root),
    root: members(root),
    streamOptions: options?.type === 'object' ? members(options) : undefined,
  };
}

function read(text: string, maxDepth = 64) {
  try {
    return parseRequest(new TextEncoder().encode(text), maxDepth);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

test('a request is read as another parser reads it: the same members at the same places, no key twice, no deeper than allowed', () => {
  let [accepted, refused] = [0, 0];
  fc.assert(
    fc.property(document, fc.integer({ min: 1, max: 6 }), (text, maxDepth) => {
      const expected = reference(text);
      const found = read(text, maxDepth);
      if (expected.duplicate || expected.depth > maxDepth) {
        expect(found).toMatchObject({ status: 400, code: 'invalid_request' });
        refused += 1;
        return;
      }
      if (found instanceof GatewayError) throw found;
      accepted += 1;
      const { openBrace, members, streamOptions, value } = found;
      expect({ openBrace, members }).toEqual(expected.root);
      expect(streamOptions && { openBrace: streamOptions.openBrace, members: streamOptions.members }).toEqual(
        expected.streamOptions,
      );
      expect(value).toEqual(JSON.parse(text));
    }),
    { numRuns: 2_000 },
  );
  expect(accepted).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(200);
});

test('what is cut, or has a sign too many, is never taken', () => {
  fc.assert(
    fc.property(document, fc.nat(), fc.constantFrom('', ',', '}', '{', '"', '\\', '/**/', 'x', '\u0000'), (text, at, sign) => {
      const place = at % (text.length + 1);
      const broken = sign === '' ? text.slice(0, place) : text.slice(0, place) + sign + text.slice(place);
      const isJson = ((): boolean => {
        try {
          return typeof JSON.parse(broken) === 'object';
        } catch {
          return false;
        }
      })();
      if (!isJson) expect(read(broken)).toMatchObject({ status: 400, code: 'invalid_request' });
    }),
    { numRuns: 2_000 },
  );
});

test('a body of 6 MB that is all brackets is refused, and not by the end of the stack', () => {
  const half = 3 * 1024 * 1024 - 4;
  expect(read(`{"a":${'['.repeat(half)}${']'.repeat(half)}}`)).toMatchObject({ status: 400 });
  expect(read(`{"a":${'{"a":'.repeat(1_000_000)}1${'}'.repeat(1_000_000)}}`)).toMatchObject({ status: 400 });
  expect(read('{"a":'.repeat(1_000_000))).toMatchObject({ status: 400 });
});
