import { expect, onTestFinished, test } from 'vitest';
import { inTransaction, workLimits } from '../../../src/db/connect.ts';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { dayMs, later, minuteMs, parseInstant } from '../../../src/kernel/instant.ts';
import {
  runPriceReviews,
  writePriceReview,
} from '../../../src/subscription/store/price-reviews.ts';
import { runRaiseAlarms } from '../../support/alarms.ts';
import type { TestDatabase } from '../../support/database.ts';
import { holdLocks, type LockHolder } from '../../support/locks.ts';
import {
  createShopDatabase,
  createSubscriber,
  readSubscription,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

// A row of one item that a forgotten transaction holds. The item waits, and the others continue.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const end = later(start, 30 * dayMs);

/** Five customers whose month ends at `end`, and a session that holds the lock of `statement`. */
async function createHeldRow(
  leftMinor: bigint,
  statement: (id: SubscriptionId) => string,
): Promise<{ database: TestDatabase; ids: SubscriptionId[]; session: LockHolder }> {
  const database = await createShopDatabase({ now: start, limits: { ...workLimits, lockMs: 200 } });
  onTestFinished(() => database.close());
  const ids: SubscriptionId[] = [];
  for (let n = 1n; n <= 5n; n += 1n) ids.push(await createSubscriber(database, n, leftMinor));
  const session = await holdLocks(database, statement(ids[2] as SubscriptionId));
  expect(session.rowCount).toBeGreaterThan(0);
  return { database, ids, session };
}

const readStates = async (database: TestDatabase, ids: readonly SubscriptionId[]) => {
  const all = await Promise.all(ids.map((id) => readSubscription(database, id)));
  return all.map(({ state, charges }) => `${state} ${charges}`);
};

const without = <T>(all: readonly T[], index: number): T[] => all.filter((_, at) => at !== index);

const readOverdueCauses = async ({ query }: TestDatabase): Promise<string[]> => {
  const rows = await query<{ cause: string }>`
    SELECT params->>'cause' AS cause FROM perennial.notification
    WHERE kind = 'alarm_overdue' ORDER BY id`;
  return rows.map(({ cause }) => cause);
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
    const { database, ids, session } = await createHeldRow(leftMinor, statement);
    const due = later(end, 6 * minuteMs);
    expect(await runWorkerAt(database, due, worker)).toMatchObject({
      outcome: 'success',
      failed: 0n,
    });
    expect(without(await readStates(database, ids), 2)).toEqual(Array(4).fill(done));
    expect((await readStates(database, ids))[2]).toBe('active 1');
    expect(await database.query`SELECT FROM perennial.quarantine`).toEqual([]);

    await runRaiseAlarms(database, later(end, 7 * minuteMs));
    const [cause, ...more] = await readOverdueCauses(database);
    expect(cause).toMatch(
      new RegExp(`^locked by process ${session.pid} \\(psql, idle in transaction, for`),
    );
    expect(more).toEqual([]);

    await session.release();
    expect(await runWorkerAt(database, later(end, 8 * minuteMs), worker)).toMatchObject({
      changed: 1n,
    });
    expect((await readStates(database, ids))[2]).toBe(done);
  },
);

test('promise 9: a locked known price stops only its own renewal', async () => {
  const { database, ids } = await createHeldRow(149_00n, () => 'SELECT 1');
  await database.query`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT customer_id, id, 'basic', 30, 14900, 'choice', perennial.clock()
    FROM perennial.subscription`;
  const held = `SELECT FROM perennial.known_price WHERE subscription_id = ${ids[2]} FOR UPDATE`;
  await holdLocks(database, held);
  expect(await runWorkerAt(database, end, 'auto-renewal')).toMatchObject({ outcome: 'success' });
  expect(await readStates(database, ids)).toEqual(
    ids.map((_, n) => (n === 2 ? 'active 1' : 'active 2')),
  );
});

test('promise 9: both subscriptions of a customer wait while one of them is locked', async () => {
  const { database, ids } = await createHeldRow(149_00n, subscription);
  await database.query`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew)
    SELECT customer_id, 'paid', 'basic', 30, 'active', started_at, expires_at + interval '1 minute',
      true
    FROM perennial.subscription WHERE id = ${ids[2] as SubscriptionId}`;
  await runWorkerAt(database, end, 'auto-renewal');
  expect(await readStates(database, ids)).toEqual(
    ids.map((_, n) => (n === 2 ? 'active 1' : 'active 2')),
  );
  expect(await database.query`SELECT FROM perennial.period`).toHaveLength(5 + 4);
});

test('promise 9: a locked subscription keeps a review of prices only from its customer', async () => {
  const { database, session } = await createHeldRow(149_00n, subscription);
  await inTransaction(database.db, (tx) => writePriceReview(tx, { plan: 'basic' }, start));
  await database.setClock(later(end, -dayMs));
  expect(await runPriceReviews(database.db)).toBe(4);
  expect(await runWorker(database, 'expiry-reminders')).toMatchObject({ outcome: 'success' });
  await session.release();
  expect(await runPriceReviews(database.db)).toBe(1);
});

test('promise 9: a table that is locked as a whole fails the run', async () => {
  const { database, ids } = await createHeldRow(0n, () => 'SELECT 1');
  const session = await holdLocks(database, 'LOCK TABLE perennial.credential');
  const ran = await runWorkerAt(database, later(end, 6 * minuteMs), 'fast-expiry-cleanup');
  expect(ran).toMatchObject({ outcome: 'failed', detail: { kind: 'transient', code: 'pg_55P03' } });
  await session.release();
  await runWorkerAt(database, later(end, 7 * minuteMs), 'fast-expiry-cleanup');
  expect(await readStates(database, ids)).toEqual(Array(5).fill('expired 1'));
});
