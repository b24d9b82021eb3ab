import pg from 'pg';
import { until } from '../../../testbed/until.ts';

// A gate that holds the batches of another process after their inserts and before their commit. A
// trigger on `period` or `notification` takes a lock that the test may hold.

const lockNumber = 20_261_124;

export interface BatchGate extends AsyncDisposable {
  /** Returns when this number of batches waits at the gate. */
  untilHeld(batches?: number): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Creates an open gate. `endless` turns off the lock time-out of the batch at the gate. */
export async function createBatchGate(
  url: string,
  wait: 'bounded' | 'endless' = 'bounded',
  table: 'period' | 'notification' = 'period',
): Promise<BatchGate> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(`
    CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql
      ${wait === 'endless' ? "SET lock_timeout = '0'" : ''} AS $$ BEGIN
      PERFORM pg_advisory_xact_lock_shared(${lockNumber}); RETURN NULL;
    END $$;
    CREATE TRIGGER gate AFTER INSERT ON perennial.${table}
      FOR EACH STATEMENT EXECUTE FUNCTION public.gate()`);
  return {
    untilHeld: (batches = 1) =>
      until(`batches before the gate: ${batches}`, async () => {
        const { rowCount } = await client.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${lockNumber} AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        return (rowCount ?? 0) < batches ? undefined : true;
      }).then(() => undefined),
    async open() {
      await client.query(`SELECT pg_advisory_unlock(${lockNumber})`);
    },
    async close() {
      await client.query(`SELECT pg_advisory_lock(${lockNumber})`);
    },
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}
