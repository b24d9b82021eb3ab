import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';

// Marks of what the dashboard shows: a mark that differs from the last one is a change.
//
// One statement reads all marks, every 2 s on each replica with an open page. Its cost does not
// depend on the size of a table: it reads the ends of indexes, small tables, and counters of the
// server. The server updates a counter up to 10 s late.

export const changeTopics = [
  'runs',
  'ledger',
  'events',
  'notices',
  'nodes',
  'quarantine',
  'alarms',
  'bulk',
  'clock',
  'audit',
] as const;
export type ChangeTopic = (typeof changeTopics)[number];

export type ChangeMarks = Readonly<Record<ChangeTopic, string | null>>;

/** Insertions, updates and deletions since the start of the counters. */
const countWrites = (table: string) => sql`(SELECT concat_ws(' ',
  pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
  pg_stat_get_tuples_deleted(c.oid))
  FROM pg_class c WHERE c.oid = ${`perennial.${table}`}::regclass)`;

/**
 * The last id, which is taken before the commit, and the counters after the commit. No index of
 * these tables is in the order of the ids.
 */
const countRows = (table: string) =>
  sql`concat_ws(' ', (SELECT last_value FROM ${sql.table(`perennial.${table}_id_seq`)}),
    ${countWrites(table)})`;

/** Runs change only at their end. More runs do not end within 2 s. */
const latestRuns = sql`(SELECT string_agg(concat_ws(' ', r.id, r.outcome), ',')
  FROM (SELECT id, outcome FROM perennial.worker_run ORDER BY id DESC LIMIT 50) r)`;

const nodes = sql`(SELECT string_agg(concat_ws(' ', n.id, n.failures, n.open_until, n.down_since,
    n.boot_at, n.seeded_boot_at, n.seed_marked, n.reconciled_at, n.last_error, n.reconcile_error,
    n.link_error), ',' ORDER BY n.id)
  FROM perennial.node n)`;

const quarantine = sql`(SELECT string_agg(concat_ws(' ', q.worker, q.item, q.attempts), ',')
  FROM (SELECT worker, item, attempts FROM perennial.quarantine
    ORDER BY worker, item LIMIT 100) q)`;

const runningJobs = sql`(SELECT string_agg(concat_ws(' ', b.id, b.done, b.skipped, b.failed), ',')
  FROM (SELECT id, done, skipped, failed FROM perennial.bulk_job
    WHERE state = 'running' ORDER BY id LIMIT 100) b)`;

export async function readChangeMarks(db: Db): Promise<ChangeMarks> {
  const { rows } = await sql<ChangeMarks>`
    SELECT md5(${latestRuns}) AS runs,
      ${countRows('ledger_entry')} AS ledger, ${countRows('event')} AS events,
      ${countRows('notification')} AS notices,
      md5(concat_ws(' ', ${nodes}, ${countWrites('access_sync')})) AS nodes,
      md5(concat_ws(' ', ${quarantine}, ${countWrites('quarantine')})) AS quarantine,
      (SELECT t.id FROM perennial.notification t WHERE t.customer_id IS NULL
        ORDER BY t.customer_id DESC, t.id DESC LIMIT 1)::text AS alarms,
      md5(concat_ws(' ', ${countRows('bulk_job')}, ${runningJobs})) AS bulk,
      (SELECT concat_ws(' ', suspect_cause, suspect_at) FROM perennial.clock_state) AS clock,
      (SELECT string_agg(concat_ws(' ', kind, at, took_ms), ',' ORDER BY kind)
        FROM perennial.audit_result) AS audit`.execute(db);
  return rows[0] as ChangeMarks;
}

/** The topics whose marks differ. */
export const compareMarks = (before: ChangeMarks, after: ChangeMarks): ChangeTopic[] =>
  changeTopics.filter((topic) => before[topic] !== after[topic]);
