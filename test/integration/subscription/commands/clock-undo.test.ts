import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { undoClock } from '../../../../src/subscription/commands/clock-undo.ts';
import {
  readEarlyCharges,
  readEarlyEnds,
} from '../../../../src/subscription/store/clock-effects.ts';
import { readSettings } from '../../../../src/subscription/store/settings.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import {
  buyPlan,
  createCaller,
  createShopWithTrial,
  createSubscriber,
  createSubscribers,
  runWorker,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
const correctedAt = '2026-11-01T00:02:00Z';

async function readEffects({ db }: TestDatabase) {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return { charges: await readEarlyCharges(db, now, windowMs), ends: await readEarlyEnds(db, now) };
}

/** What customers have: balance, state, end, credential that is live. */
async function readState({ db }: TestDatabase) {
  const { rows } = await sql`
    SELECT c.id, c.balance_minor, s.state, s.expires_at, k.id AS live
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    LEFT JOIN perennial.credential k ON k.subscription_id = s.id AND k.retired_at IS NULL
    ORDER BY c.id, s.id`.execute(db);
  return rows;
}

test.each([
  ['a month', '2026-12-05T00:00:00Z'],
  ['a year', '2027-11-01T00:00:00Z'],
])(
  'K10: after a jump of %s the effects are listed, and one command undoes them',
  async (_, jumped) => {
    await using books = await createDatabase({ now: start });
    await createShopWithTrial(books);
    await createSubscribers(books, { count: 40, endsAt: '2026-11-20T00:00:00Z', balanceMinor: 0n });
    await sql`
      UPDATE perennial.subscription SET remind_at = expires_at - interval '3 days'`.execute(
      books.db,
    );
    await sql`
      UPDATE perennial.customer SET balance_minor = 44700 WHERE id % 2 = 0`.execute(books.db);
    await sql`
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'o:' || id, created_at
      FROM perennial.customer WHERE balance_minor > 0`.execute(books.db);
    const before = await readState(books);
    expect(await readEffects(books)).toEqual({ charges: [], ends: [] });

    await books.setClock(jumped);
    await runWorker(books, 'auto-renewal');
    await runWorker(books, 'fast-expiry-cleanup');
    await books.setClock(correctedAt);
    await runWorker(books, 'auto-renewal');
    const found = await readEffects(books);
    expect(found.ends).toHaveLength(5);
    expect(new Set(found.charges.map((one) => one.telegramId)).size).toBe(20);

    const customers = new Set([...found.charges, ...found.ends].map((one) => one.telegramId));
    for (const customer of customers) await undoClock(createCaller(books), customer);
    expect(await readState(books)).toEqual(before);
    expect(await readEffects(books)).toEqual({ charges: [], ends: [] });
    expect(await findViolations(books.db)).toEqual([]);

    const [again] = customers;
    expect(await undoClock(createCaller(books), again as bigint)).toMatchObject({
      refunded_periods: 0,
      restored: 0,
    });
    // The audit states only that the append-only records of the jump are dated into the future.
    const { checks } = await runAudit(books.db);
    const wrong = checks.filter((one) => one.violations > 0n).map(({ id }) => id);
    expect(wrong.filter((id) => !id.includes('future'))).toEqual([]);
  },
  60_000,
);

/** The notifications of the customers, with their state, in order. */
async function readNotices({ db }: TestDatabase): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    SELECT kind || ' ' || state AS text FROM perennial.notification
    WHERE customer_id IS NOT NULL ORDER BY id`.execute(db);
  return rows.map(({ text }) => text);
}

test('K10: a restored subscription is notified of, and its reminders and its end come again at their times', async () => {
  await using books = await createDatabase({ now: '2026-11-01T00:00:00Z' });
  await createShopWithTrial(books);
  await createSubscribers(books, { count: 1, endsAt: '2026-11-20T12:00:00Z', balanceMinor: 0n });
  await sql`UPDATE perennial.subscription SET auto_renew = false,
    remind_at = '2026-11-17T12:00:00Z'`.execute(books.db);
  // The clock runs ahead to the last hours, and then past the end.
  for (const jumped of ['2026-11-19T13:00:00Z', '2026-11-20T11:00:00Z']) {
    await books.setClock(jumped);
    await runWorker(books, 'expiry-reminders');
    await runWorker(books, 'deliver-notifications');
  }
  await books.setClock('2026-11-21T00:00:00Z');
  await runWorker(books, 'fast-expiry-cleanup');
  await runWorker(books, 'deliver-notifications');
  const early = ['ends_24h sent', 'ends_3h sent', 'expired sent'];
  expect(await readNotices(books)).toEqual(early);

  await books.setClock('2026-11-01T00:02:00Z');
  await runWorker(books, 'raise-alarms');
  const [customer] = (await readEffects(books)).ends;
  await undoClock(createCaller(books), customer?.telegramId as bigint);
  await runWorker(books, 'deliver-notifications');
  expect(await readNotices(books)).toEqual([...early, 'restored sent']);

  const times = ['11-17T12:00', '11-19T12:00', '11-20T09:00', '11-20T12:01'];
  for (const time of times) {
    await books.setClock(`2026-${time}:00Z`);
    for (const worker of ['expiry-reminders', 'fast-expiry-cleanup', 'deliver-notifications'])
      await runWorker(books, worker);
  }
  expect((await readNotices(books)).slice(early.length)).toEqual([
    'restored sent',
    'ends_3d sent',
    'ends_24h sent',
    'ends_3h sent',
    'expired sent',
  ]);
});

test('K10: the notification of an early end that was not sent yet is not sent after the reversal', async () => {
  await using books = await createDatabase({ now: '2026-11-01T00:00:00Z' });
  await createShopWithTrial(books);
  await createSubscribers(books, { count: 1, endsAt: '2026-11-20T12:00:00Z', balanceMinor: 0n });
  await books.setClock('2026-11-21T00:00:00Z');
  await runWorker(books, 'fast-expiry-cleanup');
  await books.setClock('2026-11-01T00:02:00Z');
  const [customer] = (await readEffects(books)).ends;
  await undoClock(createCaller(books), customer?.telegramId as bigint);
  expect(await readNotices(books)).toEqual(['expired suppressed', 'restored pending']);
});

test('K10: an early charge that a purchase follows is left, and the list names that purchase', async () => {
  await using books = await createDatabase({ now: start });
  await createShopWithTrial(books);
  await createSubscriber(books, 1n, 298_00n); // Ends on 1 December.
  await createSubscriber(books, 2n, 298_00n);
  await books.setClock('2026-12-01T00:00:00Z');
  await runWorker(books, 'auto-renewal');
  await buyPlan(books, 1n);
  await books.setClock(correctedAt);
  await runWorker(books, 'raise-alarms');
  const { charges } = await readEffects(books);
  const { rows } = await sql<{ id: bigint }>`
    SELECT max(id) AS id FROM perennial.period WHERE source = 'purchase'`.execute(books.db);
  expect(charges.map(({ telegramId, followedBy }) => [telegramId, followedBy])).toEqual([
    [1n, rows[0]?.id],
    [2n, null],
  ]);
  for (const one of [1n, 2n]) await undoClock(createCaller(books), one);
  const left = await readEffects(books);
  expect(left.charges.map(({ telegramId }) => telegramId)).toEqual([1n]);
});
