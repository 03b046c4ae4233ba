import * as fc from 'fast-check';
import { RoundRobin } from '../../lambdas/domain/routing.ts';

test('any run of picks as long as the sum of the weights holds each target exactly as often as its weight', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.nat(100),
      (weights, start, before) => {
        const targets = weights.map((weight, index) => ({ provider: `p${index}`, model: 'm', weight }));
        const robin = new RoundRobin(() => start);
        for (let i = 0; i < before; i += 1) robin.next('r', targets);
        const counts = weights.map(() => 0);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let i = 0; i < total; i += 1) {
          const pick = robin.next('r', targets);
          counts[pick] = (counts[pick] ?? 0) + 1;
        }
        expect(counts).toEqual(weights);
      },
    ),
  );
});
