import { sql } from 'kysely';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import { isoTime, parseInstant } from '../../../../src/kernel/instant.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import {
  lockBlastGuard,
  readNextChange,
} from '../../../../src/workers/fast-expiry-cleanup/store.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { hookPool } from '../../../support/hooked-pool.ts';
import {
  createEndingSubscribers,
  createShop,
  createSubscriber,
  readSubscription,
  runWorker,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
/** 30 days of 24 hours after the start. */
const end = '2026-12-01T00:00:00.000Z';

test('an ended subscription is expired, its credential retired, every node marked, the customer notified', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await sql`DELETE FROM perennial.access_sync`.execute(database.db);
  await database.setClock(end);
  const run = await runWorker(database, 'fast-expiry-cleanup');
  expect(run).toMatchObject({ outcome: 'success', examined: 1n, changed: 1n });
  expect(await readSubscription(database, id)).toMatchObject({ state: 'expired', live: 0 });
  const { rows } = await sql<{ kind: string; marks: bigint }>`
    SELECT n.kind, (SELECT count(*) FROM perennial.access_sync WHERE node_id = 'nl-1' AND urgent) AS marks
    FROM perennial.notification n WHERE n.kind = 'expired'`.execute(database.db);
  expect(rows).toEqual([{ kind: 'expired', marks: 1n }]);
});

test('a millisecond before the end nothing expires', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await database.setClock('2026-11-30T23:59:59.999Z');
  expect(await runWorker(database, 'fast-expiry-cleanup')).toMatchObject({ examined: 0n });
  expect(await readSubscription(database, id)).toMatchObject({ state: 'active', live: 1 });
});

test('the next end is that of an active subscription, later than now and later than the given time', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
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
  await using database = await createDatabase({
    wrapPool: (pool) =>
      hookPool(pool, async ({ when, sql: text }) => void (when === 'before' && seen.push(text))),
  });
  await createShop(database);
  await createEndingSubscribers(database, 5_000, '2100-01-01T00:00:00Z');
  await sql`ANALYZE perennial.subscription`.execute(database.db);
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

test('F4: a repeated expiry ends the subscription once and notifies once', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  await createSubscriber(database, 1n, 0n);
  await database.setClock(end);
  await Promise.all([
    runWorker(database, 'fast-expiry-cleanup'),
    runWorker(database, 'fast-expiry-cleanup'),
  ]);
  await runWorker(database, 'fast-expiry-cleanup');
  const { rows } = await sql<{ notified: bigint; ended: bigint }>`
    SELECT (SELECT count(*) FROM perennial.notification WHERE kind = 'expired') AS notified,
      (SELECT count(*) FROM perennial.event WHERE action = 'expired') AS ended`.execute(
    database.db,
  );
  expect(rows).toEqual([{ notified: 1n, ended: 1n }]);
});

test.each([
  ['auto-renewal first', ['auto-renewal', 'fast-expiry-cleanup']],
  ['expiry first', ['fast-expiry-cleanup', 'auto-renewal']],
])(
  'R13: after 72 h of downtime a customer with enough balance is renewed from the old end, %s',
  async (_, order) => {
    await using database = await createDatabase({ now: start });
    await createShop(database);
    const withMoney = await createSubscriber(database, 1n, 149_00n);
    const without = await createSubscriber(database, 2n, 148_99n);
    await database.setClock('2026-12-04T00:00:00Z');
    for (const worker of order) await runWorker(database, worker);
    expect(await readSubscription(database, withMoney)).toMatchObject({
      state: 'active',
      ends: '2026-12-31T00:00:00Z',
      balance: 0,
      live: 1,
      charges: 2,
    });
    expect(await readSubscription(database, without)).toMatchObject({
      state: 'expired',
      live: 0,
      charges: 1,
    });
  },
);

test('R13: a top-up in the last second before the end counts in the run of expiry', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await database.setClock('2026-11-30T20:00:00Z');
  await runWorker(database, 'auto-renewal');
  await database.setClock('2026-11-30T23:59:59Z');
  await topUp({ db: database.db, actor: 'test' }, { telegramId: 1n, amountMinor: 149_00n });
  await database.setClock(end);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'active',
    live: 1,
    charges: 2,
  });
});

