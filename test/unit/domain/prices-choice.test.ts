import { type Price, boundNanoUsd, costNanoUsd, findPrice } from '../../../lambdas/domain/prices.ts';

function price(source: string, fromEpochMs: number, more: Partial<Price> = {}): Price {
  return { provider: 'p', model: 'm', fromEpochMs, source, tiers: [], ...more };
}

test('the policy’s own price stands before a later one of the catalogue, wherever it is listed', () => {
  const own = price('policy', 10);
  const listed = price('catalogue 0.1.8', 20);
  expect(findPrice([own, listed], 'p', 'm', 30)).toBe(own);
  expect(findPrice([listed, own], 'p', 'm', 30)).toBe(own);
  // Before the policy's price begins, the catalogue's counts.
  expect(findPrice([price('policy', 40), listed], 'p', 'm', 30)).toBe(listed);
});

test('the latest price that has begun counts, and of two from one instant the first', () => {
  const [early, late, future] = [price('catalogue', 10), price('catalogue', 20), price('catalogue', 40)];
  for (const order of [
    [early, late, future],
    [future, late, early],
  ])
    expect(findPrice(order, 'p', 'm', 30)).toBe(late);
  expect(findPrice([late, price('catalogue', 20)], 'p', 'm', 30)).toBe(late);
  expect(findPrice([late], 'p', 'm', 20)).toBe(late);
  expect(findPrice([late], 'p', 'm', 19)).toBeUndefined();
});

test('a price is of one provider’s model', () => {
  const other = [price('policy', 0, { provider: 'q' }), price('policy', 0, { model: 'n' })];
  expect(findPrice(other, 'p', 'm', 30)).toBeUndefined();
  expect(findPrice([...other, price('catalogue', 0)], 'p', 'm', 30)?.source).toBe('catalogue');
});

test('a price without a tier is a defect, and bounds nothing', () => {
  const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
  expect(() => costNanoUsd(price('policy', 0), usage)).toThrow(new RangeError('price of p/m has no tier'));
  expect(boundNanoUsd(price('policy', 0), 1, 1)).toBe(0n);
});
