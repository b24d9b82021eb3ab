import { expect, test } from 'vitest';
import { type AccessState, computeStepsImpact, computeUnconfirmedMax } from './access-impact.ts';
import { requireConfirmedRemovals } from './access-state.ts';
import type { CatalogStep } from './diff.ts';
import { computeGroupWarnings } from './warnings.ts';

const state: AccessState = {
  plans: new Map([
    ['basic', ['all']],
    ['plus', ['all', 'fast']],
  ]),
  nodes: new Map([
    ['a', { groups: ['all'], inbounds: ['v'] }],
    ['b', { groups: ['fast'], inbounds: ['v', 'w'] }],
  ]),
  running: new Map([
    ['basic', 10],
    ['plus', 3],
  ]),
};

const plan = (key: string, groups: string[]): CatalogStep => ({
  ...{ do: 'change-plan', plan: key, title: { en: key }, groups },
});
const node = (id: string, groups: string[], inbounds = ['v']): CatalogStep => {
  const config = { id, api: '127.0.0.1:1', tls: false, inbounds, groups, link: {} };
  return { do: 'change-node', node: config, before: config } as unknown as CatalogStep;
};
const addNode = (groups: string[]): CatalogStep =>
  ({ do: 'add-node', node: { id: 'c', groups, inbounds: ['v'] } }) as unknown as CatalogStep;

test.each<[string, CatalogStep[], [number, number][], [number, number]]>([
  ['a group of a node is mistyped', [node('a', ['al'])], [[13, 0]], [13, 0]],
  ['a group of a plan is mistyped', [plan('plus', ['all', 'fats'])], [[3, 0]], [3, 0]],
  ['a group of a plan opens more', [plan('basic', ['all', 'fast'])], [[0, 10]], [0, 10]],
  ['an inbound goes', [node('b', ['fast'])], [[3, 0]], [3, 0]],
  ['an inbound is exchanged', [node('b', ['fast'], ['v', 'x'])], [[3, 3]], [3, 3]],
  ['a node comes', [addNode(['all'])], [[0, 13]], [0, 13]],
  ['a price changes', [{ do: 'retire-plan', plan: 'basic' }], [[0, 0]], [0, 0]],
  [
    'the same customers lose two nodes: each counts once',
    [node('a', ['x']), node('b', ['x'])],
    [
      [13, 0],
      [3, 0],
    ],
    [13, 0],
  ],
  [
    'a group is renamed on both sides: no customer loses access',
    [plan('basic', ['every']), plan('plus', ['every', 'fast']), node('a', ['every'])],
    [
      [10, 0],
      [3, 0],
      [0, 13],
    ],
    [0, 0],
  ],
])('%s', (_, steps, each, [lose, gain]) => {
  const impact = computeStepsImpact(state, steps);
  expect(impact.each.map((one) => [one.lose, one.gain])).toEqual(each);
  expect(impact).toMatchObject({ sum: { lose, gain }, running: 13 });
});

test.each([
  [0, 20],
  [209, 20],
  [210, 21],
  [5_000, 500],
])('of %i running subscriptions %i may lose access without a confirmation', (running, max) => {
  expect(computeUnconfirmedMax(running)).toBe(max);
});

test.each<[number, number | undefined, string | undefined]>([
  [20, undefined, undefined],
  [21, undefined, 'removals_not_confirmed'],
  [21, 21, undefined],
  [21, 20, 'removals_changed'],
  [21, 22, 'removals_changed'],
  [5, 4, 'removals_changed'],
])('S9: %i who lose access, %s confirmed: %s', (lose, confirmed, code) => {
  const check = () => requireConfirmedRemovals({ lose, gain: 0 }, 100, confirmed, 'shop.yaml');
  if (code === undefined) check();
  else expect(check).toThrow(expect.objectContaining({ code }));
});

test('groups that join nothing are warned of, on the side of the plan and of the node', () => {
  const nodes = new Map([
    ['a', { groups: ['al'], inbounds: ['v'] }],
    ['left', { groups: ['perennial/leaving'], inbounds: ['v'] }],
  ]);
  const plans = new Map([
    ['basic', ['all']],
    ['old', ['gone']],
  ]);
  expect(computeGroupWarnings({ plans, nodes }, new Set(['basic']))).toEqual([
    'plan basic: no node has the group "all"',
    'node a: no plan has the group "al"',
  ]);
});
