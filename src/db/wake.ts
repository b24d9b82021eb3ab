import { sql } from 'kysely';
import type { Tx } from './connect.ts';

/** PostgreSQL's channel on which a service hears that a worker has something to do. */
export const wakeChannel = 'perennial_wake';

/** The worker is woken when the transaction commits; a wake-up that is lost costs a tick's time. */
export async function wakeWorker(tx: Tx, worker: string): Promise<void> {
  await sql`SELECT pg_notify(${wakeChannel}, ${worker})`.execute(tx);
}
