import { hostname } from 'node:os';
import { sql } from 'kysely';
import pg from 'pg';
import { connectChecked, type Db, type Tx, toClientConfig, workLimits } from '../db/connect.ts';
import { openSingleConnection, type SingleConnection } from '../db/single-connection.ts';
import { anyOf } from '../db/unnest.ts';
import type { RunId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

// The number of a replica: an advisory lock on a separate connection while its process runs.
//
// The server frees the lock when the process ends, for any reason. So a run of an ended process is
// recognized without heartbeats and without clocks.

/** First key of the advisory locks on replica numbers ("peren" on a phone's keys). */
const lockClass = 73_736;

export interface Replica {
  /** host:pid, for people. */
  readonly name: string;
  /** The locked number; a new one after a lost connection. */
  lockNumber(): Promise<number>;
  /** A separate connection beside the pool, for long work on temporary tables. */
  connect(): Promise<SingleConnection>;
  /** Own runs that ended, but whose record could not be closed because the connection broke. */
  readonly unclosed: Set<RunId>;
  close(): Promise<void>;
}

export function openReplica(url: string): Replica {
  let lock: Promise<{ client: pg.Client; number: number }> | undefined;

  async function connectAndLock(): Promise<{ client: pg.Client; number: number }> {
    const config = toClientConfig(url, workLimits);
    const client = new pg.Client(config);
    // The connection broke, and with it the lock. The next run takes a new number.
    const dropLock = (): void => {
      lock = undefined;
    };
    client.on('error', dropLock);
    client.on('end', dropLock);
    await connectChecked(client, url, config);
    const locked = client.query(
      `SELECT n AS number, pg_advisory_lock($1, n)
       FROM (SELECT nextval('perennial.replica_number')::int AS n) AS next`,
      [lockClass],
    );
    // Each attempt opens a connection. An attempt without a number must close it.
    await locked.catch(() => client.end());
    const { rows } = await locked;
    return { client, number: rows[0].number as number };
  }

  return {
    name: `${hostname()}:${process.pid}`,
    unclosed: new Set(),
    async lockNumber() {
      lock ??= connectAndLock();
      const current = lock;
      // A failed attempt is not kept, so the next run tries again.
      current.catch(() => {
        if (lock === current) lock = undefined;
      });
      return (await current).number;
    },
    connect: () => openSingleConnection(url),
    async close() {
      const current = lock;
      lock = undefined;
      if (current !== undefined) await (await current).client.end();
    },
  };
}

/**
 * Closes the runs of ended processes as `lost`. Also closes own runs that could not be closed at
 * their end. Their work was rolled back or is complete.
 */
export async function closeLostRuns(
  db: Db | Tx,
  worker: string,
  replica: Replica,
  now: Instant,
): Promise<void> {
  const unclosed = [...replica.unclosed];
  await sql`
    UPDATE perennial.worker_run r SET outcome = 'lost', finished_at = ${isoTime(now)}
    WHERE r.outcome = 'running'
      AND (r.id = ${anyOf('bigint', unclosed)} OR r.worker = ${worker} AND NOT EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = ${lockClass} AND l.objid = r.replica_number
          AND l.objsubid = 2 AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())))`.execute(
    db,
  );
  for (const id of unclosed) replica.unclosed.delete(id);
}
