import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import {
  type AuditBaseline,
  chooseBaseline,
  findChangedBuckets,
  isInBuckets,
  noCustomerBucket,
} from './baseline.ts';

// `audit --since-last`: the customers that changed since the last audit of everything.
//
// 1. A row has the id of the transaction that wrote it, also if a person wrote it without triggers.
//    So each row that was written since then is found, and names its customers.
// 2. A row that is gone is found by its digest (`baseline.ts`).
// 3. All rows of these customers are copied to temporary tables of the same names. The checks name
//    the tables of customers without a schema, so they read the copies.
// 4. Each condition of a check is about rows of one customer, rows that a row names, or rows
//    without a customer. An unchanged row broke no condition then. It can break one now only
//    because of a row that changed, or because time passed.
// 5. Checks that time alone can break name the schema, and read all rows. A subscription whose
//    terms change at a time counts as changed from then on.
// 6. If prices or settings of that time changed, everything is checked.

/** The tables of customers, and the column of the customer. */
const customerTables = {
  customer: 'id',
  subscription: 'customer_id',
  period: 'customer_id',
  ledger_entry: 'customer_id',
  credential: 'customer_id',
  notification: 'customer_id',
  event: 'customer_id',
  known_price: 'customer_id',
} as const;

const tableNames = Object.keys(customerTables) as (keyof typeof customerTables)[];

/** The rows that an audit reads. */
export type AuditScope =
  /** The rows of the customers that changed after `at`. */
  | { readonly kind: 'changes'; readonly at: Instant; readonly customers: bigint }
  | { readonly kind: 'everything'; readonly because: string };

/** Of more customers than this part, an audit of everything is faster. */
const changedMax = 0.25;

/** A read-only transaction can fill temporary tables, and cannot create them. */
export async function createCopies(session: Db): Promise<void> {
  const copies = tableNames.map(
    (table) => `CREATE TEMPORARY TABLE ${table} (LIKE perennial.${table});`,
  );
  const statements = ['CREATE TEMPORARY TABLE audited_customer (id bigint);', ...copies];
  await sql.raw(statements.join('\n')).execute(session);
}

/** The session returns to its pool. */
export async function dropCopies(session: Db): Promise<void> {
  const names = ['audited_customer', ...tableNames].map((table) => `pg_temp.${table}`);
  await sql.raw(`DROP TABLE IF EXISTS ${names.join(', ')}`).execute(session);
}

/** Copies the rows of the changed customers, unless everything has to be checked. */
export async function openScope(tx: Tx, now: Instant): Promise<AuditScope> {
  const chosen = await chooseBaseline(tx, now);
  if (chosen.kind === 'reason') return { kind: 'everything', because: chosen.because };
  const { baseline } = chosen;
  await sql`SELECT set_config('enable_nestloop', 'on', true)`.execute(tx);
  const buckets = await findChangedBuckets(tx, baseline);
  if (buckets.includes(noCustomerBucket)) {
    return leaveScope(tx, 'events without a customer were deleted');
  }
  await sql`INSERT INTO pg_temp.audited_customer ${selectChanged(baseline, buckets, now)}`.execute(
    tx,
  );
  await sql`ANALYZE pg_temp.audited_customer`.execute(tx);
  const { rows } = await sql<{ changed: bigint; total: bigint }>`
    SELECT (SELECT count(*) FROM pg_temp.audited_customer) AS changed,
      (SELECT count(*) FROM perennial.customer) AS total`.execute(tx);
  const { changed, total } = rows[0] ?? { changed: 0n, total: 0n };
  if (total > smallTotal && Number(changed) > Number(total) * changedMax) {
    return leaveScope(tx, `${changed.toLocaleString('en')} customers changed`);
  }
  for (const table of tableNames) await copyRows(tx, table);
  await sql`SELECT set_config('search_path', 'pg_temp, perennial', true)`.execute(tx);
  return { kind: 'changes', at: baseline.at, customers: changed };
}

/** An audit of a small database takes no time. */
const smallTotal = 1_000n;

