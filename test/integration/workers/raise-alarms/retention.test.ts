import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { dayMs, type Instant, later, parseInstant } from '../../../../src/kernel/instant.ts';
import { prune } from '../../../../src/workers/raise-alarms/retention.ts';
import { explain, recordStatements } from '../../../../testbed/explain.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { createShopDatabase, createSubscriber, runWorkerAt } from '../../../support/shop.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const days = (count: number) => later(start, count * dayMs);

const readCount = async ({ query }: TestDatabase, table: string): Promise<number> => {
  const rows = await query<{ n: bigint }>`
    SELECT count(*) AS n FROM ${sql.table(`perennial.${table}`)}`;
  return Number(rows[0]?.n);
};

const readViolations = async ({ db }: TestDatabase): Promise<string[]> => {
  const { checks } = await runAudit(db);
  return checks.filter((check) => check.violations > 0n).map(({ id }) => id);
};

/** `count` customers who bought at the start. All their notifications were sent. */
async function createHistory(count: number): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  for (let n = 1n; n <= count; n += 1n) await createSubscriber(database, n, 0n);
  await database.query`
    UPDATE perennial.notification SET state = 'sent', sent_at = created_at,
      sending_since = created_at`;
  return database;
}

const all = { signal: new AbortController().signal, mayContinue: () => true };

test('W6: raise-alarms deletes settled notifications after 180 days and events after 3 years, and the audit is valid before and after', async () => {
  await using database = await createHistory(3);
  const kept = async () => ({
    money: await readCount(database, 'ledger_entry'),
    periods: await readCount(database, 'period'),
    events: await readCount(database, 'event'),
    notices: await readCount(database, 'notification'),
  });
  const before = await kept();
  await runWorkerAt(database, days(180), 'raise-alarms');
  expect(await kept()).toEqual(before);
  const wrong = await readViolations(database);
  await runWorkerAt(database, days(181), 'raise-alarms');
  // The time of a deletion is that of the previous check.
  const run = await runWorkerAt(database, days(182), 'raise-alarms');
  expect(run.detail).toMatchObject({ deleted_notices: before.notices });
  expect(await kept()).toEqual({ ...before, notices: 0 });
  expect(await readViolations(database)).toEqual(wrong);
  for (const day of [3 * 365 + 1, 3 * 365 + 2]) {
    await runWorkerAt(database, days(day), 'raise-alarms');
  }
  expect(await kept()).toEqual({ ...before, notices: 0, events: 0 });
  expect(await readViolations(database)).toEqual(wrong);
});

test('W6: the audit still requires the receipt of a charge that is younger than the deleted ones', async () => {
  await using database = await createHistory(1);
  await database.setClock(days(181));
  await prune(database.db, days(181), all);
  await createSubscriber(database, 2n, 0n);
  await database.query`DELETE FROM perennial.notification`;
  expect(await readViolations(database)).toContain('charge-has-its-receipt');
});

test('notifications that may still be sent, and the price of a renewal until the end that the message named, stay', async () => {
  await using database = await createHistory(1);
  await database.query`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, state, next_attempt_at, created_at, sent_at, sending_since)
    SELECT customer_id, id, 'telegram', n.kind, n.kind || n.state || ends,
      jsonb_build_object('expires_at', perennial.clock() + ends * interval '1 day'), n.state,
      CASE WHEN done THEN 'infinity' ELSE perennial.clock() END, perennial.clock(),
      perennial.clock(), perennial.clock()
    FROM perennial.subscription, (VALUES ('receipt', 'pending', false, 1),
      ('grant', 'uncertain', false, 1), ('price_change', 'sent', true, 200),
      ('price_change', 'sent', true, 3), ('renewal_ahead', 'sent', true, 3),
      ('ends_3d', 'uncertain', true, 3), ('ends_24h', 'failed', true, 1),
      ('ends_3h', 'suppressed', true, 1)) n (kind, state, done, ends)`;
  await database.setClock(days(181));
  await prune(database.db, days(181), all);
  const rows = await database.query<{ kind: string }>`
    SELECT kind FROM perennial.notification ORDER BY id`;
  expect(rows.map(({ kind }) => kind)).toEqual(['receipt', 'grant', 'price_change']);
});

test('rows are deleted in batches, as many as the time allows, and the next run continues', async () => {
  await using database = await createHistory(7);
  await database.setClock(days(200));
  const total = await readCount(database, 'notification');
  const answers = [true, true, false];
  const two = { signal: all.signal, mayContinue: () => answers.shift() ?? false, batchMax: 3 };
  expect(await prune(database.db, days(200), two)).toEqual({ notices: 6, events: 0 });
  expect(await prune(database.db, days(200), { ...all, batchMax: 3 })).toEqual({
    notices: total - 6,
    events: 0,
  });
});

test('W6: the database refuses to delete an event that is younger than its retention, in any batch with old ones', async () => {
  await using database = await createHistory(1);
  await database.setClock(days(3 * 365 + 1));
  await createSubscriber(database, 2n, 0n);
  const young = database.pool.query('DELETE FROM perennial.event');
  await expect(young).rejects.toMatchObject({ constraint: 'append_only' });
  await database.pool.query(`
    INSERT INTO perennial.setting (key, value)
    VALUES ('retention', '{"notices_ms": 1, "events_ms": 1, "keys_ms": 1}')`);
  await database.setClock(days(3 * 365 + 20));
  const month = database.pool.query('DELETE FROM perennial.event WHERE at > $1', [
    new Date(days(3 * 365)),
  ]);
  await expect(month).rejects.toMatchObject({ constraint: 'append_only' });
});

test('notifications that stay are read once a day: a second run reads a handful of pages', async () => {
  await using database = await createHistory(1);
  await database.query`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT s.customer_id, s.id, 'telegram', 'receipt', 'kept' || n, '{}', perennial.clock(),
      perennial.clock()
    FROM perennial.subscription s, generate_series(1, 5000) n`;
  await database.setClock(days(400));
  const { db, statements } = recordStatements(database.pool);
  const pages = async (at: Instant): Promise<number> => {
    statements.splice(0);
    await prune(db, at, all);
    const plans = await explain(database.pool, statements);
    return plans.reduce((sum, { buffers }) => sum + buffers, 0);
  };
  expect(await pages(days(400))).toBeGreaterThan(100);
  expect(await pages(later(days(400), dayMs - 1))).toBeLessThan(20);
  expect(await pages(days(401))).toBeGreaterThan(100);
});
