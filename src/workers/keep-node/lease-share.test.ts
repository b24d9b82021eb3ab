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
  ['no nodes', scene(0, 3, 0), { acquireCount: 0, releaseCount: 0 }],
  ['below its share', scene(5, 2, 1), { acquireCount: 2, releaseCount: 0 }],
  ['at its share', scene(5, 2, 3), { acquireCount: 0, releaseCount: 0 }],
  [
    'with fewer than other replicas, but at its share rounded up',
    scene(4, 3, 2),
    { acquireCount: 0, releaseCount: 0 },
  ],
  ['above it from now on', scene(5, 2, 5, 0), { acquireCount: 0, releaseCount: 0 }],
  ['above it, 1 ms too short', scene(5, 2, 5, steadyMs - 1), { acquireCount: 0, releaseCount: 0 }],
  ['above it for long enough', scene(5, 2, 5, steadyMs), { acquireCount: 0, releaseCount: 2 }],
  ['more processes than nodes', scene(2, 5, 0), { acquireCount: 1, releaseCount: 0 }],
  ['this replica is not counted yet', scene(2, 0, 0), { acquireCount: 2, releaseCount: 0 }],
] as const)('%s', (_, given, change) => {
  expect(computeLeaseChange(given, steadyMs)).toEqual(change);
});

/** One round: each replica applies the rule once, in any order. */
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

test('from any distribution, after two rounds each node is kept, no replica exceeds its share, and no node moves', () => {
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
