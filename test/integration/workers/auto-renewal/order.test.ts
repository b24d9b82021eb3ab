import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createShopDatabase,
  runWorkerAt,
  setPrice,
} from '../../../support/shop.ts';

test('R11: a short subscription that became cheaper is paid before one that ends later', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  const { db } = database;
  await addCustomer(database, 1n, { balanceMinor: 159_00n });
  const sooner = await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-11-01T12:00:00Z');
  const late = await buyPlan(database, 1n, { isNew: true, plan: 'mini' });
  await addBalance(database, 1n, 100_00n);

  // Short of 149.00 at first. The hour passes, the price falls, and the later subscription becomes
  // due.
  await runWorkerAt(database, '2026-12-01T04:30:00Z', 'auto-renewal');
  await setPrice(database, 'basic', 30, 100_00n, 'RUB', '2026-12-01T05:00:00Z');
  await runWorkerAt(database, '2026-12-01T06:00:00Z', 'auto-renewal');

  const { rows } = await sql<{ id: bigint; renewed: bigint }>`
    SELECT subscription_id AS id, count(*) FILTER (WHERE source = 'renewal') AS renewed
    FROM perennial.period GROUP BY subscription_id ORDER BY subscription_id`.execute(db);
  expect(rows).toEqual([
    { id: sooner, renewed: 1n },
    { id: late, renewed: 0n },
  ]);
});
