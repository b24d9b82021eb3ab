import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { formatLockHolder, transactionAgeSql } from '../../db/lock-holders.ts';
import { dayMs, type Instant, isoTime, later, minuteMs } from '../../kernel/instant.ts';
import type { Alarm, OpenAlarm } from '../../outbox/alarms.ts';
import { graceMs } from '../../subscription/rules/expiry.ts';
import { readSettings } from '../../subscription/store/settings.ts';
import { readUndelivered, undeliveredWorker } from './undelivered.ts';

// Items that are due and that a worker passes over. `undelivered.ts` has those of couriers.
//
// 1. An item was passed over if a complete run began 5 minutes after the item became due, and the
//    item is still due. A run skips an item if another session has locked a row of it: its
//    customer, subscription, live credential, period or known price. A revival and a change of
//    terms are items as well.
// 2. An item is also passed over while a transaction that is older than 5 minutes holds such a row.
// 3. If for an hour no run was complete, an item is overdue after an hour.
// 4. A guard has its own alarm, and so has quarantine of the same worker. An end also waits for
//    auto-renewal while the subscription is in its quarantine, until the grace and an hour are
//    over.
// 5. The alarm names the session that holds the row.

/** A command holds a customer for milliseconds, and every worker runs again within this time. */
const skippedMs = 5 * minuteMs;
/** A backlog of a million takes minutes. */
const backlogMs = 60 * minuteMs;
/** The oldest items are enough for an alarm. */
const itemsMax = 1_000;

/** The due items of each worker: its indexes, and the latest time at which each item was due. */
const dueQueries: Readonly<
  Record<string, (now: Instant, windowMs: number) => RawBuilder<unknown>>
> = {
  'auto-renewal': (now, windowMs) => sql`
    (SELECT s.id, s.customer_id, s.expires_at AS due_at FROM perennial.subscription s
     WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL AND s.state = 'active'
       AND s.expires_at <= ${isoTime(later(now, windowMs))}
     ORDER BY s.expires_at, s.id LIMIT ${itemsMax})
    UNION ALL
    (SELECT s.id, s.customer_id, s.next_try_at FROM perennial.subscription s
     WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NOT NULL AND s.state = 'active'
       AND s.next_try_at <= ${isoTime(now)}
     ORDER BY s.next_try_at, s.id LIMIT ${itemsMax})
    UNION ALL
    (SELECT s.id, s.customer_id, coalesce(s.woken_at, s.expires_at) FROM perennial.subscription s
     WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL AND s.state = 'expired'
       AND s.expires_at <= ${isoTime(now)}
     ORDER BY s.expires_at, s.id LIMIT ${itemsMax})`,
  'fast-expiry-cleanup': (now) => sql`
    (SELECT s.id, s.customer_id, s.expires_at AS due_at FROM perennial.subscription s
     WHERE s.state = 'active' AND s.expires_at <= ${isoTime(now)}
     ORDER BY s.expires_at, s.id LIMIT ${itemsMax})
    UNION ALL
    (SELECT s.id, s.customer_id, s.changes_at FROM perennial.subscription s
     WHERE s.state = 'active' AND s.changes_at IS NOT NULL AND s.changes_at <= ${isoTime(now)}
       AND s.expires_at > ${isoTime(now)}
     ORDER BY s.changes_at, s.id LIMIT ${itemsMax})`,
  'trial-notifications': (now) => selectDueReminders('trial', now),
  'expiry-reminders': (now) => selectDueReminders('paid', now),
};

const selectDueReminders = (kind: string, now: Instant) => sql`
  SELECT s.id, s.customer_id, s.remind_at AS due_at FROM perennial.subscription s
  WHERE s.state = 'active' AND s.remind_at <= ${isoTime(now)} AND s.kind = ${kind}
  ORDER BY s.remind_at, s.id LIMIT ${itemsMax}`;

/** @returns one alarm for each worker that passes items over */
export async function readOverdueAlarms(
  tx: Tx,
  now: Instant,
  open: readonly OpenAlarm[],
  isPreview: boolean,
): Promise<Alarm[]> {
  const { windowMs } = await readSettings(tx);
  const { rows: states } = await sql<WorkerState & { readonly worker: string }>`
    SELECT s.worker, s.passed_at AS "passedAt", EXISTS (SELECT FROM perennial.worker_run r
      WHERE r.worker = s.worker AND r.started_at > coalesce(s.passed_at, '-infinity')
        AND r.started_at > ${isoTime(later(now, -dayMs))}
        AND r.started_at < ${isoTime(later(now, -backlogMs))}) AS "isBehind"
    FROM perennial.worker_state s ORDER BY s.worker`.execute(tx);
  const alarms: Alarm[] = [];
  for (const { worker, ...state } of states) {
    const dueQuery = dueQueries[worker];
    if (dueQuery === undefined || isHeld(worker, open)) continue;
    const due = dueQuery(now, windowMs);
    alarms.push(
      ...(await readPassedOver(tx, { worker, due, before: toDueBefore(state, now), now })),
    );
  }
  const notices = await readUndelivered(tx, now, open, isPreview);
  if (notices === undefined) return alarms;
  const passedOver = { worker: undeliveredWorker, before: 'infinity', now, ...notices };
  return [...alarms, ...(await readPassedOver(tx, passedOver))];
}

