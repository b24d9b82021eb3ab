import { sql } from 'kysely';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { inTransaction, workLimits } from '../../../src/db/connect.ts';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { dayMs, type Instant, later, minuteMs, parseInstant } from '../../../src/kernel/instant.ts';
import {
  runPriceReviews,
  writePriceReview,
} from '../../../src/subscription/store/price-reviews.ts';
import { runRaiseAlarms } from '../../support/alarms.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { createShop, createSubscriber, readSubscription, runWorker } from '../../support/shop.ts';

// A row of one item that a forgotten transaction holds. The item waits, and the others continue.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const end = later(start, 30 * dayMs);

/** Five customers whose month ends at `end`, and a session that holds the lock of `statement`. */
async function createHeldRow(
  leftMinor: bigint,
  statement: (id: SubscriptionId) => string,
): Promise<{ database: TestDatabase; ids: SubscriptionId[]; session: pg.Client; pid: number }> {
  const database = await createDatabase({ now: start, limits: { ...workLimits, lockMs: 200 } });
  onTestFinished(() => database.close());
  await createShop(database);
  const ids: SubscriptionId[] = [];
  for (let n = 1n; n <= 5n; n += 1n) ids.push(await createSubscriber(database, n, leftMinor));
  const session = new pg.Client({ connectionString: database.url, application_name: 'psql' });
  await session.connect();
  onTestFinished(() => session.end());
  await session.query('BEGIN');
  const { rowCount } = await session.query(statement(ids[2] as SubscriptionId));
  expect(rowCount).toBeGreaterThan(0);
  const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
  return { database, ids, session, pid: rows[0].pid };
}

const readStates = async (database: TestDatabase, ids: readonly SubscriptionId[]) => {
  const all = await Promise.all(ids.map((id) => readSubscription(database, id)));
  return all.map(({ state, charges }) => `${state} ${charges}`);
};

const without = <T>(all: readonly T[], index: number): T[] => all.filter((_, at) => at !== index);

const readOverdueCauses = async ({ db }: TestDatabase): Promise<string[]> => {
  const { rows } = await sql<{ cause: string }>`
    SELECT params->>'cause' AS cause FROM perennial.notification
    WHERE kind = 'alarm_overdue' ORDER BY id`.execute(db);
  return rows.map(({ cause }) => cause);
};

const runAt = async (database: TestDatabase, worker: string, at: Instant) => {
  await database.setClock(at);
  return runWorker(database, worker);
};

const subscription = (id: SubscriptionId) =>
  `UPDATE perennial.subscription SET remind_at = remind_at WHERE id = ${id}`;
const credential = (id: SubscriptionId) =>
  `UPDATE perennial.credential SET retired_at = NULL WHERE subscription_id = ${id}`;

test.each([
  ['auto-renewal', 149_00n, 'a subscription', subscription, 'active 2'],
  ['fast-expiry-cleanup', 149_00n, 'a subscription', subscription, 'active 2'],
  ['fast-expiry-cleanup', 0n, 'a subscription', subscription, 'expired 1'],
  ['fast-expiry-cleanup', 0n, 'a credential', credential, 'expired 1'],
] as const)(
  'promise 9: %s with %i on the balances passes over %s that is locked, and names the session',
  async (worker, leftMinor, _, statement, done) => {
    const { database, ids, session, pid } = await createHeldRow(leftMinor, statement);
    const due = later(end, 6 * minuteMs);
    expect(await runAt(database, worker, due)).toMatchObject({ outcome: 'success', failed: 0n });
    expect(without(await readStates(database, ids), 2)).toEqual(Array(4).fill(done));
    expect((await readStates(database, ids))[2]).toBe('active 1');
    const { rows: quarantined } = await sql`SELECT FROM perennial.quarantine`.execute(database.db);
    expect(quarantined).toEqual([]);

    await runRaiseAlarms(database, later(end, 7 * minuteMs));
    const [cause, ...more] = await readOverdueCauses(database);
    expect(cause).toMatch(
      new RegExp(`^locked by process ${pid} \\(psql, idle in transaction, for`),
    );
    expect(more).toEqual([]);

    await session.query('ROLLBACK');
    expect(await runAt(database, worker, later(end, 8 * minuteMs))).toMatchObject({ changed: 1n });
    expect((await readStates(database, ids))[2]).toBe(done);
  },
);

test('promise 9: a locked known price stops only its own renewal', async () => {
  const { database, ids } = await createHeldRow(149_00n, () => 'SELECT 1');
  await sql`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT customer_id, id, 'basic', 30, 14900, 'choice', perennial.clock()
    FROM perennial.subscription`.execute(database.db);
  const session = new pg.Client({ connectionString: database.url });
  await session.connect();
  onTestFinished(() => session.end());
  await session.query('BEGIN');
  await session.query(
    `SELECT FROM perennial.known_price WHERE subscription_id = ${ids[2]} FOR UPDATE`,
  );
  expect(await runAt(database, 'auto-renewal', end)).toMatchObject({ outcome: 'success' });
  expect(await readStates(database, ids)).toEqual(
    ids.map((_, n) => (n === 2 ? 'active 1' : 'active 2')),
  );
});

test('promise 9: both subscriptions of a customer wait while one of them is locked', async () => {
  const { database, ids } = await createHeldRow(149_00n, subscription);
  await sql`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew)
    SELECT customer_id, 'paid', 'basic', 30, 'active', started_at, expires_at + interval '1 minute',
      true
    FROM perennial.subscription WHERE id = ${ids[2] as SubscriptionId}`.execute(database.db);
  await runAt(database, 'auto-renewal', end);
  expect(await readStates(database, ids)).toEqual(
    ids.map((_, n) => (n === 2 ? 'active 1' : 'active 2')),
  );
  const { rows } = await sql`SELECT FROM perennial.period`.execute(database.db);
  expect(rows).toHaveLength(5 + 4);
});

test('promise 9: a locked subscription keeps a review of prices only from its customer', async () => {
  const { database, session } = await createHeldRow(149_00n, subscription);
  await inTransaction(database.db, (tx) => writePriceReview(tx, { plan: 'basic' }, start));
  await database.setClock(later(end, -dayMs));
  expect(await runPriceReviews(database.db)).toBe(4);
  expect(await runWorker(database, 'expiry-reminders')).toMatchObject({ outcome: 'success' });
  await session.query('ROLLBACK');
  expect(await runPriceReviews(database.db)).toBe(1);
});

test('promise 9: a table that is locked as a whole fails the run', async () => {
  const { database, ids, session } = await createHeldRow(0n, () => 'SELECT 1');
  await session.query('LOCK TABLE perennial.credential');
  const ran = await runAt(database, 'fast-expiry-cleanup', later(end, 6 * minuteMs));
  expect(ran).toMatchObject({ outcome: 'failed', detail: { kind: 'transient', code: 'pg_55P03' } });
  await session.query('ROLLBACK');
  await runAt(database, 'fast-expiry-cleanup', later(end, 7 * minuteMs));
  expect(await readStates(database, ids)).toEqual(Array(5).fill('expired 1'));
});
