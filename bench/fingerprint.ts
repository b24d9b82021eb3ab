import type pg from 'pg';
import { runAudit } from '../src/audit/audit.ts';
import { longLimits, openDatabase, openPool } from '../src/db/connect.ts';

// The result of a variant: the audit, and a fingerprint that must be equal for all variants. The
// fingerprint covers everything except ids of sequences.

const toHashSql = (row: string): string => `bit_xor(hashtextextended(${row}, 0))::text`;

const fingerprintSql = `
  SELECT
    (SELECT sum(balance_minor)::text FROM perennial.customer) AS balances,
    (SELECT ${toHashSql("concat_ws(' ', id, balance_minor)")} FROM perennial.customer) AS balance_hash,
    (SELECT ${toHashSql("concat_ws(' ', id, expires_at, next_try_at, remind_at, state, plan, period_days)")}
      FROM perennial.subscription) AS subscription_hash,
    (SELECT count(*)::int FROM perennial.ledger_entry) AS entries,
    (SELECT ${toHashSql("concat_ws(' ', customer_id, amount_minor, balance_after_minor, kind)")}
      FROM perennial.ledger_entry) AS entry_hash,
    (SELECT count(*)::int FROM perennial.period) AS periods,
    (SELECT ${toHashSql("concat_ws(' ', subscription_id, starts_at, ends_at, amount_minor)")}
      FROM perennial.period) AS period_hash,
    (SELECT count(*)::int FROM perennial.notification) AS notices,
    (SELECT ${toHashSql("concat_ws(' ', subscription_id, kind, state, params)")}
      FROM perennial.notification) AS notice_hash,
    (SELECT ${toHashSql("concat_ws(' ', id, retired_at)")} FROM perennial.credential) AS credential_hash,
    (SELECT count(*)::int FROM perennial.access_sync) AS marks,
    (SELECT ${toHashSql("concat_ws(' ', node_id, credential_id, urgent, marked_at, next_attempt_at)")}
      FROM perennial.access_sync) AS mark_hash,
    (SELECT count(*)::int FROM perennial.event) AS events,
    (SELECT ${toHashSql("concat_ws(' ', subject, action, detail - 'ledger_entry_id')")}
      FROM perennial.event) AS event_hash`;

export type Fingerprint = Readonly<Record<string, string | number>>;

/** @throws Error with the failed check and some of its rows */
export async function auditDatabase(client: pg.Client, url: string): Promise<Fingerprint> {
  const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 1 }));
  try {
    const violated = (await runAudit(db)).checks.filter(({ violations }) => violations > 0n);
    if (violated.length > 0) {
      const sentences = violated.map(
        ({ id, title, sample }) => `${id} (${title}): ${sample[0]?.sentence}`,
      );
      throw new Error(`the audit failed: ${sentences.join('; ')}`);
    }
  } finally {
    await db.destroy();
  }
  return (await client.query(fingerprintSql)).rows[0];
}
