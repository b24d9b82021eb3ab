// Every time in the database that a later time is compared with, and its longest horizon from now.
//
// A wrong clock that ran ahead leaves times beyond their horizon. After the step back they would
// wait as long as the jump was, so `runs/clock/repair.ts` pulls them back. A test fails for a time
// column in neither list: the author of a column decides how a step back affects it.

/** SQL of `now`, which each statement defines. */
const now = 'clock.now';

export interface RepairedColumn {
  readonly table: string;
  readonly column: string;
  /** SQL of the latest right value; `t` is the row, and it sees the values before the repair. */
  readonly latest: string;
  /** SQL of the repaired value. Default: now. */
  readonly repairedValue?: string;
  readonly reason: string;
}

/** A step back within the tolerance of the time sentinel leaves times like this. */
const pastLimit = `${now} + interval '1 minute'`;

const recordsThePast = 'records a past event';

const toPastColumns = (table: string, ...columns: string[]): RepairedColumn[] =>
  columns.map((column) => ({ table, column, latest: pastLimit, reason: recordsThePast }));

export const repairedColumns: readonly RepairedColumn[] = [
  {
    table: 'subscription',
    column: 'next_try_at',
    latest: `${now} + (SELECT coalesce(max((value->>'retry_ms')::bigint), 3600000)
      FROM perennial.setting WHERE key = 'renewal') * interval '1 ms'`,
    repairedValue: 'NULL',
    reason: 'renewal.retry after the last attempt; null is due by its end',
  },
  {
    table: 'subscription',
    column: 'remind_at',
    latest: `CASE WHEN t.state = 'active' AND t.kind = 'paid'
      THEN greatest(${pastLimit}, t.expires_at - greatest(interval '3 days',
        (SELECT max((entry->>'ahead_ms')::bigint) FROM perennial.setting,
          jsonb_array_elements(value->'renewal_ahead') entry WHERE key = 'notices')
        * interval '1 ms'))
      ELSE 'infinity' END`,
    reason: 'the first reminder before an end; a look that is too early moves it on',
  },
  {
    table: 'access_sync',
    column: 'next_attempt_at',
    latest: `CASE WHEN t.marked_at > ${pastLimit} THEN ${now} ELSE ${now} + interval '1 hour' END`,
    reason: 'a mark waits an hour at most; a new mark is due at once',
  },
  ...toPastColumns('subscription', 'woken_at'),
  ...toPastColumns('access_sync', 'marked_at'),
  {
    table: 'stray',
    column: 'next_attempt_at',
    latest: `CASE WHEN t.confirmed_at > ${pastLimit} THEN ${now} ELSE ${now} + interval '1 hour' END`,
    reason: 'as a mark',
  },
  ...toPastColumns('stray', 'confirmed_at'),
  ...toPastColumns('marking', 'ordered_at'),
  {
    table: 'notification',
    column: 'next_attempt_at',
    latest: `CASE WHEN t.state NOT IN ('pending', 'uncertain') THEN 'infinity'
      WHEN t.created_at > ${pastLimit} THEN ${now}
      WHEN t.reason LIKE 'unreachable: %' THEN ${now} + interval '8 days'
      ELSE ${now} + interval '1 day' END`,
    reason: 'an unreachable customer is tried each week; quiet hours end within a day',
  },
  ...toPastColumns('notification', 'created_at', 'sending_since', 'sent_at'),
  {
    table: 'courier',
    column: 'rests_until',
    latest: `${now} + interval '1 day'`,
    reason: 'a gateway that wants a longer pause states it again',
  },
  {
    table: 'quarantine',
    column: 'retry_at',
    latest: `${now} + interval '24 hours'`,
    reason: 'the longest pause between two attempts',
  },
  ...toPastColumns('quarantine', 'first_seen_at'),
  {
    table: 'node',
    column: 'open_until',
    latest: `${now} + interval '30 seconds'`,
    reason: 'each failed probe extends it by 30 s',
  },
  {
    table: 'node',
    column: 'reconcile_open_until',
    latest: `${now} + interval '10 minutes'`,
    reason: 'the pause of comparisons after three failures',
  },
  {
    table: 'node',
    column: 'reconciled_at',
    latest: pastLimit,
    repairedValue: 'NULL',
    reason: 'a node is due 10 min after its last comparison; null is due at once',
  },
  ...toPastColumns('node', 'last_seen_at', 'down_since', 'added_at'),
  ...toPastColumns('worker_run', 'started_at', 'finished_at'),
  ...toPastColumns('worker_state', 'passed_at'),
  ...toPastColumns('courier', 'looked_at', 'passed_at'),
  ...toPastColumns('known_price', 'known_at'),
  ...toPastColumns('price_review', 'ordered_at'),
  ...toPastColumns('idempotency', 'at'),
  ...toPastColumns('credential', 'issued_at', 'retired_at'),
  ...toPastColumns('customer', 'created_at', 'trial_used_at', 'blocked_at'),
  ...toPastColumns('token', 'created_at', 'revoked_at', 'last_used_at'),
  ...toPastColumns('plan', 'retired_at'),
  ...toPastColumns('bulk_job', 'created_at', 'finished_at'),
  {
    table: 'confirmation',
    column: 'confirmed_at',
    latest: pastLimit,
    repairedValue: "bad.now - interval '1 day'",
    reason: recordsThePast, // a confirmation at a wrong time has no effect
  },
  {
    table: 'plan_price',
    column: 'valid_from',
    latest: `CASE WHEN EXISTS (SELECT FROM perennial.event e WHERE e.customer_id IS NULL
        AND e.subject = 'catalog' AND e.action = 'set_price' AND e.at = t.valid_from)
      THEN ${pastLimit} ELSE 'infinity' END`,
    reason: 'a price that was set from now on; a price that was set for later stays',
  },
];

