import { sql } from 'kysely';
import pg from 'pg';
import type { Tx } from '../../src/db/connect.ts';
import type { TestDatabase } from './database.ts';
import { createShopDatabase, createSubscriber } from './shop.ts';

// A database with planted violations, each at a separate customer. A violation that names this
// customer has the planted cause. A second customer beside each shows that the two are not
// confused.

export const sceneTime = '2026-11-24T09:00:00Z';

/**
 * Ids of the rows of a customer: one subscription, its period and charge, the top-up, the
 * credential.
 */
export interface CustomerIds {
  readonly telegramId: bigint;
  readonly customer: bigint;
  readonly subscription: bigint;
  readonly period: bigint;
  readonly charge: bigint;
  readonly topUp: bigint;
  readonly credential: string;
}

export interface AuditScene {
  readonly victim: CustomerIds;
  readonly other: CustomerIds;
  /** An id for the planted ledger entry. */
  readonly newEntry: bigint;
}

/**
 * A database with `count` scenes: two customers each, with a month of `basic` and a balance of
 * 500.00.
 */
export async function createScenes(count: number) {
  const database = await createShopDatabase({ now: sceneTime });
  const scenes: AuditScene[] = [];
  for (let n = 0; n < count; n += 1) {
    const telegramId = 70_000n + BigInt(n);
    const [victim, other] = [
      await createSceneCustomer(database, telegramId),
      await createSceneCustomer(database, telegramId + 10_000n),
    ];
    scenes.push({ victim, other, newEntry: 900_000n + BigInt(n) });
  }
  return { database, scenes };
}

async function createSceneCustomer(
  database: TestDatabase,
  telegramId: bigint,
): Promise<CustomerIds> {
  await createSubscriber(database, telegramId, 500_00n);
  const rows = await database.query<CustomerIds>`
    SELECT c.telegram_id AS "telegramId", c.id AS customer, s.id AS subscription, p.id AS period,
      p.ledger_entry_id AS charge, e.id AS "topUp", k.id AS credential
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    JOIN perennial.period p ON p.subscription_id = s.id
    JOIN perennial.ledger_entry e ON e.customer_id = c.id AND e.kind = 'top_up'
    JOIN perennial.credential k ON k.subscription_id = s.id
    WHERE c.telegram_id = ${telegramId}`;
  return rows[0] as CustomerIds;
}

/** Executes SQL without triggers and foreign keys, which the program cannot do. */
export async function corrupt(url: string, statements: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: '-c search_path=perennial' });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; ${statements}`);
  } finally {
    await client.end();
  }
}

/** `corrupt` within a transaction. */
export async function corruptInTransaction(tx: Tx, statements: string): Promise<void> {
  await sql`SET LOCAL session_replication_role = replica`.execute(tx);
  await sql`SET LOCAL search_path = perennial`.execute(tx);
  await sql.raw(statements).execute(tx);
}

/** A month after the existing one, and the end of the subscription with it. */
export function followingPeriodSql(
  { subscription, customer }: CustomerIds,
  values: Readonly<Record<string, string | number | bigint>>,
  days = 30,
): string {
  const columns = { customer_id: customer, source: "'grant'", currency: "'RUB'", ...values };
  return `
    INSERT INTO period (subscription_id, plan, starts_at, ends_at, ${Object.keys(columns)})
    SELECT id, plan, expires_at, expires_at + interval '${days} days', ${Object.values(columns)}
    FROM subscription WHERE id = ${subscription};
    UPDATE subscription SET expires_at = expires_at + interval '${days} days'
    WHERE id = ${subscription};`;
}

/** A ledger entry with its balance and its event. */
export function entrySql(
  { customer }: CustomerIds,
  id: bigint,
  kind: string,
  amount: number,
): string {
  return `
    UPDATE customer SET balance_minor = balance_minor + ${amount} WHERE id = ${customer};
    INSERT INTO ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
      idempotency_key, created_at) OVERRIDING SYSTEM VALUE
    SELECT ${id}, id, ${amount}, balance_minor, '${kind}', 'planted:${id}:' || id, clock()
    FROM customer WHERE id = ${customer};
    INSERT INTO event (customer_id, subject, action, actor, at, detail)
    VALUES (${customer}, 'customer:${customer}', 'planted', 'test', clock(),
      '{"ledger_entry_id": "${id}"}');`;
}

/** A period that this entry refunded. It costs nothing and may overlap. */
export function refundedPeriodSql(ids: CustomerIds, refundEntry: bigint | number): string {
  return `
    INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency,
      refunded_at, refund_entry_id)
    SELECT id, customer_id, 'grant', plan, started_at, expires_at, 'RUB', clock(), ${refundEntry}
    FROM subscription WHERE id = ${ids.subscription};`;
}

/** A running trial that is complete except for the row of the customer. */
export function trialSql({ customer }: CustomerIds): string {
  return `
    WITH s AS (
      INSERT INTO subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at, auto_renew, remind_at)
      VALUES (${customer}, 'trial', 'basic', 3, 'active', clock(), clock() + interval '3 days',
        false, clock() + interval '6 hours')
      RETURNING *),
    k AS (INSERT INTO credential (id, subscription_id, customer_id, issued_at)
      SELECT gen_random_uuid(), id, customer_id, started_at FROM s)
    INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
    SELECT id, customer_id, 'trial', plan, started_at, expires_at, 'RUB' FROM s;`;
}
