import pg from 'pg';
import type { TestDatabase } from './database.ts';

// Sessions that hold locks, and sessions that wait for them.

/** A session of another program, `psql`, with an open transaction. */
export interface LockHolder {
  readonly pid: number;
  /** The number of rows that the statement locked. */
  readonly rowCount: number;
  release(): Promise<void>;
}

/** Holds the locks of a statement. */
export async function holdLocks(
  { url }: Pick<TestDatabase, 'url'>,
  statement: string,
): Promise<LockHolder> {
  const session = new pg.Client({ connectionString: url, application_name: 'psql' });
  // A test may close its database without a release.
  session.on('error', () => undefined);
  await session.connect();
  const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
  await session.query('BEGIN');
  const { rowCount } = await session.query(statement);
  return {
    pid: rows[0].pid,
    rowCount: rowCount ?? 0,
    async release() {
      await session.query('ROLLBACK');
      await session.end();
    },
  };
}

/** The number of sessions of this database that wait for a lock. */
export async function countBlocked({ query }: Pick<TestDatabase, 'query'>): Promise<number> {
  const blocked = await query`
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return blocked.length;
}
