import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';

/** A database whose clock can be wrong. No clock is stored, so the sentinel does not trust it. */
export interface FaultyClock {
  /** Moves the clock of the database by this much. 0 corrects it. */
  jump(byMs: number): Promise<void>;
}

/** Replaces the clock of the server by one that can jump. */
export async function installFaultyClock(db: Db): Promise<FaultyClock> {
  await sql`CREATE TABLE public.clock_fault AS SELECT 0::float8 AS by_ms`.execute(db);
  await sql`
    CREATE OR REPLACE FUNCTION perennial.clock() RETURNS timestamptz(3) LANGUAGE sql VOLATILE AS $$
      SELECT date_trunc('milliseconds', clock_timestamp() + by_ms * interval '1 millisecond')
      FROM public.clock_fault $$`.execute(db);
  return {
    async jump(byMs) {
      await sql`UPDATE public.clock_fault SET by_ms = ${byMs}`.execute(db);
    },
  };
}
