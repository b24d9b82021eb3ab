import { sql } from 'kysely';
import type { Querying } from './schema-state.ts';

// Sessions whose open transaction holds a lock that others wait for.

export interface Holder {
  readonly pid: number;
  readonly application: string;
  readonly state: string;
  /** The age of the transaction in seconds. */
  readonly ageS: number;
}

/** All table locks of the schema, or row locks only. */
const modes = { any: '', rows: `AND l.mode IN ('RowShareLock', 'RowExclusiveLock')` } as const;

/**
 * The session with the oldest open transaction that has a lock on a table of the schema, except this
 * one.
 * @param table null: any table of the schema. Reads the catalogs, so it waits for no lock
 */
export async function findHolder(
  client: Querying,
  mode: keyof typeof modes,
  table: string | null = null,
): Promise<Holder | undefined> {
  const { rows } = await client.query(
    `SELECT a.pid, a.application_name AS application, coalesce(a.state, 'unknown') AS state,
       ${ageSql('a')} AS "ageS"
     FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
       AND a.xact_start IS NOT NULL AND EXISTS (
         SELECT FROM pg_locks l
         JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = a.pid AND l.granted ${modes[mode]}
           AND c.relnamespace = to_regnamespace('perennial')
           AND ($1::text IS NULL OR c.relname = $1))
     ORDER BY a.xact_start LIMIT 1`,
    [table],
  );
  return rows[0] as Holder | undefined;
}

const ageSql = (session: string) =>
  `extract(epoch FROM clock_timestamp() - ${session}.xact_start)::float8`;

/** The age of the open transaction of a row of `pg_stat_activity`, in seconds. */
export const transactionAgeS = (session: string) => sql.raw(ageSql(session));

/** `process 4711 (psql, idle in transaction, for 34 s)`. */
export function holderText({ pid, application, state, ageS }: Holder): string {
  return `process ${pid} (${application || 'no name'}, ${state}, for ${Math.round(ageS)} s)`;
}
