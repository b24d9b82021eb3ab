import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type DueKey,
  findDueNotices,
  hasSendingNotices,
} from '../../../../src/workers/deliver-notifications/store.ts';
import { type ExplainedStatement, explain, recordStatements } from '../../../../testbed/explain.ts';
import { growingTables } from '../../../support/bounded-statement.ts';
import {
  createEndingSubscriber,
  createStage,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// The query plans of a courier's statements, on a database that reveals a wrong plan.
//
// It has 40,000 notifications, of which 4,000 are pending and 2,000 due, and 2,000 items in
// quarantine.

let stage: Stage;

beforeAll(async () => {
  stage = await createStage({ now: '2026-11-24T12:00:00Z' });
  const { db } = stage.database;
  await createEndingSubscriber(stage, 1n);
  await sql`
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    SELECT 1000 + n, 'RUB', 'token-of-somebody-' || n, '2026-01-01Z'
    FROM generate_series(1, 4000) n`.execute(db);
  await sql`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at)
    SELECT id, 'paid', 'basic', 30, 'active', '2026-12-15Z', '2027-01-14Z'
    FROM perennial.customer WHERE telegram_id > 1000`.execute(db);
  await sql`
    INSERT INTO perennial.notification (customer_id, channel, kind, dedupe_key, params, state, bulk,
      next_attempt_at, sent_at, created_at)
    SELECT c.id, 'telegram', CASE WHEN n % 2 = 0 THEN 'receipt' ELSE 'ends_24h' END, 'x' || n, '{}',
      CASE WHEN n % 20 < 2 THEN 'pending' ELSE 'sent' END, n % 2 = 1,
      CASE WHEN n <= 20000 THEN '2026-12-23T12:30:00Z'::timestamptz ELSE '2027-01-01Z' END
        + n * interval '1 ms',
      '2026-01-01Z', '2026-01-01Z'
    FROM generate_series(1, 40000) n JOIN perennial.customer c ON c.telegram_id = 1001 + n % 4000`.execute(
    db,
  );
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'keep-node', 'x' || n, 'test', '2027-01-01Z', '2026-01-01Z'
    FROM generate_series(1, 2000) n`.execute(db);
  await sql`VACUUM ANALYZE`.execute(db);
}, 60_000);

afterAll(() => stage[Symbol.asyncDispose]());

// The clock only goes forward, because a step back would make later notifications due.

test('P2: a check that finds nothing due reads a handful of pages', async () => {
  const { database } = stage;
  await database.setClock('2026-11-24T12:00:00Z');
  const { db, statements } = recordStatements(database.pool);
  expect(await findDueNotices(db, 'telegram', { after: undefined, max: 1 })).toEqual([]);
  expect(await hasSendingNotices(db, 'telegram')).toBe(false);
  const looks = await explain(database.pool, statements);
  expect(looks.every(({ reads }) => reads.includes('Seq Scan notification'))).toBe(false);
  expect(looks.reduce((all, { buffers }) => all + buffers, 0)).toBeLessThan(20);
});

test('P2: claim and settlement of a notification use keys, at any size of the table', async () => {
  const { database } = stage;
  await database.setClock('2026-12-23T12:00:00Z');
  await enqueueOne(database, 'receipt', 1n);
  await enqueueOne(database, 'ends_24h', 1n);
  const { db, statements } = recordStatements(database.pool);
  expect(await runDelivery({ ...stage, database: { ...database, db } })).toMatchObject({
    changed: 2n,
  });
  // The two sent notifications are pending again.
  await database.query`
    UPDATE perennial.notification SET state = 'pending', attempts = 0, next_attempt_at = created_at
    WHERE dedupe_key LIKE 'test:%'`;
  const ofTables = statements.filter((one) => growingTables.test(one.sql));
  const explained: ExplainedStatement[] = await explain(database.pool, ofTables);
  expect(explained.length).toBeGreaterThanOrEqual(10);
  for (const { sql: text, reads, buffers } of explained) {
    const scans = reads.filter((read) =>
      /^Seq Scan (notification|customer|subscription|quarantine)/.test(read),
    );
    expect({ text, scans }).toEqual({ text, scans: [] });
    expect(buffers, text).toBeLessThan(60);
  }
});

test('P2: a page of due notifications reads only its own rows by the index, also a later page', async () => {
  const { database } = stage;
  await database.setClock('2026-12-23T13:00:00Z');
  const { db, statements } = recordStatements(database.pool);
  const first = await findDueNotices(db, 'telegram', { after: undefined, max: 100 });
  const next = await findDueNotices(db, 'telegram', { after: first.at(-1)?.key, max: 100 });
  const lastUrgent = { bulk: true, at: first[0]?.key.at, id: 0n } as DueKey;
  const bulk = await findDueNotices(db, 'telegram', { after: lastUrgent, max: 100 });
  expect([first, next, bulk].map((page) => page.length)).toEqual([100, 100, 100]);
  expect(bulk.every(({ key }) => key.bulk)).toBe(true);
  const pages = await explain(database.pool, statements);
  expect(pages).toHaveLength(3);
  for (const page of pages) {
    expect(page.reads.toSorted()).toEqual([
      'customer_pkey',
      'notification_owed',
      'quarantine_pkey',
    ]);
    expect(page.rows).toBe(100);
    expect(page.buffers).toBeLessThan(8 * 100);
  }
});
