import { sql } from 'kysely';
import type { QueryClient } from './schema-state.ts';

// Sessions whose open transaction holds a lock that others wait for.

export interface LockHolder {
  readonly pid: number;
  readonly application: string;
  readonly state: string;
  /** The age of the transaction in seconds. */
  readonly ageS: number;
}

/** All table locks of the schema, or row locks only. */
const lockFilters = {
  any: '',
  rows: `AND l.mode IN ('RowShareLock', 'RowExclusiveLock')`,
} as const;

/**
 * The session with the oldest open transaction that has a lock on a table of the schema. This
 * session is excluded.
 * @param table null: any table of the schema. Reads the catalogs, so it waits for no lock
 */
export async function findLockHolder(
  client: QueryClient,
  mode: keyof typeof lockFilters,
  table: string | null = null,
): Promise<LockHolder | undefined> {
  const { rows } = await client.query(
    `SELECT a.pid, a.application_name AS application, coalesce(a.state, 'unknown') AS state,
       ${toAgeSql('a')} AS "ageS"
     FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
       AND a.xact_start IS NOT NULL AND EXISTS (
         SELECT FROM pg_locks l
         JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = a.pid AND l.granted ${lockFilters[mode]}
           AND c.relnamespace = to_regnamespace('perennial')
           AND ($1::text IS NULL OR c.relname = $1))
     ORDER BY a.xact_start LIMIT 1`,
    [table],
  );
  return rows[0] as LockHolder | undefined;
}

const toAgeSql = (session: string) =>
  `extract(epoch FROM clock_timestamp() - ${session}.xact_start)::float8`;

/** The age of the open transaction of a row of `pg_stat_activity`, in seconds. */
export const transactionAgeSql = (session: string) => sql.raw(toAgeSql(session));

/** `process 4711 (psql, idle in transaction, for 34 s)`. */
export function formatLockHolder({ pid, application, state, ageS }: LockHolder): string {
  return `process ${pid} (${application || 'no name'}, ${state}, for ${Math.round(ageS)} s)`;
}