async function leaveScope(tx: Tx, because: string): Promise<AuditScope> {
  await sql`SELECT set_config('enable_nestloop', 'off', true)`.execute(tx);
  return { kind: 'everything', because };
}

/** Rows without a customer are few, and checks compare them with each other. */
async function copyRows(tx: Tx, table: keyof typeof customerTables): Promise<void> {
  const [source, copy] = [sql.table(`perennial.${table}`), sql.table(`pg_temp.${table}`)];
  const owner = sql.ref(`t.${customerTables[table]}`);
  await sql`
    INSERT INTO ${copy}
    SELECT t.* FROM ${source} t JOIN pg_temp.audited_customer a ON a.id = ${owner}`.execute(tx);
  if (table === 'event' || table === 'notification') {
    await sql`INSERT INTO ${copy} SELECT t.* FROM ${source} t WHERE ${owner} IS NULL`.execute(tx);
  }
  await sql`ANALYZE ${copy}`.execute(tx);
}

/** The customers of rows that were written since the baseline, and of rows that are gone. */
function selectChanged(
  { horizon }: AuditBaseline,
  buckets: readonly number[],
  now: Instant,
): RawBuilder<unknown> {
  // The age of a row in transactions. It is negative for a row of a much earlier round of ids.
  const isNew = (row: string) =>
    sql`age(${sql.ref(`${row}.xmin`)}) <= age(${horizon.toString()}::xid8::xid)`;
  const isGone = (customer: string) => isInBuckets(sql.ref(customer), buckets);
  const ofTable = (table: string) => sql`
    SELECT t.customer_id FROM ${sql.table(`perennial.${table}`)} t WHERE ${isNew('t')}`;
  const namedBy = (table: string) => sql`
    SELECT t.subscription_id FROM ${sql.table(`perennial.${table}`)} t
    WHERE ${isNew('t')} AND t.subscription_id IS NOT NULL`;
  return sql`
    WITH new_period AS MATERIALIZED (
      SELECT t.customer_id, t.subscription_id, t.ledger_entry_id, t.refund_entry_id
      FROM perennial.period t WHERE ${isNew('t')}),
    new_entry AS MATERIALIZED (
      SELECT t.id, t.customer_id, t.payment_entry_id, t.out_entry_id,
        btrim(t.provider_ref) AS reference
      FROM perennial.ledger_entry t WHERE ${isNew('t')}),
    named_subscription AS MATERIALIZED (
      SELECT subscription_id AS id FROM new_period
      UNION ${namedBy('credential')} UNION ${namedBy('notification')}
      UNION ${namedBy('known_price')}),
    named_entry AS MATERIALIZED (
      SELECT named.id FROM (
        SELECT id FROM new_entry UNION SELECT payment_entry_id FROM new_entry
        UNION SELECT out_entry_id FROM new_entry UNION SELECT ledger_entry_id FROM new_period
        UNION SELECT refund_entry_id FROM new_period) named (id) WHERE named.id IS NOT NULL)
    SELECT customer_id FROM (
      SELECT c.id AS customer_id FROM perennial.customer c
      WHERE ${isNew('c')} OR ${isGone('c.id')}
      UNION
      SELECT t.customer_id FROM perennial.subscription t
      WHERE ${isNew('t')} OR t.id IN (SELECT id FROM named_subscription)
        OR ${isGone('t.customer_id')}
        OR t.state = 'active' AND t.changes_at <= ${isoTime(now)}::timestamptz
      UNION SELECT customer_id FROM new_period
      UNION
      SELECT e.customer_id FROM perennial.ledger_entry e
      WHERE ${isGone('e.customer_id')} OR e.id IN (SELECT id FROM named_entry)
        OR e.payment_entry_id IN (SELECT id FROM new_entry)
        OR e.out_entry_id IN (SELECT id FROM new_entry)
        OR e.kind = 'top_up' AND btrim(e.provider_ref) IN (
          SELECT reference FROM new_entry WHERE reference IS NOT NULL)
      UNION ${ofTable('credential')} UNION ${ofTable('notification')} UNION ${ofTable('event')}
      UNION ${ofTable('known_price')}) changed
    WHERE customer_id IS NOT NULL`;
}
