import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { markAccess } from '../../../src/access/credentials.ts';
import { markChunk } from '../../../src/access/marking-jobs.ts';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction, type Tx } from '../../../src/db/connect.ts';
import type { CredentialId, SubscriptionId } from '../../../src/kernel/ids.ts';
import { type Instant, instant, later } from '../../../src/kernel/instant.ts';
import { seedChunk } from '../../../src/workers/keep-node/node-store.ts';
import {
  clearSuspicion,
  type Mark,
  postponeHeld,
  writeMarkResults,
} from '../../../src/workers/keep-node/store.ts';
import { markDrift } from '../../../src/workers/reconcile-xray-state/store.ts';
import { until } from '../../../testbed/until.ts';
import type { TestDatabase } from '../../support/database.ts';
import { countBlocked } from '../../support/locks.ts';
import { createShopWithNodes } from '../../support/nodes.ts';
import { createEndingSubscribers } from '../../support/shop.ts';

// Concurrent writers of marks: a batch, and a keeper or worker with the same marks.
//
// All statements take marks in one order. So of two writers one waits for the other, and there is
// no deadlock.

const node = 'nl-1';
const lease = { id: node, epoch: 0n };

interface MarkScene {
  readonly database: TestDatabase;
  readonly now: Instant;
  /** In order; a writer gets them in reverse. */
  readonly marks: readonly Mark[];
}

let scene: MarkScene;

beforeAll(async () => {
  const database = await createShopWithNodes({ [node]: { api: '127.0.0.1:1' } });
  await createEndingSubscribers(database, 40, '2100-01-01T00:00:00Z');
  const rows = await database.query<{ id: CredentialId; subscription: SubscriptionId }>`
    SELECT id, subscription_id AS subscription FROM perennial.credential ORDER BY id`;
  const now = await readClock(database.db);
  const marks = rows.map(({ id, subscription }, at) => ({
    ...{ credentialId: id, subscriptionId: subscription, version: BigInt(at + 1) },
    ...{ wanted: true, replace: false, attempts: 0, lost: 0, heldUntil: later(now, 1_000) },
  }));
  scene = { database, now, marks };
});

afterAll(() => scene.database.close());

beforeEach(async () => {
  await scene.database.query`DELETE FROM perennial.access_sync`;
  await scene.database.query`
    UPDATE perennial.node SET boot_at = '2026-01-01Z', seeded_boot_at = NULL, seed_after = NULL,
      groups = '{all}'`;
  await scene.database.query`
    INSERT INTO perennial.marking (node_id, plan, urgent, replace, ordered_at)
    VALUES (${node}, 'basic', true, false, 'now') ON CONFLICT DO NOTHING`;
});

type MarkWriter = (tx: Tx, scene: MarkScene) => Promise<unknown>;

const bootAt = instant(Date.parse('2026-01-01T00:00:00Z'));
const reverse = <T>(rows: readonly T[]): T[] => rows.toReversed();

/** All statements that write marks of several credentials. */
const writers: Readonly<Record<string, MarkWriter>> = {
  'a batch that ends or opens access': (tx, { marks, now }) =>
    markAccess(
      tx,
      reverse(marks).map(({ credentialId }) => credentialId),
      now,
    ),
  'a keeper that confirms': (tx, { marks, now }) =>
    writeMarkResults(
      tx,
      lease,
      bootAt,
      reverse(marks).map((each) => ({ mark: each })),
      now,
    ),
  'a keeper that puts off': (tx, { marks, now }) => postponeHeld(tx, lease, reverse(marks), now),
  'a keeper that acquits': (tx, { marks }) =>
    clearSuspicion(
      tx,
      lease,
      reverse(marks).map(({ credentialId }) => credentialId),
    ),
  'a keeper that seeds its node': (tx, { now }) => seedChunk(tx, lease, bootAt, now),
  'a comparison': async (tx, { marks, now }) => {
    await sql`
      CREATE TEMPORARY TABLE drift ON COMMIT DROP AS
      SELECT n, 'different' AS kind, id AS credential_id, false AS marked
      FROM unnest(${reverse(marks).map(({ credentialId }) => credentialId)}::uuid[])
        WITH ORDINALITY AS d(id, n)`.execute(tx);
    await markDrift(tx, { node, kinds: ['different'], now }, 0, 1_000);
  },
  'a change of plans or nodes': (tx, { now }) => markChunk(tx, now),
};

const markInOrder: MarkWriter = (tx, { marks, now }) =>
  markAccess(
    tx,
    marks.map(({ credentialId }) => credentialId),
    now,
  );

/** The outcome of the work. It is caught now, because the test awaits it later. */
function startWork(work: Promise<unknown>) {
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
const untilBlocked = (database: TestDatabase, ...works: readonly ReturnType<typeof startWork>[]) =>
  until(
    'each is done or waits',
    async () =>
      (await countBlocked(database)) === works.filter(({ end }) => end === undefined).length,
  );

/** Holds a mark in the middle, so that two writers stop halfway. */
async function holdMark({ database, marks }: MarkScene, isExisting: boolean) {
  const client = await database.pool.connect();
  const id = marks[marks.length / 2]?.credentialId;
  await client.query('BEGIN');
  if (isExisting) {
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

test.each(cases)(
  '%s and a batch of the same marks, %s, wait for each other without a deadlock',
  async (what, _, isExisting) => {
    const { database } = scene;
    if (isExisting) {
      await inTransaction(database.db, (tx) => markInOrder(tx, scene));
      for (const { credentialId, version } of scene.marks) {
        await database.query`
        UPDATE perennial.access_sync SET version = ${version}, lost = 1
        WHERE credential_id = ${credentialId}`;
      }
    }
    const releaseMark = await holdMark(scene, isExisting);
    const first = startWork(
      inTransaction(database.db, (tx) => (writers[what] as MarkWriter)(tx, scene)),
    );
    await untilBlocked(database, first);
    const second = startWork(inTransaction(database.db, (tx) => markInOrder(tx, scene)));
    await untilBlocked(database, first, second);
    await releaseMark();
    expect([await first.ended, await second.ended]).toEqual(['done', 'done']);
  },
);
