import { sql } from 'kysely';
import { UsageFault } from '../kernel/faults.ts';
import { type Instant, isoTime, secondMs } from '../kernel/instant.ts';
import type { Db, Tx } from './connect.ts';

/** A replica whose clock differs by more raises an alarm and starts no run (rule 3). */
export const skewMaxMs = 30 * secondMs;

/** The time of the database: the stored clock of a test database, else the server's. */
export async function readClock(db: Db | Tx): Promise<Instant> {
  const { rows } = await sql<{ now: Instant }>`SELECT perennial.clock() AS now`.execute(db);
  return (rows[0] as { now: Instant }).now;
}

/** Sets the stored clock of a test database, forwards or back. @throws UsageFault on any other. */
export async function setClock(db: Db | Tx, now: Instant): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.installation SET clock_at = ${isoTime(now)},
      clock_high_at = greatest(clock_high_at, clock_at, ${isoTime(now)})
    WHERE test`.execute(db);
  if (numAffectedRows !== 1n) throw createNotATestFault();
}

/** Checked before a command with `--now` does anything. */
export function createNotATestFault(): UsageFault {
  return new UsageFault(
    'not_a_test',
    '--now: this database is not a test; only one made by "perennial migrate --test" has a clock that can be set',
  );
}

/** SQL of the server's own time. */
export const serverClock = sql`clock_timestamp()`;

/** The server's own time, without the stored clock of a test. Schedules use it. */
export async function readServerTime(db: Db | Tx): Promise<Instant> {
  const { rows } = await sql<{ server: Instant }>`SELECT clock_timestamp() AS server`.execute(db);
  return (rows[0] as { server: Instant }).server;
}
