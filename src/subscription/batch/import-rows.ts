import { type RawBuilder, sql } from 'kysely';
import { markAccess } from '../../access/credentials.ts';
import type { Tx } from '../../db/connect.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { dayMs, type Instant, isoTime } from '../../kernel/instant.ts';
import {
  computeReminderLeadMs,
  endRemindersMs,
  trialRemindersMs,
} from '../../outbox/reminder-schedule.ts';
import type { Settings } from '../rules/settings.ts';
import type { Actor } from '../store/events.ts';

// Writes a whole import: customers with the rights and balances of another panel.
//
// 1. `import-export/` fills and checks `opening_line`. Then the lines are written here in chunks,
//    all in one transaction. So no reader sees half of an import.
// 2. A balance above 0 becomes an `opening` ledger entry, so it is the sum of its ledger.
// 3. A subscription gets one period of source `import` without a charge.
// 4. An active one gets a live credential, and a mark on every node. The mark is not urgent,
//    because removals go first.
// 5. An ended one is `expired`, without a notification. Its credential is retired at its end.
//    `next_try_at` is infinite, so auto-renewal does not revive it. A payment within the days of
//    revival does.
// 6. A blocked customer has no live credential and no mark, until the customer is unblocked.
// 7. Reminders count that are due after the import.
// 8. The price at the import is the first amount that a renewal may take.

/**
 * The columns of `opening_line` in the order of COPY. NULL is a value that cannot be read, except
 * for a missing uuid.
 */
export const openingLineColumns = [
  ['line', 'bigint'], // of the file
  ['telegram_id', 'bigint'],
  ['locale', 'text'],
  ['time_zone', 'text'],
  ['currency', 'text'],
  ['balance_minor', 'bigint'],
  ['claim_minor', 'bigint'],
  ['vip', 'boolean'],
  ['discount_percent', 'int'],
  ['trial_used', 'boolean'],
  ['sub_token', 'text'], // empty: to be generated
  ['blocked_reason', 'text'], // empty: not blocked
  ['kind', 'text'], // NULL: a customer without a subscription
  ['plan', 'text'],
  ['period_days', 'int'],
  ['expires_at', 'timestamptz(3)'],
  ['auto_renew', 'boolean'],
  ['uuid', 'uuid'],
] as const;

/** Creates the staging table, which ends with the transaction. */
export async function createOpeningLines(tx: Tx): Promise<void> {
  const columns = openingLineColumns.map(([name, type]) => `${name} ${type}`).join(', ');
  await sql.raw(`CREATE TEMPORARY TABLE opening_line (${columns}) ON COMMIT DROP`).execute(tx);
}

/**
 * Call this after all lines: `opening_later` contains each further line of a customer, with the
 * first one.
 */
export async function indexOpeningLines(tx: Tx): Promise<void> {
  await sql`ALTER TABLE opening_line ADD PRIMARY KEY (line)`.execute(tx);
  await sql`
    CREATE TEMPORARY TABLE opening_later ON COMMIT DROP AS
    SELECT line, first_line FROM (
      SELECT line, min(line) OVER (PARTITION BY telegram_id) AS first_line
      FROM opening_line WHERE telegram_id IS NOT NULL) told
    WHERE line > first_line`.execute(tx);
  await sql`ALTER TABLE opening_later ADD PRIMARY KEY (line)`.execute(tx);
  await sql`ANALYZE opening_line, opening_later`.execute(tx);
}

/** Lines of the staging table, both inclusive. */
export interface LineRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Writes a chunk of checked lines. The chunks follow their order, because the first line of a
 * customer writes the customer. An unchecked line fails by the constraints of the tables.
 */
export async function writeOpeningLines(
  tx: Tx,
  range: LineRange,
  actor: Actor,
  now: Instant,
  settings: Pick<Settings, 'vipPercent' | 'renewalAhead'>,
): Promise<void> {
  await writeCustomers(tx, range, actor, now);
  await writeSubscriptions(tx, range, now, settings);
}

/** Generates a token like `generateSubToken`: 22 URL-safe characters with 122 random bits. */
const generateSubToken = sql`
  rtrim(translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/', '-_'), '=')`;

async function writeCustomers(tx: Tx, { first, last }: LineRange, actor: Actor, now: Instant) {
  const at = sql`${isoTime(now)}::timestamptz`;
  await sql`
    WITH made AS (
      INSERT INTO perennial.customer (telegram_id, locale, time_zone, currency, balance_minor, claim_minor,
        vip, discount_percent, trial_used_at, sub_token, created_at, blocked_at, blocked_reason)
      SELECT l.telegram_id, l.locale, l.time_zone, l.currency, l.balance_minor, l.claim_minor,
        l.vip, l.discount_percent, CASE WHEN l.trial_used THEN ${at} END,
        CASE l.sub_token WHEN '' THEN ${generateSubToken} ELSE l.sub_token END, ${at},
        CASE WHEN l.blocked_reason <> '' THEN ${at} END, nullif(l.blocked_reason, '')
      FROM opening_line l
      WHERE l.line BETWEEN ${first} AND ${last}
        AND NOT EXISTS (SELECT FROM opening_later later WHERE later.line = l.line)
      ORDER BY l.line
      RETURNING id, telegram_id, balance_minor, claim_minor),
    opened AS (
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'opening:' || telegram_id, ${at}
      FROM made WHERE balance_minor > 0 ORDER BY id),
    claimed AS (
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        claim_minor, idempotency_key, created_at)
      SELECT id, 0, balance_minor, 'adjustment', claim_minor, 'opening-claim:' || telegram_id, ${at}
      FROM made WHERE claim_minor > 0 ORDER BY id
      RETURNING id, customer_id)
    INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
    SELECT made.id, 'customer:' || made.id, 'imported', ${actor}, ${at},
      jsonb_build_object('balance_minor', balance_minor::text)
        || CASE WHEN claimed.id IS NULL THEN '{}' ELSE jsonb_build_object(
          'claim_minor', claim_minor::text, 'ledger_entry_id', claimed.id) END
    FROM made LEFT JOIN claimed ON claimed.customer_id = made.id ORDER BY made.id`.execute(tx);
}

