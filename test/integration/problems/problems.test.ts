import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../src/db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../../src/kernel/instant.ts';
import { readProblems } from '../../../src/problems/store.ts';
import { quarantineItems } from '../../../src/runs/quarantine.ts';
import { recordRun, runRaiseAlarms } from '../../support/alarms.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { enqueueOne } from '../../support/notifications.ts';
import {
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

// Current problems: the worst first, each with its remedy, and gone when the cause is gone.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const minutes = (count: number): Instant => later(start, count * minuteMs);

const readCodes = async ({ db }: Pick<TestDatabase, 'db'>) =>
  (await readProblems(db)).map(({ code, count }) => (count === null ? code : `${code} ${count}`));

test('a right database has no problems', async () => {
  await using database = await createShopDatabase({ now: start });
  expect(await readProblems(database.db)).toEqual([]);
});

test('ends that the guard holds are a problem with their number, before and after the alarm', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 30, '2026-11-25T09:01:00Z');
  await runWorkerAt(database, minutes(2), 'fast-expiry-cleanup');
  expect(await readProblems(database.db)).toMatchObject([
    {
      code: 'ends_held',
      params: { worker: 'fast-expiry-cleanup', held: 25 },
      since: '2026-11-25T09:02:00.000Z',
      sentence: 'the guard of fast-expiry-cleanup holds 25 ends',
      command: 'perennial run fast-expiry-cleanup --dry-run',
      count: 25,
    },
  ]);
  await runWorker(database, 'fast-expiry-cleanup', { confirmed: true });
  expect(await readCodes(database)).toEqual([]);
});

test('a node that is down is a problem at once, with the users that wait', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 3, '2026-12-25T09:00:00Z');
  await sql`UPDATE perennial.node SET down_since = perennial.clock(), last_error = 'refused'`.execute(
    database.db,
  );
  expect(await readProblems(database.db)).toMatchObject([
    {
      code: 'node_down',
      params: { node: 'nl-1', to_add: 3, to_remove: 0, error: 'refused' },
      since: '2026-11-25T09:00:00.000Z',
      action: null,
      count: 3,
    },
  ]);
  await sql`
    UPDATE perennial.node SET down_since = NULL, last_seen_at = perennial.clock(),
      link_error = 'no inbound has the port 443'`.execute(database.db);
  expect(await readProblems(database.db)).toMatchObject([
    { code: 'node_link_error', params: { error: 'no inbound has the port 443' } },
  ]);
});

test('due notifications without a courier are a problem of their channel', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 7n, 500_00n);
  await enqueueOne(database, 'receipt', 7n);
  for (let minute = 0; minute <= 11; minute += 1) await runRaiseAlarms(database, minutes(minute));
  expect(await readProblems(database.db)).toMatchObject([
    {
      code: 'notices_overdue',
      params: { items: 2, cause: 'no courier serves the channel "telegram"' },
      command: 'perennial notice couriers',
      action: null,
    },
  ]);
});

test('items in quarantine are a problem for each reason, with an example and a retry', async () => {
  await using database = await createDatabase({ now: start });
  await inTransaction(database.db, (tx) =>
    quarantineItems(
      tx,
      'auto-renewal',
      [
        { item: '1', reason: 'no_price', sentence: 'plan basic has no price' },
        { item: '2', reason: 'no_price', sentence: 'plan basic has no price' },
        { item: '3', reason: 'pg_23514', sentence: 'a constraint' },
      ],
      start,
    ),
  );
  expect(await readProblems(database.db)).toMatchObject([
    {
      code: 'quarantine',
      params: { reason: 'no_price', items: 2, item: '1', detail: 'plan basic has no price' },
      since: '2026-11-25T09:00:00.000Z',
      action: {
        path: '/v1/quarantine/retry',
        body: { worker: 'auto-renewal', reason: 'no_price' },
        scope: 'admin',
      },
    },
    { code: 'quarantine', count: 1 },
  ]);
});

test('a suspect time, a silent worker and a failing one are problems, the worst first', async () => {
  await using database = await createDatabase({ now: start });
  for (const count of [0, 1, 2]) {
    await recordRun(database, minutes(count), 'failed', { error: 'no connection' });
  }
  await recordRun(database, minutes(3), 'skipped', { reason: 'off', skew_s: 47 });
  await runRaiseAlarms(database, minutes(3));
  await sql`
    INSERT INTO perennial.notification (channel, kind, dedupe_key, params, created_at, next_attempt_at)
    VALUES ('admins', 'alarm_worker', 'silent', ${JSON.stringify({
      worker: 'bulk-jobs',
      failures: 0,
      error: 'No run has begun for 3 min.',
      since: '2026-11-25T09:03:00.000Z',
    })}, perennial.clock(), perennial.clock())`.execute(database.db);
  await sql`UPDATE perennial.installation SET clock_at = NULL`.execute(database.db);
  await sql`
    UPDATE perennial.clock_state SET suspect_at = perennial.clock(), suspect_cause = 'commits_lost',
      suspect_reason = 'a test', suspect_by_ms = 1`.execute(database.db);
  const problems = await readProblems(database.db);
  expect(problems[0]).toMatchObject({
    code: 'commits_lost',
    action: { code: 'accept_clock', method: 'POST', path: '/v1/clock/accept' },
  });
  await sql`UPDATE perennial.installation SET clock_at = ${'2026-11-25T09:04:00Z'}`.execute(
    database.db,
  );
  await sql`UPDATE perennial.clock_state SET suspect_at = NULL, suspect_cause = NULL,
    suspect_reason = NULL, suspect_by_ms = NULL`.execute(database.db);
  expect(await readCodes(database)).toEqual(['worker_silent', 'worker_fails', 'machine_clock']);
  const [, failing] = await readProblems(database.db);
  expect(failing).toMatchObject({
    params: { worker: 'auto-renewal', failures: 3, error: 'no connection' },
    action: { path: '/v1/workers/auto-renewal/runs', body: null },
  });
});

test('a table that a session has locked is a problem, and hides no other problem', async () => {
  await using database = await createDatabase({ now: start });
  for (const count of [0, 1, 2]) {
    await recordRun(database, minutes(count), 'failed', { error: 'no connection' });
  }
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN; LOCK TABLE perennial.quarantine');
    expect(await readCodes(database)).toEqual(['worker_fails']);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
