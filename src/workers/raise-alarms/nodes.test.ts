import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { look, nodeAlarms, told } from '../../../test/alarms.ts';
import { type Books, freshBooks } from '../../../test/books.ts';
import { aNode, keep, nodeRow, settled, shopOn } from '../../../test/nodes/kept.ts';
import { until } from '../../../test/service/until.ts';
import { crowd, openShop, payer, runOf } from '../../../test/shop.ts';
import { carryOut } from '../../catalog/apply.ts';
import type { Step } from '../../catalog/difference.ts';
import { listNodes } from '../../catalog/nodes.ts';
import { inTransaction } from '../../db/connect.ts';
import {
  type Instant,
  isoTime,
  later,
  minuteMs,
  parseInstant,
  secondMs,
} from '../../kernel/instant.ts';
import { finishMarking } from '../../subscription/marking.ts';
import { readOutages } from '../../subscription/outages.ts';
import { readFigures } from '../figures.ts';

// Alarms about nodes: one that does not answer, and removals that a node has not confirmed.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const after = (ms: number): Instant => later(start, ms);

const isDown = (books: Books, down: boolean) =>
  until(down ? 'the node is down' : 'the node answers', async () =>
    ((await nodeRow(books, 'a')).down_since !== null) === down ? true : undefined,
  );

test('S8: a node that does not answer for 2 minutes raises an alarm with its start and the waiting users, and it is over with the first answer', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  await crowd(books, 3, '2026-11-25T09:01:00Z');
  {
    await using _ = keep(books);
    await settled(books);
    node.conduct = () => 'garbage';
    await isDown(books, true);
  }
  await payer(books, 900n, 100_000n);
  await books.setClock(after(minuteMs));
  await runOf(books, 'fast-expiry-cleanup');
  await look(books, after(2 * minuteMs - 1));
  expect(await told(books)).toEqual([]);
  {
    // Another replica that finds the same: the start stays.
    await using _ = keep(books);
    await until('it was asked', async () =>
      (await nodeRow(books, 'a')).failures > 2 ? true : undefined,
    );
    await look(books, after(2 * minuteMs));
    await look(books, after(3 * minuteMs));
    expect(await told(books)).toEqual(['alarm_node a']);
    expect(await nodeAlarms(books)).toMatchObject([
      { node: 'a', down_since: '2026-11-25T09:00:00.000Z', to_add: 1, to_remove: 3 },
    ]);
    node.conduct = () => 'serve';
    await isDown(books, false);
  }
  await look(books, after(4 * minuteMs));
  expect(await told(books)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
});

test('S8: the alarm needs no user that waits', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' } }, { now: '2026-11-25T09:00:00Z' });
  {
    await using _ = keep(books);
    await isDown(books, true);
  }
  await look(books, after(2 * minuteMs));
  expect(await nodeAlarms(books)).toMatchObject([
    { to_add: 0, to_remove: 0, error: expect.stringMatching(/no connection/) },
  ]);
});

test('S8: a node that no replica keeps raises the alarm too, from its last answer on', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  {
    await using _ = keep(books);
    await settled(books);
  }
  await look(books, after(20 * secondMs));
  expect(await nodeRow(books, 'a')).toMatchObject({ down_since: null });
  await look(books, after(minuteMs));
  expect(await nodeRow(books, 'a')).toMatchObject({ down_since: start });
  await look(books, after(2 * minuteMs));
  expect(await told(books)).toEqual(['alarm_node a']);
});

test('S8: after a stop of the service no alarm is raised before its keepers had 2 minutes', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  {
    await using _ = keep(books);
    await settled(books);
  }
  await look(books, after(60 * minuteMs));
  {
    await using _ = keep(books);
    await isDown(books, false);
  }
  await look(books, after(61 * minuteMs));
  expect(await told(books)).toEqual([]);
});

test('S8: an alarm about a node that was removed is over', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' } }, { now: '2026-11-25T09:00:00Z' });
  await sql`UPDATE perennial.node SET down_since = '2026-11-25T08:00:00Z'`.execute(books.db);
  await look(books, start);
  await sql`DELETE FROM perennial.node`.execute(books.db);
  await look(books, after(minuteMs));
  expect(await told(books)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
});

const nodeWith = (groups: string[], inbounds = ['vless-reality']) => ({
  id: 'nl-1',
  api: '127.0.0.1:10085',
  tls: false,
  inbounds,
  groups,
  link: { host: 'nl1.example.net', port: 443 },
});

const losses: readonly (readonly [what: string, steps: (before: never) => Step[]])[] = [
  [
    'a group of the plan',
    () => [{ do: 'change-plan', plan: 'basic', title: { en: 'Basic' }, groups: ['none'] }],
  ],
  ['a group of the node', (before) => [{ do: 'change-node', node: nodeWith(['none']), before }]],
  [
    'an inbound of the node',
    (before) => [{ do: 'change-node', node: nodeWith(['all'], ['another']), before }],
  ],
];

test.each(losses)(
  'F9: removals by %s are alarmed after 5 minutes, and the metric has their age',
  async (_, steps) => {
    await using books = await freshBooks({ now: '2026-11-25T09:00:00Z' });
    await openShop(books);
    await crowd(books, 3, '2026-12-25T09:00:00Z');
    const { db } = books;
    await sql`DELETE FROM perennial.access_sync`.execute(db);
    await inTransaction(db, (tx) => carryOut(tx, steps(nodeWith(['all']) as never), 'test', start));
    await finishMarking(db);
    await look(books, after(5 * minuteMs - 1));
    expect(await told(books)).toEqual([]);
    await look(books, after(5 * minuteMs));
    expect(await told(books)).toEqual(['alarm_removal nl-1 3']);
    const figures = await readFigures(db);
    const age = figures.find(({ name }) => name === 'perennial_node_oldest_removal_seconds');
    expect(age?.values).toEqual([{ of: { node: 'nl-1' }, value: 300 }]);
    expect(await listNodes(db)).toMatchObject([{ removals: 3n, oldestRemoval: start }]);
    await sql`UPDATE perennial.node SET down_since = ${isoTime(start)}`.execute(db);
    expect(await readOutages(db)).toMatchObject([{ toAdd: 0, toRemove: 3 }]);
    await sql`UPDATE perennial.node SET down_since = NULL`.execute(db);
    await sql`DELETE FROM perennial.access_sync`.execute(db);
    await look(books, after(6 * minuteMs));
    expect(await told(books)).toContain('alarm_over alarm_removal nl-1');
  },
);