const toInterval = (ms: number) => sql`${`${ms} ms`}::interval`;

/**
 * The result of `computeFirstReminderAt`, or an earlier time, for a row of `line`. A renewal within
 * 3 days is checked at once, because the customer was notified of no amount.
 */
const computeRemindAt = (at: RawBuilder<unknown>, leadMs: number) => sql`
  (SELECT min(due) FROM unnest(CASE kind WHEN 'trial' THEN ARRAY[
      started_at + ${toInterval(trialRemindersMs.trial_6h)},
      started_at + ${toInterval(trialRemindersMs.trial_48h)},
      expires_at - ${toInterval(trialRemindersMs.trial_ending)}]
    ELSE ARRAY[
      expires_at - ${toInterval(leadMs)},
      expires_at - ${toInterval(endRemindersMs.ends_3d)},
      expires_at - ${toInterval(endRemindersMs.ends_24h)},
      expires_at - ${toInterval(endRemindersMs.ends_3h)},
      CASE WHEN auto_renew AND expires_at - ${toInterval(endRemindersMs.ends_3d)} < ${at}
        THEN ${at} END] END) due
   WHERE due >= ${at} AND due < expires_at)`;

async function writeSubscriptions(
  tx: Tx,
  { first, last }: LineRange,
  now: Instant,
  { vipPercent, renewalAhead }: Pick<Settings, 'vipPercent' | 'renewalAhead'>,
) {
  const at = sql`${isoTime(now)}::timestamptz`;
  const { rows } = await sql<{ id: CredentialId }>`
    WITH line AS MATERIALIZED (
      SELECT nextval('perennial.subscription_id_seq') AS id, ordered.* FROM (
        SELECT c.id AS customer_id, l.kind, l.plan, l.period_days, l.expires_at, l.auto_renew,
          l.uuid, l.currency, l.vip, l.discount_percent, l.expires_at > ${at} AS runs,
          c.blocked_at IS NOT NULL AS blocked,
          least(${at}, l.expires_at - l.period_days * ${`${dayMs} ms`}::interval) AS started_at
        FROM opening_line l JOIN perennial.customer c ON c.telegram_id = l.telegram_id
        WHERE l.line BETWEEN ${first} AND ${last} AND l.kind IS NOT NULL
        ORDER BY l.line) ordered),
    made AS (
      INSERT INTO perennial.subscription (id, customer_id, kind, plan, period_days, state,
        started_at, expires_at, auto_renew, next_try_at, remind_at)
      OVERRIDING SYSTEM VALUE
      SELECT id, customer_id, kind, plan, period_days,
        CASE WHEN runs THEN 'active' ELSE 'expired' END, started_at, expires_at, auto_renew,
        CASE WHEN NOT runs THEN 'infinity'::timestamptz END,
        CASE WHEN runs THEN ${computeRemindAt(at, computeReminderLeadMs(renewalAhead))} END
      FROM line),
    given AS (
      INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
        currency, period_days, kind)
      SELECT id, customer_id, 'import', plan, started_at, expires_at, currency, period_days, kind
      FROM line
      ORDER BY id),
    priced AS (
      INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
        amount_minor, source, known_at)
      SELECT line.customer_id, line.id, line.plan, line.period_days,
        list.amount_minor * (100 - CASE WHEN line.vip
          THEN greatest(line.discount_percent, ${vipPercent}::int)
          ELSE line.discount_percent END) / 100, 'terms', ${at}
      FROM line JOIN (SELECT DISTINCT ON (plan, period_days, currency)
          plan, period_days, currency, amount_minor
        FROM perennial.plan_price WHERE valid_from <= ${at}
        ORDER BY plan, period_days, currency, valid_from DESC) list
        USING (plan, period_days, currency)
      WHERE line.kind = 'paid' AND list.amount_minor IS NOT NULL ORDER BY line.id),
    issued AS (
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at, retired_at)
      SELECT coalesce(uuid, gen_random_uuid()), id, customer_id, started_at,
        CASE WHEN NOT runs THEN expires_at WHEN blocked THEN ${at} END
      FROM line WHERE runs OR uuid IS NOT NULL
      RETURNING id, retired_at)
    SELECT id FROM issued
    WHERE retired_at IS NULL AND EXISTS (SELECT FROM perennial.node)`.execute(tx);
  await markAccess(
    tx,
    rows.map((row) => row.id),
    now,
    { urgent: false },
  );
}

/**
 * Updates the statistics of the filled tables, so that no worker waits for autovacuum. PostgreSQL
 * only warns a user who does not own them.
 */
export async function analyzeTables(tx: Tx): Promise<void> {
  await sql`
    ANALYZE perennial.customer, perennial.subscription, perennial.period, perennial.known_price,
      perennial.ledger_entry, perennial.credential, perennial.access_sync,
      perennial.event`.execute(tx);
}
