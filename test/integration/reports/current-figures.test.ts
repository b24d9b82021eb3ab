import { expect, test } from 'vitest';
import type { Db } from '../../../src/db/connect.ts';
import { readMrrMetrics, readRecentMetrics } from '../../../src/reports/current-figures.ts';
import { explain, recordStatements } from '../../../testbed/explain.ts';
import { corrupt } from '../../support/corruption.ts';
import { createDatabase } from '../../support/database.ts';
import {
  addCustomer,
  createShopDatabase,
  createSubscriber,
  runAutoRenewal,
} from '../../support/shop.ts';

const readValues = async (db: Db) => {
  const metrics = [...(await readRecentMetrics(db)), ...(await readMrrMetrics(db))];
  return Object.fromEntries(
    metrics.map(({ name, values }) => [name, values.map(({ of, value }) => ({ ...of, value }))]),
  );
};

test('a renewal is late until auto-renewal has tried it, and then short', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  await createSubscriber(database, 7n, 0n);
  await database.setClock('2026-12-01T10:00:00Z');
  expect(await readValues(database.db)).toMatchObject({
    perennial_renewals_late: [{ value: 1 }],
    perennial_renewals_short: [{ value: 0 }],
  });
  await runAutoRenewal(database);
  expect(await readValues(database.db)).toEqual({
    perennial_renewals_late: [{ value: 0 }],
    perennial_renewals_short: [{ value: 1 }],
    perennial_held: [],
    // The period is over, and nothing was paid or charged for a day.
    perennial_collected_amount: [],
    perennial_charged_amount: [],
    perennial_mrr_amount: [],
  });
});

test('the items that a guard held in the last run are a gauge of its worker', async () => {
  await using database = await createDatabase({ now: '2026-11-01T09:00:00Z' });
  await database.pool.query(`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
      outcome, detail)
    VALUES ('fast-expiry-cleanup', 'r', 1, perennial.clock(), perennial.clock(), 'success',
      '{"held": 3, "held_charges": 2}')`);
  expect(await readValues(database.db)).toMatchObject({
    perennial_held: [{ worker: 'fast-expiry-cleanup', value: 5 }],
  });
});

test('after a confirmed run nothing is held, also if its record does not count held items', async () => {
  await using database = await createDatabase({ now: '2026-11-01T09:00:00Z' });
  const addRun = (outcome: string, detail: string) =>
    database.pool.query(
      `INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
        outcome, detail)
      VALUES ('auto-renewal', 'r', 1, perennial.clock(), perennial.clock(), $1, $2)`,
      [outcome, detail],
    );
  const readHeld = async () => (await readValues(database.db)).perennial_held;
  await addRun('degraded', '{"held": 3}');
  await addRun('skipped', '{"reason": "a jump"}');
  expect(await readHeld()).toEqual([{ worker: 'auto-renewal', value: 3 }]);
  await addRun('success', '{"renewed": 3, "confirmed": 3}');
  expect(await readHeld()).toEqual([{ worker: 'auto-renewal', value: 0 }]);
});

test('money of the last day is read by the index over time, not from the whole ledger', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  await addCustomer(database, 7n);
  await corrupt(
    database.url,
    `INSERT INTO ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
       idempotency_key, created_at)
     SELECT c.id, 1, n, 'top_up', 'top_up:' || n, clock() - (100000 - n) * interval '1 minute'
     FROM customer c, generate_series(1, 100000) n;
     SELECT brin_summarize_new_values('ledger_entry_time');
     ANALYZE ledger_entry`,
  );
  const { db, statements } = recordStatements(database.pool);
  const metrics = await readRecentMetrics(db);
  const collected = metrics.find(({ name }) => name === 'perennial_collected_amount');
  // 1,440 entries of 0.01, which are younger than a day.
  expect(collected?.values).toEqual([{ of: { currency: 'RUB' }, value: 14.4 }]);
  const money = statements.filter(({ sql }) => sql.includes('ledger_entry'));
  const [read] = await explain(database.pool, money);
  expect(read?.reads).toContain('ledger_entry_time');
  expect(read?.reads).not.toContain('Seq Scan ledger_entry');
});
