import { expect, test } from 'vitest';
import { setPrice } from '../../../../src/catalog/apply.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { hourMs, later, minuteMs } from '../../../../src/kernel/instant.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { acceptRows, refuseRows } from '../../../support/faults.ts';
import {
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  expectSubscription,
  parseTime,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// Renewals in quarantine by our own fault: a trigger refuses the periods of renewals.

const start = '2026-11-01T00:00:00Z';
const end = parseTime('2026-12-01T00:00:00Z');

/** @param customers a condition on the new period */
const refuseRenewals = (database: TestDatabase, customers: string) =>
  refuseRows(database, 'INSERT ON perennial.period', `NEW.source = 'renewal' AND ${customers}`);

/** Both workers, each 30 minutes, as a service runs them, in the order that is worse for access. */
async function passTime(database: TestDatabase, fromMs: number, toMs: number): Promise<void> {
  for (let ms = fromMs; ms <= toMs; ms += 30 * minuteMs) {
    await runWorkerAt(database, later(end, ms), 'fast-expiry-cleanup');
    await runWorker(database, 'auto-renewal');
    const rows = await database.query`
      SELECT q.retry_at, s.expires_at FROM perennial.quarantine q
      JOIN perennial.subscription s ON s.id = q.item::bigint
      WHERE q.worker = 'auto-renewal' AND q.retry_at > s.expires_at + interval '24 hours'`;
    expect(rows).toEqual([]);
  }
}

test('F10 R19: a fault that is repaired within the grace costs no customer with enough balance the access', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 149_00n);
  await refuseRenewals(database, 'true');
  await passTime(database, -6 * hourMs, 10 * hourMs);
  await expectSubscription(database, id, { state: 'active', quarantined: true });
  await acceptRows(database);
  await passTime(database, 10.5 * hourMs, 26 * hourMs);
  await expectSubscription(database, id, {
    state: 'active',
    charges: 2,
    quarantined: false,
    ends: '2026-12-31T00:00:00Z',
  });
  expect(await findViolations(database.db)).toEqual([]);
}, 120_000);

const changes: readonly (readonly [string, (database: TestDatabase) => Promise<unknown>])[] = [
  ['a purchase', (database) => buyPlan(database, 1n)],
  ['a grant', (database) => grant(createCaller(database), { telegramId: 1n, days: 3 })],
  [
    'a price of the plan',
    ({ db }) =>
      inTransaction(db, async (tx) => {
        const now = await readClock(tx);
        const price = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 99_00n };
        await setPrice(tx, price, now, now);
      }),
  ],
  [
    'a change of plan',
    (database) =>
      changePlan(createCaller(database), {
        telegramId: 1n,
        plan: 'mini',
        periodDays: 30,
        when: 'next',
      }),
  ],
];

test.each(changes)('R19: %s releases a renewal from quarantine at once', async (_, change) => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 500_00n);
  await refuseRenewals(database, 'true');
  await runWorkerAt(database, later(end, -hourMs), 'auto-renewal');
  await expectSubscription(database, id, { quarantined: true });
  await change(database);
  await expectSubscription(database, id, { quarantined: false });
});

test('R20: with 300 failing of 3,000 the good ones are renewed in one run, and old failures delay no new ones', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscribers(database, {
    count: 3_000,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
    together: 3_000,
  });
  await refuseRenewals(database, 'NEW.customer_id % 10 = 0');
  const readState = async () => {
    const rows = await database.query<{ renewed: number; quarantined: number; tried: number }>`
      SELECT (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal') AS renewed,
        count(*)::int AS quarantined, coalesce(sum(attempts), 0)::int AS tried
      FROM perennial.quarantine`;
    return rows[0];
  };
  const first = await runWorkerAt(database, later(end, -5 * hourMs), 'auto-renewal');
  expect(first).toMatchObject({ outcome: 'failed', detail: { code: 'too_many_failures' } });
  expect(await readState()).toEqual({ renewed: 2_700, quarantined: 50, tried: 50 });
  // When the first 50 are due again, 50 new ones go to quarantine as well.
  await runWorkerAt(database, later(end, -4 * hourMs), 'auto-renewal');
  expect(await readState()).toEqual({ renewed: 2_700, quarantined: 100, tried: 150 });
}, 180_000);

test('R20: when a fault is repaired, a run renews all items in quarantine whose retry is due', async () => {
  await using database = await createShopDatabase({ now: start });
  const endsAt = '2026-12-01T00:00:00Z';
  await createSubscribers(database, { count: 120, endsAt, balanceMinor: 149_00n });
  await refuseRenewals(database, 'true');
  await database.setClock(later(end, -5 * hourMs));
  for (let n = 0; n < 3; n += 1) await runWorker(database, 'auto-renewal');
  await acceptRows(database);
  expect(await runWorkerAt(database, later(end, -4 * hourMs), 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 120n,
  });
  const one = 7n as SubscriptionId;
  await expectSubscription(database, one, { charges: 1, quarantined: false });
}, 120_000);
