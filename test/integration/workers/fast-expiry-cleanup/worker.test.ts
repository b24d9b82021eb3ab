import { sql } from 'kysely';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { isoTime, parseInstant } from '../../../../src/kernel/instant.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import {
  lockBlastGuard,
  readNextChange,
} from '../../../../src/workers/fast-expiry-cleanup/store.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { hookDatabase, hookPool } from '../../../support/hooked-pool.ts';
import {
  addBalance,
  createCaller,
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
/** 30 days of 24 hours after the start. */
const end = '2026-12-01T00:00:00.000Z';

test('an ended subscription is expired, its credential retired, every node marked, the customer notified', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 0n);
  await database.query`DELETE FROM perennial.access_sync`;
  const run = await runWorkerAt(database, end, 'fast-expiry-cleanup');
  expect(run).toMatchObject({ outcome: 'success', examined: 1n, changed: 1n });
  await expectSubscription(database, id, { state: 'expired', live: 0 });
  const rows = await database.query<{ kind: string; marks: bigint }>`
    SELECT n.kind, (SELECT count(*) FROM perennial.access_sync WHERE node_id = 'nl-1' AND urgent) AS marks
    FROM perennial.notification n WHERE n.kind = 'expired'`;
  expect(rows).toEqual([{ kind: 'expired', marks: 1n }]);
});

test('a millisecond before the end nothing expires', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 0n);
  expect(
    await runWorkerAt(database, '2026-11-30T23:59:59.999Z', 'fast-expiry-cleanup'),
  ).toMatchObject({ examined: 0n });
  await expectSubscription(database, id, { state: 'active', live: 1 });
});

test('the next end is that of an active subscription, later than now and later than the given time', async () => {
  await using database = await createShopDatabase({ now: start });
  const { db } = database;
  const next = async (after?: string) => {
    const found = await readNextChange(
      db,
      after === undefined ? undefined : parseInstant(after, ''),
    );
    return { now: isoTime(found.now), at: found.at === undefined ? undefined : isoTime(found.at) };
  };
  const now = '2026-11-01T00:00:00.000Z';
  expect(await next()).toEqual({ now, at: undefined });
  await createSubscriber(database, 1n, 0n);
  const second = await createSubscriber(database, 2n, 0n);
  await sql`
    UPDATE perennial.subscription SET expires_at = '2026-11-20T00:00:00.001Z'
    WHERE id = ${second}`.execute(db);
  expect(await next()).toEqual({ now, at: '2026-11-20T00:00:00.001Z' });
  // Past ends count only until they were returned once, because a guard may hold them for long.
  await database.setClock('2026-11-25T00:00:00Z');
  expect(await next('2026-11-20T00:00:00.000Z')).toMatchObject({ at: '2026-11-20T00:00:00.001Z' });
  expect(await next('2026-11-20T00:00:00.001Z')).toMatchObject({ at: end });
  expect(await next()).toMatchObject({ now: '2026-11-25T00:00:00.000Z', at: end });
  await sql`UPDATE perennial.subscription SET state = 'expired'`.execute(db);
  expect(await next()).toMatchObject({ at: undefined });
});

test('the next end costs a few pages of its index among 5,000 active subscriptions', async () => {
  const seen: string[] = [];
  await using database = await createShopDatabase({
    wrapPool: (pool) =>
      hookPool(pool, async ({ when, sql: text }) => void (when === 'before' && seen.push(text))),
  });
  await createEndingSubscribers(database, 5_000, '2100-01-01T00:00:00Z');
  await database.query`ANALYZE perennial.subscription`;
  await readNextChange(database.db, undefined);
  const [statement = ''] = seen.filter((text) => text.includes('ORDER BY s.expires_at LIMIT 1'));
  const { rows } = await database.pool.query(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`,
    [null],
  );
  const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
  expect(JSON.stringify(plan)).toContain('subscription_ending');
  expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(20);
});

test('R13: a top-up in the last second before the end counts in the run of expiry', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 0n);
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal');
  await database.setClock('2026-11-30T23:59:59Z');
  await addBalance(database, 1n, 149_00n);
  await runWorkerAt(database, end, 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'active', live: 1, charges: 2 });
});

test('R13 F10: a renewal in quarantine keeps its access for a day, then the rule decides', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 149_00n);
  const short = await createSubscriber(database, 2n, 0n);
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'auto-renewal', id::text, 'test', '2027-01-01Z', ${end}
    FROM perennial.subscription`;
  await runWorkerAt(database, '2026-12-01T23:59:59.999Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'active', live: 1, charges: 1 });
  await expectSubscription(database, short, { state: 'active', live: 1 });
  await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'active', live: 1, charges: 2 });
  await expectSubscription(database, short, { state: 'expired', live: 0, charges: 1 });
});

