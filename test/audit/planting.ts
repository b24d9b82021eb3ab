import { sql } from 'kysely';
import pg from 'pg';
import { freshBooks } from '../books.ts';
import { openShop, payer } from '../shop.ts';

// Books in which something is planted: two customers with a month of basic each, 7001 to whom it
// happens and 7002 beside.

export const plantedAt = '2026-11-24T09:00:00Z';
export const victimId = 7001n;

/** Ids of a customer's rows: one subscription, its period and charge, the top-up, the credential. */
export interface Ids {
  readonly customer: bigint;
  readonly subscription: bigint;
  readonly period: bigint;
  readonly charge: bigint;
  readonly topUp: bigint;
  readonly credential: string;
}

export interface Scene {
  readonly victim: Ids;
  readonly other: Ids;
}

export async function plantedBooks() {
  const books = await freshBooks({ now: plantedAt });
  await openShop(books);
  await payer(books, victimId, 500_00n);
  await payer(books, 7002n, 500_00n);
  const idsOf = async (telegramId: bigint): Promise<Ids> => {
    const { rows } = await sql<Ids>`
      SELECT c.id AS customer, s.id AS subscription, p.id AS period, p.ledger_entry_id AS charge,
        e.id AS "topUp", k.id AS credential
      FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
      JOIN perennial.period p ON p.subscription_id = s.id
      JOIN perennial.ledger_entry e ON e.customer_id = c.id AND e.kind = 'top_up'
      JOIN perennial.credential k ON k.subscription_id = s.id
      WHERE c.telegram_id = ${telegramId}`.execute(books.db);
    return rows[0] as Ids;
  };
  const scene: Scene = { victim: await idsOf(victimId), other: await idsOf(7002n) };
  return { books, scene };
}

/** Does what no program may: triggers and foreign keys look away. */
export async function plant(url: string, statements: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: '-c search_path=perennial' });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; ${statements}`);
  } finally {
    await client.end();
  }
}

/** A month right after the one that the subscription has, and its end with it. */
export function followingPeriod(
  { subscription, customer }: Ids,
  values: Readonly<Record<string, string | number | bigint>>,
): string {
  const columns = { customer_id: customer, source: "'grant'", currency: "'RUB'", ...values };
  return `
    INSERT INTO period (subscription_id, plan, starts_at, ends_at, ${Object.keys(columns)})
    SELECT id, plan, expires_at, expires_at + interval '30 days', ${Object.values(columns)}
    FROM subscription WHERE id = ${subscription};
    UPDATE subscription SET expires_at = expires_at + interval '30 days'
    WHERE id = ${subscription};`;
}

/** An entry with the balance that follows from it. 900 is its id unless told. */
export function entry({ customer }: Ids, kind: string, amount: number, id = 900): string {
  return `
    UPDATE customer SET balance_minor = balance_minor + ${amount} WHERE id = ${customer};
    INSERT INTO ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
      idempotency_key, created_at) OVERRIDING SYSTEM VALUE
    SELECT ${id}, id, ${amount}, balance_minor, '${kind}', 'planted:${id}:' || id, clock()
    FROM customer WHERE id = ${customer};`;
}

/** A period that was refunded by this entry. It costs nothing and overlaps, as refunded ones may. */
export function refundedPeriod(ids: Ids, refundEntry: bigint | number): string {
  return `
    INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency,
      refunded_at, refund_entry_id)
    SELECT id, customer_id, 'grant', plan, started_at, expires_at, 'RUB', clock(), ${refundEntry}
    FROM subscription WHERE id = ${ids.subscription};`;
}

/** A trial that runs, complete but for what the customer's row says of it. */
export function trial({ customer }: Ids): string {
  return `
    WITH s AS (
      INSERT INTO subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at, auto_renew)
      VALUES (${customer}, 'trial', 'basic', 3, 'active', clock(), clock() + interval '3 days',
        false)
      RETURNING *),
    k AS (INSERT INTO credential (id, subscription_id, customer_id, issued_at)
      SELECT gen_random_uuid(), id, customer_id, started_at FROM s)
    INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
    SELECT id, customer_id, 'trial', plan, started_at, expires_at, 'RUB' FROM s;`;
}