test('R13: a renewal in quarantine keeps its access for a day, then the rule decides', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 149_00n);
  const short = await createSubscriber(database, 2n, 0n);
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'auto-renewal', id::text, 'test', '2027-01-01Z', ${end}
    FROM perennial.subscription`.execute(database.db);
  await database.setClock('2026-12-01T23:59:59.999Z');
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'active',
    live: 1,
    charges: 1,
  });
  expect(await readSubscription(database, short)).toMatchObject({ state: 'active', live: 1 });
  await database.setClock('2026-12-02T00:00:00Z');
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'active',
    live: 1,
    charges: 2,
  });
  expect(await readSubscription(database, short)).toMatchObject({
    state: 'expired',
    live: 0,
    charges: 1,
  });
});

test('a customer who switched auto-renewal off expires with a full balance', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 500_00n);
  await setAutoRenew({ db: database.db, actor: 'test' }, { telegramId: 1n, on: false });
  await database.setClock(end);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'expired',
    balance: 500_00,
  });
});

test('F3: a purchase that commits between the finding and the locking of a batch wins', async () => {
  let bought = false;
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await topUp({ db: database.db, actor: 'test' }, { telegramId: 1n, amountMinor: 149_00n });
  await setAutoRenew({ db: database.db, actor: 'test' }, { telegramId: 1n, on: false });
  await database.setClock(end);
  const pool = hookPool(openPool(database.url), async ({ sql: text, when }) => {
    if (bought || when !== 'before' || !text.includes('SKIP LOCKED')) return;
    bought = true;
    await purchase(
      { db: database.db, actor: 'test' },
      { telegramId: 1n, plan: 'basic', periodDays: 30 },
    );
  });
  await using hooked = {
    db: openDatabase(pool),
    url: database.url,
    [Symbol.asyncDispose]: () => pool.end(),
  };
  await runWorker(hooked, 'fast-expiry-cleanup');
  expect(bought).toBe(true);
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'active',
    live: 1,
    charges: 2,
  });
});

test.each([
  [1_300, 130],
  [60, 6],
  [40, 5],
])(
  'F8: after a clock jump %i of the active expire at most %i in an hour, with an alarm',
  async (active, most) => {
    await using database = await createDatabase({ now: start });
    await createShop(database);
    await createEndingSubscribers(database, active, end);
    await database.setClock('2027-06-01T00:00:00Z');
    const first = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 50 });
    expect(first).toMatchObject({ outcome: 'degraded', changed: BigInt(most) });
    const again = await runWorker(database, 'fast-expiry-cleanup');
    expect(again).toMatchObject({ outcome: 'degraded', changed: 0n });
    const { rows } = await sql<{ alarms: bigint }>`
    SELECT count(*) AS alarms FROM perennial.notification
    WHERE kind = 'alarm_guard' AND customer_id IS NULL`.execute(database.db);
    expect(rows).toEqual([{ alarms: 1n }]);
    const confirmed = await runWorker(database, 'fast-expiry-cleanup', { confirmed: true });
    expect(confirmed).toMatchObject({ outcome: 'success', changed: BigInt(active - most) });
  },
);

test('F8: an open batch of another replica holds no end and raises no alarm', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await database.setClock(end);
  const { other, release } = await holdGuard(database);
  const run = await runWorker(database, 'fast-expiry-cleanup').finally(release);
  await other;
  expect(run).toMatchObject({ outcome: 'success', changed: 0n });
  const { rows } = await sql`
    SELECT FROM perennial.notification WHERE kind = 'alarm_guard'`.execute(database.db);
  expect(rows).toEqual([]);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({ state: 'expired' });
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
  await using database = await createDatabase({ now: start, wrapPool });
  await createShop(database);
  await createEndingSubscribers(database, 600, end);
  await database.setClock('2027-06-01T00:00:00Z');
  const run = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 50 });
  expect(run).toMatchObject({ outcome: 'degraded', changed: 60n, detail: { held: 540 } });
  expect(counts).toBe(1);
});

test('F8: a batch whose answer to COMMIT was lost counts for the guard', async () => {
  let lost = false;
  await using database = await createDatabase({ now: start });
  await createShop(database);
  await createEndingSubscribers(database, 250, end);
  await database.setClock(end);
  let ending = false;
  const pool = hookPool(openPool(database.url), ({ sql: text, when }) => {
    if (text.includes("SET state = 'expired'")) ending = true;
    if (lost || !ending || when !== 'after' || !/^commit$/i.test(text)) return;
    lost = true;
    throw new Error('Connection terminated unexpectedly');
  });
  const hooked = { db: openDatabase(pool), url: database.url };
  const first = await runWorker(hooked, 'fast-expiry-cleanup', { batchMax: 100 });
  await pool.end();
  expect(first).toMatchObject({ outcome: 'failed', changed: 25n, detail: { ended: 25 } });
  const second = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 100 });
  expect(second).toMatchObject({ outcome: 'degraded', changed: 0n });
});

test('a quarantined subscription that expires leaves quarantine', async () => {
  await using database = await createDatabase({ now: start });
  await createShop(database);
  const id = await createSubscriber(database, 1n, 0n);
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, attempts, retry_at, first_seen_at)
    VALUES ('fast-expiry-cleanup', ${id.toString()}, 'test', 5, ${end}, ${start})`.execute(
    database.db,
  );
  await database.setClock(end);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({ state: 'expired' });
  const { rows } = await sql`SELECT FROM perennial.quarantine`.execute(database.db);
  expect(rows).toEqual([]);
});
