import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { setPrice } from '../../../src/catalog/apply.ts';
import { inTransaction, openDatabase } from '../../../src/db/connect.ts';
import {
  dayMs,
  hourMs,
  type Instant,
  isoTime,
  later,
  minuteMs,
} from '../../../src/kernel/instant.ts';
import { previewWorker } from '../../../src/runs/preview.ts';
import type { Preview } from '../../../src/runs/worker.ts';
import { readCustomerView } from '../../../src/subscription/queries/customer-view.ts';
import { autoRenewal } from '../../../src/workers/auto-renewal/worker.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  addBalance,
  createShopDatabase,
  createSubscribers,
  firstSubscriber,
  parseTime,
  readChargeCounts,
  runWorker,
} from '../../support/shop.ts';

// The spend guard with a stored forecast: runs and charges that are far larger than expected.

const start = parseTime('2026-11-01T00:00:00Z');
const price = 149_00n;

/** `count` customers whose months end one after the other, from 6 hours after the start on. */
async function createCustomersEnding(
  count: number,
  everyMs: number,
  balanceMinor = 12n * price,
): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  await createSubscribers(database, { count, endsAt: isoTime(later(start, dayMs)), balanceMinor });
  await moveEnds(database, later(start, 6 * hourMs), everyMs);
  return database;
}

/** Lets the subscriptions end at equal distances. */
async function moveEnds({ db }: TestDatabase, first: Instant, everyMs: number): Promise<void> {
  await inTransaction(db, async (tx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(tx);
    const toEnd = (id: string) => sql`${isoTime(first)}::timestamptz
      + ${everyMs} * interval '1 ms' * (${sql.raw(id)} - 1)`;
    await sql`
      UPDATE perennial.subscription SET expires_at = ${toEnd('id')},
        started_at = ${toEnd('id')} - interval '30 days'`.execute(tx);
    await sql`
      UPDATE perennial.period SET ends_at = ${toEnd('subscription_id')},
        starts_at = ${toEnd('subscription_id')} - interval '30 days'`.execute(tx);
  });
}

/** The reason that the next charge of a customer states; undefined: the guard does not hold it. */
async function readHoldReason({ db }: TestDatabase, telegramId: bigint) {
  const { next_charge } = await readCustomerView(db, telegramId, 0);
  const { code, params } = next_charge.reason;
  return code === 'held_by_guard' ? params.reason : undefined;
}

test('G2: a clock that jumped ahead by a day charges no customer, by either worker', async () => {
  await using database = await createCustomersEnding(2_400, hourMs / 10);
  await runWorker(database, 'store-forecast');
  await runWorker(database, 'auto-renewal');
  const before = await readChargeCounts(database);
  expect(before).toMatchObject({ active: 2_400, charges: 1 });
  const jumped = later(start, dayMs);
  await database.setClock(jumped);
  // The service also stores a forecast at the wrong time. It does not expect the backlog.
  await runWorker(database, 'store-forecast');
  expect(await runWorker(database, 'auto-renewal', { batchMax: 50 })).toMatchObject({
    outcome: 'degraded',
    changed: 0n,
    detail: { held: 240, renewed: 0 },
  });
  const expiry = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 50 });
  expect(expiry).toMatchObject({ changed: 0n, detail: { ended: 0, held_charges: 180 } });
  expect(await readChargeCounts(database)).toEqual({
    ...before,
    alarms: ['alarm_money_guard 240'],
  });
  expect(await readHoldReason(database, 1_000_100n)).toBe('run');
  // The next regular run holds them as well, until a person confirms.
  await database.setClock(later(jumped, hourMs / 6));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 0n });
  const confirmed = await runWorker(database, 'auto-renewal', { confirmed: true });
  expect(confirmed).toMatchObject({ outcome: 'success', changed: 241n });
  expect(await readChargeCounts(database)).toMatchObject({ active: 2_400, charges: 242 });
});

test('G2: a run that is ten times too large charges no customer, and the next one of usual size does', async () => {
  await using database = await createCustomersEnding(1_500, hourMs / 180);
  await runWorker(database, 'store-forecast');
  // 30 become due in ten minutes. A wrong change lets ten times as many end.
  await database.setClock(later(start, hourMs / 6));
  await moveEnds(database, later(start, 6 * hourMs), hourMs / 1_800);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    changed: 0n,
    detail: { held: 301 },
  });
  expect(await readChargeCounts(database)).toMatchObject({ alarms: ['alarm_money_guard 301'] });
  await moveEnds(database, later(start, 6 * hourMs), hourMs / 180);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 31n,
  });
});

const createPriceSetter =
  ({ db }: TestDatabase) =>
  (amountMinor: bigint, at: Instant) =>
    inTransaction(db, (tx) =>
      setPrice(tx, { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor }, at, at),
    );

