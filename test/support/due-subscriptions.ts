import pg from 'pg';

// A database whose subscriptions are all due, with money for three periods. Its invariants hold
// after any crash of the processes that renew.

/**
 * Fills a migrated database: one subscription of 30 days per customer, due, with its end more than
 * an hour away.
 */
export async function createDueSubscriptions(url: string, subscriptions: number): Promise<void> {
  await withOwnerClient(url, async (client) => {
    await client.query(`
      SET session_replication_role = replica;
      INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{"en": "Basic"}', '{all}');
      INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
        VALUES ('basic', 30, 'RUB', '2020-01-01Z', 14900);
      INSERT INTO perennial.customer (telegram_id, currency, balance_minor, sub_token, created_at)
        SELECT n, 'RUB', 3 * 14900, left(md5('token' || n), 22), '2026-01-01Z'
        FROM generate_series(1, ${subscriptions}) AS n;
      INSERT INTO perennial.ledger_entry
          (customer_id, amount_minor, balance_after_minor, kind, idempotency_key, created_at)
        SELECT id, balance_minor, balance_minor, 'opening', 'opening:' || id, created_at
        FROM perennial.customer;
      INSERT INTO perennial.subscription
          (customer_id, kind, plan, period_days, state, started_at, expires_at)
        SELECT id, 'paid', 'basic', 30, 'active', at - interval '30 days', at
        FROM (SELECT id, date_trunc('second', now()) + interval '1 h' + id * interval '10 ms' AS at
              FROM perennial.customer ORDER BY id) AS ending;
      INSERT INTO perennial.period
          (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
        SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB'
        FROM perennial.subscription;
      SET session_replication_role = DEFAULT;
      ANALYZE perennial.customer, perennial.subscription, perennial.period;`);
  });
}

export async function withOwnerClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  // The test ends connections, also this one.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const countSql = (table: string, where: string) =>
  `(SELECT count(*) FROM perennial.${table} WHERE ${where})::int`;

export interface RenewalState {
  readonly due: number;
  readonly renewals: number;
  readonly receipts: number;
  readonly quarantined: number;
  /** Violations, each as a word with its number. A correct database has none. */
  readonly violations: readonly string[];
}

const violationQueries: Readonly<Record<string, string>> = {
  'balance is not the sum of its ledger': `SELECT count(*) FROM perennial.customer c WHERE
    balance_minor <> (SELECT sum(amount_minor) FROM perennial.ledger_entry WHERE customer_id = c.id)`,
  'renewed more than once': `SELECT count(*) FROM (SELECT FROM perennial.period
    WHERE source = 'renewal' GROUP BY subscription_id HAVING count(*) > 1) AS twice`,
  'debit without its period': `SELECT count(*) FROM perennial.ledger_entry l
    WHERE kind = 'renewal' AND NOT EXISTS (
      SELECT FROM perennial.period WHERE ledger_entry_id = l.id)`,
  'end is not the end of the last period': `SELECT count(*) FROM perennial.subscription s
    WHERE expires_at <> (SELECT max(ends_at) FROM perennial.period
      WHERE subscription_id = s.id AND refunded_at IS NULL)`,
  'period does not follow the one before': `SELECT count(*) FROM perennial.period p
    WHERE source = 'renewal' AND NOT EXISTS (SELECT FROM perennial.period q
      WHERE q.subscription_id = p.subscription_id AND q.ends_at = p.starts_at
        AND q.refunded_at IS NULL)`,
  'not exactly one receipt per renewal': `SELECT abs(
    (SELECT count(*) FROM perennial.notification WHERE kind = 'receipt')
    - (SELECT count(*) FROM perennial.period WHERE source = 'renewal'))`,
  'runs did not count their changes': `SELECT abs(
    (SELECT coalesce(sum(changed), 0) FROM perennial.worker_run WHERE worker = 'auto-renewal')
    - (SELECT count(*) FROM perennial.period WHERE source = 'renewal'))`,
};

/** The number of renewals and the state of the rows. */
export function readRenewalState(url: string): Promise<RenewalState> {
  return withOwnerClient(url, async (client) => {
    const { rows } = await client.query(`SELECT
      ${countSql('subscription', "expires_at < now() + interval '6 hours'")} AS due,
      ${countSql('period', "source = 'renewal'")} AS renewals,
      ${countSql('notification', "kind = 'receipt'")} AS receipts,
      ${countSql('quarantine', 'true')} AS quarantined`);
    const violations: string[] = [];
    for (const [violation, statement] of Object.entries(violationQueries)) {
      const { rows: counted } = await client.query(`SELECT (${statement})::int AS n`);
      if (counted[0].n !== 0) violations.push(`${violation}: ${counted[0].n}`);
    }
    return { ...rows[0], violations };
  });
}

/** The subscription, bought a month ago, ends in this many ms of real time. */
export async function setRemainingTime(
  { url }: { readonly url: string },
  id: bigint,
  ms: number,
): Promise<void> {
  await withOwnerClient(url, async (client) => {
    await client.query(`
      SET session_replication_role = replica; -- a period can't be moved otherwise
      UPDATE perennial.period SET starts_at = starts_at - (ends_at - at), ends_at = at
      FROM (SELECT date_trunc('milliseconds', clock_timestamp()) + interval '${ms} ms' AS at) moment
      WHERE subscription_id = ${id};
      UPDATE perennial.subscription s SET started_at = p.starts_at, expires_at = p.ends_at
      FROM perennial.period p WHERE p.subscription_id = s.id AND s.id = ${id}`);
  });
}
