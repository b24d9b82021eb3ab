import { expect, test } from 'vitest';
import { openDatabase } from '../../../src/db/connect.ts';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { previewWorker } from '../../../src/runs/preview.ts';
import type { Preview } from '../../../src/runs/worker.ts';
import { autoRenewal } from '../../../src/workers/auto-renewal/worker.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  createShopDatabase,
  createSubscribers,
  expectSubscription,
  readChargeCounts,
  runWorker,
  runWorkerAt,
  type SubscriberBatch,
} from '../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
const price = 149_00n;

/** The ends begin at the start of December, with `together` of them in each second. */
async function createOperator(more: Partial<SubscriberBatch> = {}): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  const endsAt = '2026-12-01T00:00:00Z';
  await createSubscribers(database, {
    count: 300,
    endsAt,
    balanceMinor: price,
    together: 300,
    ...more,
  });
  return database;
}

test.each([
  ['due for the first time', '2026-11-30T18:00:00Z'],
  ['within renewal.window', '2026-11-30T21:00:00Z'],
  ['ended less than an hour ago', '2026-12-01T00:59:59Z'],
])('R18: 300 charges of one time that are %s are all made', async (_, now) => {
  await using database = await createOperator();
  const run = await runWorkerAt(database, now, 'auto-renewal');
  expect(run).toMatchObject({ outcome: 'success', changed: 300n });
});

test('R18: a clock that jumped charges at most 100 of 300 in an hour, by both workers', async () => {
  await using database = await createOperator();
  const run = await runWorkerAt(database, '2026-12-11T00:00:00Z', 'auto-renewal', { batchMax: 40 });
  expect(run).toMatchObject({ outcome: 'degraded', changed: 100n, detail: { held: 200 } });
  const expiry = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 40 });
  expect(expiry).toMatchObject({ outcome: 'degraded', detail: { ended: 0, held_charges: 200 } });
  await runWorker(database, 'auto-renewal');
  const alarms = ['alarm_money_guard 200'];
  expect(await readChargeCounts(database)).toEqual({ active: 300, charges: 100, alarms });
  // Renewals by expiry count as well. After an hour the next part is admitted.
  await runWorkerAt(database, '2026-12-11T01:00:01Z', 'fast-expiry-cleanup');
  await runWorker(database, 'auto-renewal');
  expect(await readChargeCounts(database)).toMatchObject({ active: 300, charges: 200 });
});

test('R18: a tenth of the active is charged if that is more than 100', async () => {
  await using database = await createOperator({ count: 1_300, together: 1_300 });
  const run = await runWorkerAt(database, '2026-12-11T00:00:00Z', 'auto-renewal');
  expect(run).toMatchObject({ changed: 130n, detail: { held: 1_170, late_charges: 130 } });
});

test('R18: `--confirm` makes the charges that the guard holds, and leaves the limit of the next hour', async () => {
  await using database = await createOperator();
  expect(
    await runWorkerAt(database, '2026-12-11T00:00:00Z', 'fast-expiry-cleanup', { confirmed: true }),
  ).toMatchObject({ detail: { ended: 0, renewed: 100, held_charges: 200 } });
  const run = await runWorker(database, 'auto-renewal', { confirmed: true });
  expect(run).toMatchObject({ outcome: 'success', changed: 200n, detail: { confirmed: 200 } });
  await runWorkerAt(database, '2026-12-11T00:01:00Z', 'raise-alarms');
  const { alarms = [] } = (await readChargeCounts(database)) ?? {};
  expect(alarms).toHaveLength(2);
});

test('R18: runs that a wrong clock dated into the future use up the limit for an hour at most', async () => {
  await using database = await createOperator();
  expect(await runWorkerAt(database, '2027-11-01T00:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 100n,
  });
  expect(await runWorkerAt(database, '2026-12-01T02:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 0n,
  });
  expect(await runWorkerAt(database, '2026-12-01T03:00:01Z', 'auto-renewal')).toMatchObject({
    changed: 100n,
  });
});

test('R18: after a held charge nothing else of this customer is charged, notified or ended', async () => {
  await using database = await createOperator({ together: 1 });
  // The last customer has another subscription that ends later and would expire.
  await database.query`
    WITH again AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT customer_id, 'paid', 'basic', 30, 'active', '2026-11-11T01:00:00Z',
        '2026-12-11T01:00:00Z' FROM perennial.subscription ORDER BY id DESC LIMIT 1
      RETURNING id, customer_id, plan, started_at, expires_at)
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB' FROM again`;
  await runWorkerAt(database, '2026-12-11T00:00:00Z', 'auto-renewal');
  const id = 301n as SubscriptionId;
  await expectSubscription(database, id, { balance: 149_00, lowBalanceNotices: 0 });
  await runWorkerAt(database, '2026-12-11T01:00:00Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'active', balance: 149_00 });
});

test('R18: a preview shows the charges that the guard holds, and locks nothing', async () => {
  await using database = await createOperator();
  await database.setClock('2026-12-11T00:00:00Z');
  const shown: Preview[] = [];
  const context = {
    db: openDatabase(database.pool),
    batchMax: 40,
    signal: new AbortController().signal,
  };
  await previewWorker(autoRenewal, context, (preview) => shown.push(preview));
  const count = (outcome: string) => shown.filter((one) => one.outcome === outcome).length;
  expect([count('renew'), count('hold-charge')]).toEqual([100, 200]);
  await previewWorker(autoRenewal, { ...context, confirmed: true }, (preview) =>
    shown.push(preview),
  );
  expect(count('renew')).toBe(400);
});
