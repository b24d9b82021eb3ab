import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { look, nodeAlarms, told } from '../../../test/alarms.ts';
import type { Books } from '../../../test/books.ts';
import { aNode, keep, nodeRow, settled, shopOn } from '../../../test/nodes/kept.ts';
import { until } from '../../../test/service/until.ts';
import { crowd, payer } from '../../../test/shop.ts';
import { inTransaction } from '../../db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../kernel/instant.ts';

// Alarms about nodes that answer and do not add users.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const after = (ms: number): Instant => later(start, ms);

const alarmsOf = async (books: Books) => {
  const seen = await nodeAlarms(books);
  return seen.map(({ reason, to_add, to_remove, error }) => ({ reason, to_add, to_remove, error }));
};

/** Waits until keepers have written an error, or that none is left. */
const hasError = (books: Books, error: RegExp | null) =>
  until(`the error is ${error}`, async () => {
    const { last_error: found } = await nodeRow(books, 'a');
    return (error === null ? found === null : error.test(found ?? '')) ? true : undefined;
  });

const probedAt = (books: Books, at: Instant) =>
  until('it was probed', async () =>
    (await nodeRow(books, 'a')).last_seen_at === at ? true : undefined,
  );

/** Moves the clock, and waits until a keeper has probed at that time. */
async function probeAt(books: Books, at: Instant): Promise<void> {
  await books.setClock(at);
  await probedAt(books, at);
}

interface Block {
  readonly what: string;
  block(books: Books, node: Awaited<ReturnType<typeof aNode>>): Promise<unknown>;
  readonly error: RegExp;
  mend(books: Books, node: Awaited<ReturnType<typeof aNode>>): Promise<unknown>;
}

const setNode = (change: string) => (books: Books) =>
  sql.raw(`UPDATE perennial.node SET ${change}`).execute(books.db);

const blocks: readonly Block[] = [
  {
    what: 'lacks an inbound',
    block: setNode(`inbounds = '{missing,vless}'`),
    error: /no inbound "missing"/,
    mend: setNode(`inbounds = '{vless}'`),
  },
  {
    what: 'is given a flow that no node knows',
    block: setNode(`link = link || '{"flow": "visoin"}'`),
    error: /link\.flow: "visoin"/,
    mend: setNode(`link = link - 'flow'`),
  },
  {
    what: 'answers probes and no other call',
    block: async (_, node) => {
      node.conduct = ({ method }) => (method === 'GetSysStats' ? 'serve' : 'garbage');
    },
    error: /can't be read/,
    mend: async (_, node) => {
      node.conduct = () => 'serve';
    },
  },
];

test.each(blocks.map((one) => [one.what, one] as const))(
  'S8: a node that answers and %s raises an alarm after 2 minutes, and it is over when additions go on',
  async (_, { block, error, mend }) => {
    using node = await aNode();
    await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
    await payer(books, 1n, 100_000n);
    await using _keepers = keep(books);
    await settled(books);
    await probeAt(books, after(1));
    await block(books, node);
    await payer(books, 2n, 100_000n);
    await payer(books, 3n, 100_000n);
    await hasError(books, error);
    await probeAt(books, after(2 * minuteMs));
    await look(books, after(2 * minuteMs));
    expect(await told(books)).toEqual([]);
    await probeAt(books, after(2 * minuteMs + 1));
    await look(books, after(2 * minuteMs + 1));
    await look(books, after(3 * minuteMs));
    expect(await told(books)).toEqual(['alarm_node a']);
    expect(await alarmsOf(books)).toEqual([
      { reason: 'additions', to_add: 2, to_remove: 0, error: expect.stringMatching(error) },
    ]);
    await mend(books, node);
    await settled(books, 'a', 40_000);
    await look(books, after(3 * minuteMs));
    expect(await told(books)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
  },
  60_000,
);

test('S8: a node that cannot be filled counts the users that have no mark yet', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  await crowd(books, 5, '2026-12-25T09:01:00Z');
  {
    await using _ = keep(books);
    await settled(books);
  }
  await setNode(`inbounds = '{missing,vless}', seeded_boot_at = NULL, seed_after = NULL`)(books);
  await using _ = keep(books);
  await probeAt(books, after(2 * minuteMs));
  await hasError(books, /no inbound "missing"/);
  await probeAt(books, after(4 * minuteMs));
  await look(books, after(4 * minuteMs));
  expect(await alarmsOf(books)).toMatchObject([{ reason: 'additions', to_add: 5 }]);
}, 60_000);

