import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction, type Tx } from '../../src/db/connect.ts';
import type { CredentialId, SubscriptionId } from '../../src/kernel/ids.ts';
import { type Instant, instant, later } from '../../src/kernel/instant.ts';
import { markAccess } from '../../src/subscription/access.ts';
import { markStretch } from '../../src/subscription/marking.ts';
import { seedStretch } from '../../src/workers/keep-node/node-store.ts';
import { acquit, type Mark, putOff, settle } from '../../src/workers/keep-node/store.ts';
import { mark } from '../../src/workers/reconcile-xray-state/store.ts';
import type { Books } from '../books.ts';
import { until } from '../service/until.ts';
import { crowd } from '../shop.ts';
import { shopOn } from './kept.ts';

// A batch that ends many at once marks them while the keeper of a node settles the same marks, or
// marks everybody: whoever writes marks of several credentials takes them in one order, so that of
// two at once one waits for the other, and never each for the other.

const node = 'nl-1';
const post = { node, epoch: 0n };

interface Scene {
  readonly books: Books;
  readonly now: Instant;
  /** In order; a writer is given them backwards. */
  readonly marks: readonly Mark[];
}

let place: Scene;

beforeAll(async () => {
  const books = await shopOn({ [node]: { api: '127.0.0.1:1' } });
  await crowd(books, 40, '2100-01-01T00:00:00Z');
  const { rows } = await sql<{ id: CredentialId; subscription: SubscriptionId }>`
    SELECT id, subscription_id AS subscription FROM perennial.credential ORDER BY id`.execute(
    books.db,
  );
  const now = await readClock(books.db);
  const marks = rows.map(({ id, subscription }, at) => ({
    ...{ credentialId: id, subscriptionId: subscription, version: BigInt(at + 1) },
    ...{ wanted: true, replace: false, attempts: 0, lost: 0, heldUntil: later(now, 1_000) },
  }));
  place = { books, now, marks };
});

afterAll(() => place.books.close());

beforeEach(async () => {
  await sql`DELETE FROM perennial.access_sync`.execute(place.books.db);
  await sql`
    UPDATE perennial.node SET boot_at = '2026-01-01Z', seeded_boot_at = NULL, seed_after = NULL,
      groups = '{all}'`.execute(place.books.db);
  await sql`
    INSERT INTO perennial.marking (node_id, plan, urgent, replace, ordered_at)
    VALUES (${node}, 'basic', true, false, 'now') ON CONFLICT DO NOTHING`.execute(place.books.db);
});

type Writer = (tx: Tx, scene: Scene) => Promise<unknown>;

const bootAt = instant(Date.parse('2026-01-01T00:00:00Z'));
const backwards = <T>(rows: readonly T[]): T[] => rows.toReversed();

/** Everybody who writes marks of several credentials in one statement. */
const writers: Readonly<Record<string, Writer>> = {
  'a batch that ends or opens access': (tx, { marks, now }) =>
    markAccess(
      tx,
      backwards(marks).map(({ credentialId }) => credentialId),
      now,
    ),
  'a keeper that confirms': (tx, { marks, now }) =>
    settle(
      tx,
      post,
      bootAt,
      backwards(marks).map((each) => ({ mark: each })),
      now,
    ),
  'a keeper that puts off': (tx, { marks, now }) => putOff(tx, post, backwards(marks), now),
  'a keeper that acquits': (tx, { marks }) =>
    acquit(
      tx,
      post,
      backwards(marks).map(({ credentialId }) => credentialId),
    ),
  'a keeper that fills its node': (tx, { now }) => seedStretch(tx, post, bootAt, now),
  'a comparison': async (tx, { marks, now }) => {
    await sql`
      CREATE TEMPORARY TABLE drift ON COMMIT DROP AS
      SELECT n, 'different' AS kind, id AS credential_id, false AS marked
      FROM unnest(${backwards(marks).map(({ credentialId }) => credentialId)}::uuid[])
        WITH ORDINALITY AS d(id, n)`.execute(tx);
    await mark(tx, { node, kinds: ['different'], now }, 0, 1_000);
  },
  'a change of plans or nodes': (tx, { now }) => markStretch(tx, now),
};

const inOrder: Writer = (tx, { marks, now }) =>
  markAccess(
    tx,
    marks.map(({ credentialId }) => credentialId),
    now,
  );

/** How it ends; nobody need be there yet to hear of it. */
function begun(work: Promise<unknown>) {
  const one = { end: undefined as string | undefined, ended: Promise.resolve('') };
  one.ended = work.then(
    () => 'done',
    (error: Error) => error.message,
  );
  void one.ended.then((end) => {
    one.end = end;
  });
  return one;
}

/** Each of these is done, or waits for a lock. */
const stands = ({ db }: Books, ...works: readonly ReturnType<typeof begun>[]) =>
  until('each is done or waits', async () => {
    const { rows } = await sql`
      SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(db);
    return rows.length === works.filter(({ end }) => end === undefined).length ? true : undefined;
  });

/** A mark in the middle of all that somebody holds, so that two writers come to be half done. */
async function held({ books, marks }: Scene, there: boolean) {
  const client = await books.pool.connect();
  const id = marks[marks.length / 2]?.credentialId;
  await client.query('BEGIN');
  if (there) {
    await client.query('SELECT FROM perennial.access_sync WHERE credential_id = $1 FOR UPDATE', [
      id,
    ]);
  } else {
    await client.query(
      `INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
       VALUES ($1, $2, 'now', 'now')`,
      [node, id],
    );
  }
  return async () => {
    await client.query('ROLLBACK');
    client.release();
  };
}

const cases = Object.keys(writers).flatMap((what) => [
  [what, 'that are there', true] as const,
  [what, 'that are new', false] as const,
]);

test.each(cases)('%s and a batch of the same marks, %s, wait in line', async (what, _, there) => {
  const { books } = place;
  if (there) {
    await inTransaction(books.db, (tx) => inOrder(tx, place));
    for (const { credentialId, version } of place.marks) {
      await sql`
        UPDATE perennial.access_sync SET version = ${version}, lost = 1
        WHERE credential_id = ${credentialId}`.execute(books.db);
    }
  }
  const letGo = await held(place, there);
  const first = begun(inTransaction(books.db, (tx) => (writers[what] as Writer)(tx, place)));
  await stands(books, first);
  const second = begun(inTransaction(books.db, (tx) => inOrder(tx, place)));
  await stands(books, first, second);
  await letGo();
  expect([await first.ended, await second.ended]).toEqual(['done', 'done']);
});
