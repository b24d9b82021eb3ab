import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../../test/support/seed.ts';
import { computeLeaseChange, computeShare, type LeaseCounts } from './lease-share.ts';

const steadyMs = 10_000;
const scene = (nodes: number, processes: number, kept: number, overMs = 0): LeaseCounts => ({
  ...{ nodes, processes, kept, overMs },
});

test.each([
  ['alone: all', scene(5, 1, 0), { acquireCount: 5, releaseCount: 0 }],
  ['none to keep', scene(0, 3, 0), { acquireCount: 0, releaseCount: 0 }],
  ['below its share', scene(5, 2, 1), { acquireCount: 2, releaseCount: 0 }],
  ['at its share', scene(5, 2, 3), { acquireCount: 0, releaseCount: 0 }],
  [
    'with fewer than others, but at its share rounded up',
    scene(4, 3, 2),
    { acquireCount: 0, releaseCount: 0 },
  ],
  ['above it since now', scene(5, 2, 5, 0), { acquireCount: 0, releaseCount: 0 }],
  [
    'above it, a millisecond too short',
    scene(5, 2, 5, steadyMs - 1),
    { acquireCount: 0, releaseCount: 0 },
  ],
  ['above it for long enough', scene(5, 2, 5, steadyMs), { acquireCount: 0, releaseCount: 2 }],
  ['more processes than nodes', scene(2, 5, 0), { acquireCount: 1, releaseCount: 0 }],
  ['not counted itself yet', scene(2, 0, 0), { acquireCount: 2, releaseCount: 0 }],
] as const)('%s', (_, given, change) => {
  expect(computeLeaseChange(given, steadyMs)).toEqual(change);
});

/** A round: each process looks once, in any order, and does what the rule says. */
function round(kept: number[], nodes: number, order: readonly number[], overMs: number): boolean {
  let moved = false;
  for (const at of order) {
    const free = nodes - kept.reduce((sum, each) => sum + each, 0);
    const { acquireCount, releaseCount } = computeLeaseChange(
      scene(nodes, kept.length, kept[at] ?? 0, overMs),
      steadyMs,
    );
    const change = Math.min(acquireCount, free) - releaseCount;
    kept[at] = (kept[at] ?? 0) + change;
    moved ||= change !== 0;
  }
  return moved;
}

test('whatever each has, after two rounds every node is kept, nobody has more than its share, and nothing moves any more', () => {
  const distribution = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(distribution, fc.nat({ max: 30 }), fc.gen(), (given, more, gen) => {
      const kept = [...given];
      const nodes = kept.reduce((sum, each) => sum + each, more);
      const order = gen(
        fc.shuffledSubarray,
        kept.map((_, at) => at),
        {
          minLength: kept.length,
        },
      );
      round(kept, nodes, order, steadyMs);
      round(kept, nodes, order, steadyMs);
      expect(kept.reduce((sum, each) => sum + each, 0)).toBe(nodes);
      const share = computeShare({ nodes, processes: kept.length });
      for (const each of kept) expect(each).toBeLessThanOrEqual(share);
      expect(round(kept, nodes, order, steadyMs)).toBe(false);
    }),
  );
});