test('S8: a user that a node refuses raises the alarm, also if others are added', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  await using _ = keep(books);
  const refusedUser = await payer(books, 1n, 100_000n);
  await settled(books);
  await sql`
    INSERT INTO perennial.access_sync (node_id, credential_id, attempts, last_error,
      next_attempt_at, marked_at)
    SELECT 'a', id, 1, 'the node refused it', ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz
    FROM perennial.credential WHERE subscription_id = ${refusedUser}`.execute(books.db);
  await probeAt(books, after(2 * minuteMs));
  await payer(books, 2n, 100_000n);
  await until('the other one is added', () =>
    node.names('vless').length === 2 ? true : undefined,
  );
  await look(books, after(2 * minuteMs));
  expect(await alarmsOf(books)).toMatchObject([
    { reason: 'additions', to_add: 1, error: 'the node refused it' },
  ]);
  await sql`DELETE FROM perennial.access_sync`.execute(books.db);
  await look(books, after(3 * minuteMs));
  expect(await told(books)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
}, 60_000);

test('S8: a backlog that moves, a quarantined user and a short outage raise no alarm', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  const one = await payer(books, 1n, 100_000n);
  await using _ = keep(books);
  await settled(books);
  const mark = (lost: number) => sql`
    INSERT INTO perennial.access_sync (node_id, credential_id, lost, attempts, next_attempt_at, marked_at)
    SELECT 'a', id, ${lost}, ${lost}, ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz
    FROM perennial.credential WHERE subscription_id = ${one}`;
  await probeAt(books, after(10 * minuteMs));
  // Not tried yet, while another user was just added.
  await mark(0).execute(books.db);
  await payer(books, 2n, 100_000n);
  await until('it is noted', async () =>
    (await nodeRow(books, 'a')).added_at === after(10 * minuteMs) ? true : undefined,
  );
  await look(books, after(10 * minuteMs));
  expect(await told(books)).toEqual([]);
  // Put aside as a suspect, which has an alarm of its own.
  await sql`DELETE FROM perennial.access_sync`.execute(books.db);
  await mark(2).execute(books.db);
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('keep-node', ${`a/${one}`}, 'kills_node', ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz)`.execute(books.db);
  await probeAt(books, after(20 * minuteMs));
  await look(books, after(20 * minuteMs));
  expect(await told(books)).toEqual([]);
  // Back after an outage: what waited through it has 2 minutes again.
  await sql`DELETE FROM perennial.quarantine`.execute(books.db);
  await sql`DELETE FROM perennial.access_sync`.execute(books.db);
  await sql`UPDATE perennial.node SET down_since = ${'2026-11-25T09:10:00Z'}`.execute(books.db);
  await mark(0).execute(books.db);
  await probeAt(books, after(30 * minuteMs));
  await look(books, after(30 * minuteMs));
  expect(await told(books)).toEqual([]);
}, 60_000);

test('S8: a node whose row another session has locked raises the alarm, and the look does not wait', async () => {
  using node = await aNode();
  await using books = await shopOn({ a: { api: node.api } }, { now: '2026-11-25T09:00:00Z' });
  {
    await using _ = keep(books);
    await settled(books);
  }
  await inTransaction(books.db, async (tx) => {
    await sql`SELECT FROM perennial.node FOR UPDATE`.execute(tx);
    await look(books, after(2 * minuteMs));
  });
  expect(await alarmsOf(books)).toMatchObject([
    { reason: 'down', error: 'another session has locked the row of this node' },
  ]);
});