test('G2: a price ten times too high charges no customer, and the corrected price does', async () => {
  await using database = await createCustomersEnding(20, 1);
  await runWorker(database, 'store-forecast');
  const setBasic = createPriceSetter(database);
  await setBasic(10n * price, start);
  expect(await readHoldReason(database, 1_000_001n)).toBe('price');
  await database.setClock(later(start, hourMs));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    changed: 0n,
    detail: { held: 20 },
  });
  await database.setClock(later(start, 7 * hourMs));
  expect(await runWorker(database, 'fast-expiry-cleanup')).toMatchObject({
    changed: 0n,
    detail: { held_charges: 20 },
  });
  expect(await readChargeCounts(database)).toMatchObject({ active: 20, charges: 0 });
  await setBasic(3n * price, later(start, 7 * hourMs));
  expect(await readHoldReason(database, 1_000_001n)).toBe(undefined);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 20n });
});

test('G2: a price four times higher is held for 7 days', async () => {
  await using database = await createCustomersEnding(20, 1);
  await createPriceSetter(database)(4n * price, start);
  for (const [afterMs, held, changed] of [
    [hourMs, 20, 0n],
    [7 * dayMs - 1, 20, 0n],
    [7 * dayMs, undefined, 20n],
  ] as const) {
    await database.setClock(later(start, afterMs));
    const run = await runWorker(database, 'auto-renewal');
    expect([run.changed, run.detail.held]).toEqual([changed, held]);
  }
});

test('G2: 300 payments at once for charges that were short at their time are no false hold', async () => {
  await using database = await createCustomersEnding(300, 1, 0n);
  await runWorker(database, 'store-forecast');
  for (const minutes of [0, 10, 20]) {
    await database.setClock(later(start, minutes * minuteMs + 1_000));
    await runWorker(database, 'auto-renewal');
  }
  await database.setClock(later(start, 25 * minuteMs));
  for (let n = 0n; n < 300n; n += 1n) await addBalance(database, firstSubscriber + n, price);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 300n,
  });
});

test('G2: subscriptions that are newer than the forecast are renewed', async () => {
  await using database = await createShopDatabase({ now: start });
  await runWorker(database, 'store-forecast');
  await createSubscribers(database, {
    ...{ count: 1_000, endsAt: isoTime(later(start, hourMs)), balanceMinor: price },
  });
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 1_000n });
});

test('G2: a preview states why the guard holds a charge', async () => {
  await using database = await createCustomersEnding(2_400, hourMs / 10);
  await runWorker(database, 'store-forecast');
  await database.setClock(later(start, dayMs));
  const shown: Preview[] = [];
  const context = {
    db: openDatabase(database.pool),
    batchMax: 100,
    signal: new AbortController().signal,
  };
  await previewWorker(autoRenewal, context, (preview) => shown.push(preview));
  const held = shown.filter(({ outcome }) => outcome === 'hold-charge');
  expect(held).toHaveLength(241);
  expect(held[0]?.sentence).toContain('the run has more charges than the forecast permits');
});

test('G2: with other limits in the configuration a smaller run is held', async () => {
  await using database = await createCustomersEnding(240, hourMs / 10);
  const money = { top_up_max: '1', claims: true, spend_floor: 20, spend_factor: 2 };
  await sql`
    INSERT INTO perennial.setting (key, value)
    VALUES ('money', ${JSON.stringify(money)}::jsonb)`.execute(database.db);
  await runWorker(database, 'store-forecast');
  await database.setClock(later(start, 6 * hourMs));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 0n });
});

test('G2: without a stored forecast a run is not held, and after 3 days without one 100 charges are made', async () => {
  await using database = await createCustomersEnding(300, 1);
  await database.setClock(later(start, 2 * hourMs));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 300n });
  await runWorker(database, 'store-forecast');
  await database.setClock(later(start, 30 * dayMs + hourMs));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    changed: 0n,
    detail: { held: 300 },
  });
});

test('G2: the first forecast expects the charges that are due already', async () => {
  await using database = await createCustomersEnding(300, 1);
  await database.setClock(later(start, 2 * hourMs));
  await runWorker(database, 'store-forecast');
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 300n });
});

test('G2: a year with 300 of 1,000 customers at one time each month has no false hold', {
  timeout: 300_000,
}, async () => {
  await using database = await createCustomersEnding(1_000, (30 * dayMs) / 700, 20n * price);
  // The last 300 end together.
  await inTransaction(database.db, async (tx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(tx);
    await sql`
      UPDATE perennial.subscription SET expires_at = ${isoTime(later(start, 30 * dayMs))}
      WHERE id > 700`.execute(tx);
    await sql`
      UPDATE perennial.period SET ends_at = ${isoTime(later(start, 30 * dayMs))}
      WHERE subscription_id > 700`.execute(tx);
  });
  let charges = 0n;
  for (let day = 0; day < 365; day += 1) {
    for (const hour of [0, 6, 12, 18]) {
      await database.setClock(later(start, day * dayMs + hour * hourMs));
      if (hour === 0) await runWorker(database, 'store-forecast');
      const run = await runWorker(database, 'auto-renewal');
      expect(run, `day ${day}, hour ${hour}`).toMatchObject({ outcome: 'success' });
      charges += run.changed;
    }
  }
  expect(charges).toBeGreaterThan(12_000n);
});