interface WorkerState {
  readonly passedAt: Instant | null;
  /** Runs have begun for an hour, and none was complete. */
  readonly isBehind: boolean;
}

/**
 * Items that were due before this time are overdue. null: none is. A run of the future does not
 * count.
 */
function toDueBefore({ passedAt, isBehind }: WorkerState, now: Instant): string | null {
  if (isBehind) return isoTime(later(now, -backlogMs));
  return passedAt === null || passedAt > now ? null : isoTime(later(passedAt, -skippedMs));
}

const isHeld = (worker: string, open: readonly OpenAlarm[]): boolean =>
  open.some((alarm) => alarm.kind.endsWith('guard') && alarm.worker === worker);

interface OverdueRow {
  readonly items: bigint;
  readonly oldest: Instant | null;
  readonly pid: number | null;
  readonly application: string;
  readonly state: string;
  readonly ageS: number;
}

interface PassedOverQuery {
  readonly worker: string;
  readonly due: RawBuilder<unknown>;
  /** Items that were due before this time are overdue. null: none is. */
  readonly before: string | null;
  readonly now: Instant;
  /** The default names the session that holds the customers. */
  readonly cause?: string | undefined;
}

/** True if the row `q` of quarantine is the reason why this worker leaves the item `due`. */
const isQuarantineReason = (worker: string, now: Instant) =>
  worker === 'fast-expiry-cleanup'
    ? sql`(q.worker = ${worker} OR q.worker = 'auto-renewal'
        AND due.due_at > ${isoTime(later(now, -graceMs - backlogMs))}::timestamptz)`
    : sql`q.worker = ${worker}`;

/**
 * `xmax` has the locker of a row. Its transaction is open while it holds the lock on its id.
 */
const holders = sql`
  SELECT l.transactionid AS xid, a.pid, a.application_name, a.state, ${transactionAgeSql('a')} AS age_s
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
    AND l.pid <> pg_backend_pid()`;

/** The lockers of the rows of an item of `due`. The item of a courier is no subscription. */
const toLockers = (worker: string) =>
  worker === undeliveredWorker ? customerLockers : subscriptionLockers;

const customerLockers = sql`SELECT c.xmax FROM perennial.customer c WHERE c.id = due.customer_id`;

const subscriptionLockers = sql`${customerLockers}
  UNION ALL SELECT s.xmax FROM perennial.subscription s WHERE s.id = due.id
  UNION ALL SELECT k.xmax FROM perennial.credential k
    WHERE k.subscription_id = due.id AND k.retired_at IS NULL
  UNION ALL SELECT p.xmax FROM perennial.period p WHERE p.subscription_id = due.id
  UNION ALL SELECT k.xmax FROM perennial.known_price k WHERE k.subscription_id = due.id`;

async function readPassedOver(
  tx: Tx,
  { worker, due, before, now, cause }: PassedOverQuery,
): Promise<Alarm[]> {
  const { rows } = await sql<OverdueRow>`
    WITH due AS MATERIALIZED (${due}), holder AS MATERIALIZED (${holders}),
    item AS (
      SELECT due.*, h.pid, h.application_name, h.state, h.age_s
      FROM due LEFT JOIN LATERAL (
        SELECT holder.* FROM holder WHERE holder.xid IN (${toLockers(worker)})
        ORDER BY age_s DESC LIMIT 1) h ON true
      WHERE NOT EXISTS (SELECT FROM perennial.quarantine q
        WHERE q.item = due.id::text AND ${isQuarantineReason(worker, now)})),
    overdue AS (
      SELECT * FROM item
      WHERE due_at < ${before}::timestamptz OR age_s * 1000 >= ${skippedMs}::float8)
    SELECT count(*) AS items, min(overdue.due_at) AS oldest, h.pid,
      coalesce(h.application_name, '') AS application, coalesce(h.state, '') AS state,
      coalesce(h.age_s, 0) AS "ageS"
    FROM overdue LEFT JOIN (SELECT pid, application_name, state, age_s FROM overdue WHERE pid IS NOT NULL
      ORDER BY age_s DESC LIMIT 1) h ON true
    GROUP BY h.pid, h.application_name, h.state, h.age_s`.execute(tx);
  return rows.flatMap(({ items, oldest, pid, application, state, ageS }): Alarm[] => {
    if (oldest === null) return [];
    const holder = pid === null ? undefined : formatLockHolder({ pid, application, state, ageS });
    const locked = holder === undefined ? 'no session holds them now' : `locked by ${holder}`;
    const oldest_at = isoTime(oldest);
    const params = { worker, items: Number(items), oldest_at, cause: cause ?? locked };
    return [{ kind: 'alarm_overdue', params }];
  });
}
