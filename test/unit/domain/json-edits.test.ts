import {
  type JsonObjectText,
  applyEdits,
  byteGrowth,
  removeMember,
  removeMembers,
  renameMember,
  setMember,
  utf8Length,
} from '../../../lambdas/domain/json-edits.ts';

/** `{ "a":1, "b":2 }` with the places of its members. */
const TWO: JsonObjectText = {
  text: '{ "a":1, "b":2 }',
  openBrace: 0,
  members: [
    { name: 'a', keyStart: 2, keyEnd: 5, valueStart: 6, valueEnd: 7 },
    { name: 'b', keyStart: 9, keyEnd: 12, valueStart: 13, valueEnd: 14 },
  ],
};
const [A, B] = TWO.members;
if (A === undefined || B === undefined) throw new Error('no members');

test('a member that is there gets another value in its place', () => {
  expect(applyEdits(TWO.text, [setMember(TWO, 'a', '"x"')])).toBe('{ "a":"x", "b":2 }');
});

test('a member that is not there comes behind the last one, or first in an empty object', () => {
  expect(applyEdits(TWO.text, [setMember(TWO, 'c"', '3')])).toBe('{ "a":1, "b":2,"c\\"":3 }');
  const empty: JsonObjectText = { text: ' { }', openBrace: 1, members: [] };
  expect(applyEdits(empty.text, [setMember(empty, 'c', '3')])).toBe(' {"c":3 }');
});

test('a member is renamed in its place', () => {
  expect(applyEdits(TWO.text, [renameMember(B, 'é')])).toBe('{ "a":1, "é":2 }');
});

test('a member goes with the comma before it, which the first has not', () => {
  expect(applyEdits(TWO.text, [removeMember(TWO, B)])).toBe('{ "a":1 }');
  expect(() => removeMember(TWO, A)).toThrow(new RangeError('the first member has no comma before it'));
});

test('edits are applied by place, those at one place in the order given, and never overlap', () => {
  const insert = (at: number, text: string) => ({ start: at, end: at, text });
  expect(applyEdits('abc', [insert(2, 'Y'), insert(1, 'X')])).toBe('aXbYc');
  expect(applyEdits('abc', [insert(1, '1'), insert(1, '2')])).toBe('a12bc');
  expect(applyEdits('abc', [{ start: 0, end: 1, text: '' }, insert(1, 'X')])).toBe('Xbc');
  expect(applyEdits('abc', [])).toBe('abc');
  expect(() => applyEdits('abc', [{ start: 0, end: 2, text: '' }, insert(1, 'X')])).toThrow(new RangeError('edits overlap'));
});

test('growth is the difference of UTF-8 bytes', () => {
  expect(byteGrowth('aé', [{ start: 1, end: 2, text: 'abc' }])).toBe(1);
  expect(byteGrowth('aé', [{ start: 0, end: 2, text: '' }])).toBe(-3);
  expect(byteGrowth('a', [])).toBe(0);
});

test.each(['', '\u007f', '\u0080', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '😀', 'a😀é€'])(
  'the UTF-8 length of %j is what an encoder makes',
  (text) => {
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
  },
);

test('members are taken out together wherever they stand, and never all of them', () => {
  expect(applyEdits(TWO.text, removeMembers(TWO, []))).toBe(TWO.text);
  expect(applyEdits(TWO.text, removeMembers(TWO, [B]))).toBe('{ "a":1 }');
  expect(JSON.parse(applyEdits(TWO.text, removeMembers(TWO, [A])))).toEqual({ b: JSON.parse(TWO.text).b as unknown });
  expect(() => removeMembers(TWO, [A, B])).toThrow(RangeError);
});
