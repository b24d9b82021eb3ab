import { expect, test } from 'vitest';
import type { NodeStatus } from '../../catalog/nodes.ts';
import { instant, later, minuteMs } from '../../kernel/instant.ts';
import { formatNodes } from './nodes-text.ts';

const now = instant(Date.parse('2026-11-24T09:00:00.000Z'));

const createNode = (id: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
  id,
  api: '10.0.0.1:10085',
  tls: false,
  groups: ['all', 'fast'],
  inbounds: ['vless-reality'],
  link: {},
  leaving: false,
  lastSeenAt: later(now, -1_000),
  failures: 0,
  openUntil: null,
  lastError: null,
  linkError: null,
  reconciledAt: null,
  reconcileError: null,
  waiting: 0n,
  marking: false,
  confirmed: 0n,
  oldestRemoval: null,
  removals: 0n,
  downSince: null,
  seeding: false,
  seedMarked: 0n,
  ...more,
});

const long = (at: number): string =>
  `provider-with-a-long-name.frankfurt.datacenter-7.rack-12-${at}`;

test('the table of 3 nodes has ages, and a note for each problem', () => {
  const nodes = [
    createNode('fi-1'),
    createNode('nl-1', {
      downSince: later(now, -3 * minuteMs),
      lastSeenAt: later(now, -3 * minuteMs),
      lastError: '10.0.0.1:10085: no connection',
      waiting: 1_240n,
      removals: 40n,
      oldestRemoval: later(now, -2 * minuteMs),
    }),
    createNode('us-1', { leaving: true, waiting: 9_627n, removals: 9_627n }),
  ];
  expect(formatNodes(nodes, { now, isWide: false, columnsMax: 80 })).toBe(
    [
      'NODE  STATUS      CONTACT     ADDS  REMOVALS  AGE    LINK  GROUPS',
      'fi-1  up          1 s ago        -         -  -      ok    all,fast',
      'nl-1  down 3 min  3 min ago  1,200        40  2 min  ok    all,fast',
      'us-1  draining    1 s ago        -     9,627  -      ok    -',
      'nl-1: down since 2026-11-24 08:57Z (3 min ago)',
      'nl-1: 10.0.0.1:10085: no connection',
      '3 nodes at 2026-11-24 09:00Z: 2 up, 1 down, 10,867 pending changes',
    ].join('\n'),
  );
});

test.each([80, 100, 120])(
  'the table of 30 nodes with long names fits %i columns, and the names stay different',
  (columnsMax) => {
    const nodes = Array.from({ length: 30 }, (_, at) => createNode(long(at)));
    const lines = formatNodes(nodes, { now, isWide: false, columnsMax }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columnsMax);
    const names = lines.slice(1, 31).map((line) => line.split(' ')[0]);
    expect(new Set(names).size).toBe(30);
    expect(names[0]).toMatch(/^prov.*-0$/);
  },
);

test.each([
  ['without a terminal', { now, isWide: false, columnsMax: undefined }],
  ['with --wide', { now, isWide: true, columnsMax: 80 }],
])('a name is whole %s', (_, layout) => {
  expect(formatNodes([createNode(long(7))], layout)).toContain(`${long(7)}  up`);
});