test('a customer who switched auto-renewal off expires with a full balance', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 500_00n);
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
  await runWorkerAt(database, end, 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'expired', balance: 500_00 });
});

test.each([
  [1_300, 130],
  [60, 6],
  [40, 5],
])(
  'F8: after a clock jump %i of the active expire at most %i in an hour, with an alarm',
  async (active, most) => {
    await using database = await createShopDatabase({ now: start });
    await createEndingSubscribers(database, active, end);
    const first = await runWorkerAt(database, '2027-06-01T00:00:00Z', 'fast-expiry-cleanup', {
      batchMax: 50,
    });
    expect(first).toMatchObject({ outcome: 'degraded', changed: BigInt(most) });
    const again = await runWorker(database, 'fast-expiry-cleanup');
    expect(again).toMatchObject({ outcome: 'degraded', changed: 0n });
    const rows = await database.query<{ alarms: bigint }>`
    SELECT count(*) AS alarms FROM perennial.notification
    WHERE kind = 'alarm_guard' AND customer_id IS NULL`;
    expect(rows).toEqual([{ alarms: 1n }]);
    const confirmed = await runWorker(database, 'fast-expiry-cleanup', { confirmed: true });
    expect(confirmed).toMatchObject({ outcome: 'success', changed: BigInt(active - most) });
  },
);

test('F8: an open batch of another replica holds no end and raises no alarm', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 0n);
  await database.setClock(end);
  const { other, release } = await holdGuard(database);
  const run = await runWorker(database, 'fast-expiry-cleanup').finally(release);
  await other;
  expect(run).toMatchObject({ outcome: 'success', changed: 0n });
  const rows = await database.query`SELECT FROM perennial.notification WHERE kind = 'alarm_guard'`;
  expect(rows).toEqual([]);
  await runWorker(database, 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'expired' });
});

/** As another replica in the middle of a batch. */
async function holdGuard({ db }: Pick<TestDatabase, 'db'>) {
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const other = db.transaction().execute(async (tx) => {
    expect(await lockBlastGuard(tx)).toBe(true);
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  return { other, release: () => released.resolve() };
}

test('F8: while the guard holds, a run counts the active once, for any number of held ends', async () => {
  let counts = 0;
  const wrapPool = (pool: pg.Pool) =>
    hookPool(pool, ({ sql: text, when }) => {
      if (when === 'before' && text.includes('count(*) AS active')) counts += 1;
    });
  await using database = await createShopDatabase({ now: start, wrapPool });
  await createEndingSubscribers(database, 600, end);
  const run = await runWorkerAt(database, '2027-06-01T00:00:00Z', 'fast-expiry-cleanup', {
    batchMax: 50,
  });
  expect(run).toMatchObject({ outcome: 'degraded', changed: 60n, detail: { held: 540 } });
  expect(counts).toBe(1);
});

test('F8: a batch whose answer to COMMIT was lost counts for the guard', async () => {
  let lost = false;
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 250, end);
  await database.setClock(end);
  let ending = false;
  await using hooked = hookDatabase(database, ({ sql: text, when }) => {
    if (text.includes("SET state = 'expired'")) ending = true;
    if (lost || !ending || when !== 'after' || !/^commit$/i.test(text)) return;
    lost = true;
    throw new Error('Connection terminated unexpectedly');
  });
  const first = await runWorker(hooked, 'fast-expiry-cleanup', { batchMax: 100 });
  expect(first).toMatchObject({ outcome: 'failed', changed: 25n, detail: { ended: 25 } });
  const second = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 100 });
  expect(second).toMatchObject({ outcome: 'degraded', changed: 0n });
});

test('a quarantined subscription that expires leaves quarantine', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 0n);
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, attempts, retry_at, first_seen_at)
    VALUES ('fast-expiry-cleanup', ${id.toString()}, 'test', 5, ${end}, ${start})`;
  await runWorkerAt(database, end, 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'expired' });
  expect(await database.query`SELECT FROM perennial.quarantine`).toEqual([]);
});
