import { indexWriteUnits, itemBytes, numberBytes, readUnits, writeUnits } from '../support/capacity.ts';

const item = (bytes: number) => ({ pk: { S: 'x'.repeat(bytes - 2) } });

test('an item is as large as its names and values together', () => {
  expect(itemBytes({})).toBe(0);
  expect(itemBytes({ ab: { S: 'é' } })).toBe(4);
  expect(itemBytes({ a: { BOOL: true }, b: { NULL: true } })).toBe(4);
  // 3 for the map, 1 for its element, and the element.
  expect(itemBytes({ a: { M: {} } })).toBe(4);
  expect(itemBytes({ a: { M: { bc: { S: 'd' } } } })).toBe(1 + 3 + 1 + 3);
  expect(itemBytes({ a: { L: [{ S: 'd' }, { N: '7' }] } })).toBe(1 + 3 + (1 + 1) + (1 + 2));
  expect(itemBytes({ a: { SS: ['d', 'ef'] } })).toBe(1 + 3 + (1 + 1) + (1 + 2));
  expect(() => itemBytes({ a: { NS: ['1'] } })).toThrow(RangeError);
});

test('a number takes a byte for every two significant digits, one more, and one for a minus sign', () => {
  expect(['0', '7', '12', '123', '120', '12000000000', '-12', '-1200'].map(numberBytes)).toEqual([1, 2, 2, 3, 2, 2, 3, 3]);
  expect(() => numberBytes('1.5')).toThrow(RangeError);
});

test('a write costs whole kilobytes of the larger of before and after, and a transaction twice that', () => {
  expect(writeUnits({ before: undefined, after: item(1024) }, false)).toBe(1);
  expect(writeUnits({ before: undefined, after: item(1025) }, false)).toBe(2);
  expect(writeUnits({ before: item(2049), after: item(10) }, false)).toBe(3);
  expect(writeUnits({ before: item(2049), after: undefined }, true)).toBe(6);
});

test('a condition that fails costs its write, also on an item that is not there', () => {
  expect(writeUnits({ before: undefined, after: undefined }, false)).toBe(1);
  expect(writeUnits({ before: undefined, after: undefined }, true)).toBe(2);
  expect(writeUnits({ before: item(10), after: item(10), wanted: item(1025) }, false)).toBe(2);
});

test('an index costs a write when its key comes, goes or changes, and nothing otherwise', () => {
  const lane = (gw?: string, gg?: string) => ({
    pk: { S: 'LANE#a#0' },
    sk: { S: '-' },
    a: { N: '1' },
    ...(gw === undefined ? {} : { gw: { S: gw } }),
    ...(gg === undefined ? {} : { gg: { S: gg } }),
  });
  expect(indexWriteUnits({ before: undefined, after: lane('w', 'g') })).toBe(2);
  expect(indexWriteUnits({ before: lane('w', 'g'), after: { ...lane('w', 'g'), a: { N: '2' } } })).toBe(0);
  expect(indexWriteUnits({ before: lane('w'), after: lane('v') })).toBe(2);
  expect(indexWriteUnits({ before: lane('w', 'g'), after: undefined })).toBe(2);
  expect(indexWriteUnits({ before: lane(), after: lane('x'.repeat(1024)) })).toBe(2);
});

test('a read costs a unit for 4 KB, half of it when it is eventual, and the least of it for nothing', () => {
  expect([0, 1, 4096, 4097].map((bytes) => readUnits(bytes, true))).toEqual([1, 1, 1, 2]);
  expect([0, 4096, 4097].map((bytes) => readUnits(bytes, false))).toEqual([0.5, 0.5, 1]);
});
