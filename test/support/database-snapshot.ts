import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { type Customer, toCanonical } from './customer-model.ts';
import { readCustomerRows, toModelCustomer } from './customer-rows.ts';
import { findRowViolations } from './row-invariants.ts';

// Comparison of whole databases, and violations of the promises in one.

async function readAllCustomers(db: Db) {
  const { rows } = await sql<{ id: number }>`
    SELECT id::int FROM perennial.customer ORDER BY id`.execute(db);
  const ids = rows.map((row) => row.id);
  return readCustomerRows(db, ids, { period: 0n, notification: 0n });
}

export interface DatabaseSnapshot {
  readonly customers: readonly Customer[];
  /** Kind and reason of each alarm. */
  readonly alarms: readonly string[];
  readonly marks: number;
  /** Each bulk job with its state and counts, and each of its customers with the outcome. */
  readonly bulk: readonly string[];
}

/** All customers without the ids of the database. Databases with equal contents have equal ones. */
export async function readDatabaseSnapshot(db: Db): Promise<DatabaseSnapshot> {
  const customers = (await readAllCustomers(db)).map((rows) => toCanonical(toModelCustomer(rows)));
  const { rows } = await sql<Omit<DatabaseSnapshot, 'customers'>>`
    SELECT coalesce((SELECT array_agg(kind || ' ' || (params->>'reason') ORDER BY id)
        FROM perennial.notification WHERE customer_id IS NULL), '{}') AS alarms,
      (SELECT count(*)::int FROM perennial.access_sync) AS marks,
      (SELECT coalesce(array_agg(row ORDER BY row), '{}') FROM (
        SELECT concat_ws(' ', 'job', id, state, total, done, skipped, failed) AS row
        FROM perennial.bulk_job
        UNION ALL
        SELECT concat_ws(' ', 'item', job_id, customer_id, outcome, reason)
        FROM perennial.bulk_item) bulk) AS bulk`.execute(db);
  return { customers, ...(rows[0] as Omit<DatabaseSnapshot, 'customers'>) };
}

/** All violations of the promises (design, promises). A correct database has none. */
export async function findViolations(db: Db): Promise<string[]> {
  const all = await readAllCustomers(db);
  return all.flatMap((rows) =>
    findRowViolations(rows, undefined).map(
      (violation) => `customer ${rows.customer.id}: ${violation}`,
    ),
  );
}
