import { expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { undoClock } from '../../../../src/subscription/commands/clock-undo.ts';
import {
  readEarlyCharges,
  readEarlyEnds,
} from '../../../../src/subscription/store/clock-effects.ts';
import { readSettings } from '../../../../src/subscription/store/settings.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import {
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
const correctedAt = '2026-11-01T00:02:00Z';

async function readEffects({ db }: TestDatabase) {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return { charges: await readEarlyCharges(db, now, windowMs), ends: await readEarlyEnds(db, now) };
}

/** The state of the customers: balance, state, end, live credential. */
async function readState({ query }: TestDatabase) {
  const rows = await query`
    SELECT c.id, c.balance_minor, s.state, s.expires_at, k.id AS live
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    LEFT JOIN perennial.credential k ON k.subscription_id = s.id AND k.retired_at IS NULL
    ORDER BY c.id, s.id`;
  return rows;
}

test.each([
  ['a month', '2026-12-05T00:00:00Z'],
  ['a year', '2027-11-01T00:00:00Z'],
])(
  'K10: after a jump of %s the effects are listed, and one command undoes them',
  async (_, jumped) => {
    await using database = await createShopDatabase({ now: start });
    await createSubscribers(database, {
      count: 40,
      endsAt: '2026-11-20T00:00:00Z',
      balanceMinor: 0n,
    });
    await database.query`
      UPDATE perennial.subscription SET remind_at = expires_at - interval '3 days'`;
    await database.query`UPDATE perennial.customer SET balance_minor = 44700 WHERE id % 2 = 0`;
    await database.query`
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'o:' || id, created_at
      FROM perennial.customer WHERE balance_minor > 0`;
    const before = await readState(database);
    expect(await readEffects(database)).toEqual({ charges: [], ends: [] });

    await runWorkerAt(database, jumped, 'auto-renewal');
    await runWorker(database, 'fast-expiry-cleanup');
    await runWorkerAt(database, correctedAt, 'auto-renewal');
    const found = await readEffects(database);
    expect(found.ends).toHaveLength(5);
    expect(new Set(found.charges.map((one) => one.telegramId)).size).toBe(20);

    const customers = new Set([...found.charges, ...found.ends].map((one) => one.telegramId));
    for (const customer of customers) await undoClock(createCaller(database), customer);
    expect(await readState(database)).toEqual(before);
    expect(await readEffects(database)).toEqual({ charges: [], ends: [] });
    expect(await findViolations(database.db)).toEqual([]);

    const [again] = customers;
    expect(await undoClock(createCaller(database), again as bigint)).toMatchObject({
      refunded_periods: 0,
      restored: 0,
    });
    // The audit reports only that the append-only records of the jump have times in the future.
    const { checks } = await runAudit(database.db);
    const wrong = checks.filter((one) => one.violations > 0n).map(({ id }) => id);
    expect(wrong.filter((id) => !id.includes('future'))).toEqual([]);
  },
  60_000,
);

/** The notifications of the customers, with their state, in order. */
async function readNotices({ query }: TestDatabase): Promise<string[]> {
  const rows = await query<{ text: string }>`
    SELECT kind || ' ' || state AS text FROM perennial.notification
    WHERE customer_id IS NOT NULL ORDER BY id`;
  return rows.map(({ text }) => text);
}

test('K10: the customer is notified of a restored subscription, and gets its reminders and its end at their times', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscribers(database, { count: 1, endsAt: '2026-11-20T12:00:00Z', balanceMinor: 0n });
  await database.query`UPDATE perennial.subscription SET auto_renew = false,
    remind_at = '2026-11-17T12:00:00Z'`;
  // The clock runs ahead to the last hours, and then past the end.
  for (const jumped of ['2026-11-19T13:00:00Z', '2026-11-20T11:00:00Z']) {
    await runWorkerAt(database, jumped, 'expiry-reminders');
    await runWorker(database, 'deliver-notifications');
  }
  await runWorkerAt(database, '2026-11-21T00:00:00Z', 'fast-expiry-cleanup');
  await runWorker(database, 'deliver-notifications');
  const early = ['ends_24h sent', 'ends_3h sent', 'expired sent'];
  expect(await readNotices(database)).toEqual(early);

  await runWorkerAt(database, '2026-11-01T00:02:00Z', 'raise-alarms');
  const [customer] = (await readEffects(database)).ends;
  await undoClock(createCaller(database), customer?.telegramId as bigint);
  await runWorker(database, 'deliver-notifications');
  expect(await readNotices(database)).toEqual([...early, 'restored sent']);

  const times = ['11-17T12:00', '11-19T12:00', '11-20T09:00', '11-20T12:01'];
  for (const time of times) {
    await database.setClock(`2026-${time}:00Z`);
    for (const worker of ['expiry-reminders', 'fast-expiry-cleanup', 'deliver-notifications'])
      await runWorker(database, worker);
  }
  expect((await readNotices(database)).slice(early.length)).toEqual([
    'restored sent',
    'ends_3d sent',
    'ends_24h sent',
    'ends_3h sent',
    'expired sent',
  ]);
});

test('K10: a pending notification of an early end is not sent after the reversal', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscribers(database, { count: 1, endsAt: '2026-11-20T12:00:00Z', balanceMinor: 0n });
  await runWorkerAt(database, '2026-11-21T00:00:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-11-01T00:02:00Z');
  const [customer] = (await readEffects(database)).ends;
  await undoClock(createCaller(database), customer?.telegramId as bigint);
  expect(await readNotices(database)).toEqual(['expired suppressed', 'restored pending']);
});

test('K10: an early charge stays if a purchase follows it, and the list names that purchase', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 298_00n); // Ends on 1 December.
  await createSubscriber(database, 2n, 298_00n);
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'auto-renewal');
  await buyPlan(database, 1n);
  await runWorkerAt(database, correctedAt, 'raise-alarms');
  const { charges } = await readEffects(database);
  const rows = await database.query<{ id: bigint }>`
    SELECT max(id) AS id FROM perennial.period WHERE source = 'purchase'`;
  expect(charges.map(({ telegramId, followedBy }) => [telegramId, followedBy])).toEqual([
    [1n, rows[0]?.id],
    [2n, null],
  ]);
  for (const one of [1n, 2n]) await undoClock(createCaller(database), one);
  const left = await readEffects(database);
  expect(left.charges.map(({ telegramId }) => telegramId)).toEqual([1n]);
});