/** The columns of `repairedColumns` that record the past, and those that a repair leaves alone. */
export const pastColumns: readonly { readonly table: string; readonly column: string }[] = [
  ...repairedColumns.filter(({ reason }) => reason === recordsThePast),
  { table: 'node', column: 'reconciled_at' },
  { table: 'node', column: 'boot_at' },
  { table: 'subscription', column: 'started_at' },
  { table: 'ledger_entry', column: 'created_at' },
  { table: 'period', column: 'refunded_at' },
  { table: 'event', column: 'at' },
  { table: 'migration', column: 'applied_at' },
];

/** The columns of `repairedColumns` before whose time something waits. */
export const waitingColumns = repairedColumns.filter(
  ({ table, column, reason }) =>
    reason !== recordsThePast &&
    column !== 'valid_from' &&
    column !== 'remind_at' &&
    `${table}.${column}` !== 'node.reconciled_at',
);

const serverTime = 'time of the server; links and sessions count only within their lifetime';

/** Times that stay as they are. */
export const keptColumns: Readonly<Record<string, string>> = {
  'audit_baseline.at': 'an audit at an earlier time checks everything',
  'audit_baseline.events_since': 'compared with rows that were there before',
  'audit_baseline.notices_since': 'compared with rows that were there before',
  'audit_result.at': 'shown to a person, and compared with nothing',
  'charge_forecast.at': 'the time of a charge; store-forecast replaces it daily',
  'clock_state.deletions_at': 'the time sentinel checks it',
  'clock_state.deletions_next_at': 'the time sentinel checks it',
  'clock_state.mark_at': 'the time sentinel lowers it',
  'clock_state.suspect_at': 'the time sentinel clears it',
  'clock_witness.at': 'the time sentinel checks it',
  'event.at': 'append-only',
  'installation.clock_at': 'the stored clock of a test database',
  'installation.clock_high_at': 'the mark by which a step back is detected',
  'ledger_entry.created_at': 'append-only; "clock report" lists the charges',
  'migration.applied_at': 'compared with nothing',
  'node.boot_at': 'names a boot; the keeper compares it with the uptime and counts users',
  'node.seeded_boot_at': 'names a boot',
  'stray.boot_at': 'names a boot',
  'operator_link.created_at': serverTime,
  'operator_link.expires_at': serverTime,
  'operator_link.revoked_at': serverTime,
  'operator_session.created_at': serverTime,
  'operator_session.ended_at': serverTime,
  'operator_session.expires_at': serverTime,
  'operator_session.last_used_at': serverTime,
  'period.ends_at': 'what was sold; "clock undo" refunds it',
  'period.refunded_at': 'compared with nothing but null',
  'price_review.after_at': 'the cursor of a walk by end',
  'pruned.before': 'history before it is gone',
  'period.starts_at': 'what was sold; "clock undo" refunds it',
  'period.moved_from': 'what was sold',
  'subscription.changes_at': 'the start of a period; terms in force too early are decided again',
  'subscription.expires_at': 'what was sold',
  'subscription.started_at': 'what was sold',
  'token.expires_at': 'chosen by the operator',
};
