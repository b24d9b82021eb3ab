import type pg from 'pg';

// What a variant made of the books: whether they are right, and a fingerprint that has to be the
// same for every variant. Ids that a sequence gave out are left out of it; all else is in it.

/** Each names rows that must not be; all of them give no row. */
const wrongs = {
  'balance is not the sum of its ledger': `
    SELECT c.id FROM perennial.customer c
    LEFT JOIN (SELECT customer_id, sum(amount_minor) FROM perennial.ledger_entry GROUP BY 1) AS l
      ON l.customer_id = c.id
    WHERE c.balance_minor <> coalesce(l.sum, 0)`,
  'balance_after does not follow': `
    SELECT id FROM (SELECT id, balance_after_minor,
        sum(amount_minor) OVER (PARTITION BY customer_id ORDER BY id) AS sum
      FROM perennial.ledger_entry) AS entry
    WHERE balance_after_minor <> sum`,
  'charge and period differ': `
    SELECT l.id FROM perennial.ledger_entry l
    FULL JOIN perennial.period p ON p.ledger_entry_id = l.id
    WHERE coalesce(l.kind, '-') IN ('renewal', 'purchase', '-') AND p.source <> 'trial'
      AND (l.id IS NULL OR p.id IS NULL OR p.amount_minor <> -l.amount_minor)`,
  'end is not the end of the last period': `
    SELECT s.id FROM perennial.subscription s
    LEFT JOIN (SELECT subscription_id, max(ends_at) FROM perennial.period
      WHERE refunded_at IS NULL GROUP BY 1) AS p ON p.subscription_id = s.id
    WHERE s.expires_at IS DISTINCT FROM p.max`,
  'periods overlap': `
    SELECT id FROM (SELECT id, starts_at,
        lag(ends_at) OVER (PARTITION BY subscription_id ORDER BY starts_at) AS before
      FROM perennial.period WHERE refunded_at IS NULL) AS p
    WHERE before > starts_at`,
} as const;

const hashOf = (row: string): string => `bit_xor(hashtextextended(${row}, 0))::text`;

const fingerprint = `
  SELECT
    (SELECT sum(balance_minor)::text FROM perennial.customer) AS balances,
    (SELECT ${hashOf("concat_ws(' ', id, balance_minor)")} FROM perennial.customer) AS balance_hash,
    (SELECT ${hashOf("concat_ws(' ', id, expires_at, next_try_at, state, plan, period_days)")}
      FROM perennial.subscription) AS subscription_hash,
    (SELECT count(*)::int FROM perennial.ledger_entry) AS entries,
    (SELECT ${hashOf("concat_ws(' ', customer_id, amount_minor, balance_after_minor, kind)")}
      FROM perennial.ledger_entry) AS entry_hash,
    (SELECT count(*)::int FROM perennial.period) AS periods,
    (SELECT ${hashOf("concat_ws(' ', subscription_id, starts_at, ends_at, amount_minor)")}
      FROM perennial.period) AS period_hash,
    (SELECT count(*)::int FROM perennial.notification) AS notices,
    (SELECT ${hashOf("concat_ws(' ', subscription_id, kind, state, params)")}
      FROM perennial.notification) AS notice_hash,
    (SELECT count(*)::int FROM perennial.event) AS events,
    (SELECT ${hashOf("concat_ws(' ', subject, action, detail - 'ledger_entry_id')")}
      FROM perennial.event) AS event_hash`;

export type Fingerprint = Readonly<Record<string, string | number>>;

/** @throws Error that names what is wrong and some of its rows. */
export async function auditBooks(client: pg.Client): Promise<Fingerprint> {
  await client.query("SET work_mem = '256MB'");
  for (const [wrong, statement] of Object.entries(wrongs)) {
    const { rows } = await client.query(`SELECT id::text FROM (${statement}) AS bad LIMIT 5`);
    if (rows.length > 0) {
      throw new Error(`the books are wrong: ${wrong}: ${rows.map(({ id }) => id).join(', ')}, …`);
    }
  }
  return (await client.query(fingerprint)).rows[0];
}
