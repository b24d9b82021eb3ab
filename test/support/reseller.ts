import { sql } from 'kysely';
import type { TestDatabase } from './database.ts';
import { createShop } from './shop.ts';

/**
 * One customer with `count` subscriptions of `basic` that end one second after another from
 * `endsAt`.
 */
export async function createResellerCustomer(
  database: Pick<TestDatabase, 'db'>,
  count: number,
  endsAt: string,
): Promise<void> {
  const { db } = database;
  await createShop(database);
  await sql`
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    VALUES (1, 'RUB', 'token-of-the-reseller', ${endsAt}::timestamptz - interval '40 days')`.execute(
    db,
  );
  await sql`
    WITH s AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT 1, 'paid', 'basic', 30, 'active', at - interval '30 days', at
      FROM (SELECT ${endsAt}::timestamptz + n * interval '1 second' AS at
        FROM generate_series(1, ${count}::int) n) ends RETURNING *
    ), p AS (
      INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
        currency)
      SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB' FROM s
    )
    INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
    SELECT gen_random_uuid(), id, customer_id, started_at FROM s`.execute(db);
  await sql`ANALYZE`.execute(db);
}
