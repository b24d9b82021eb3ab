import { expect } from 'vitest';
import type { TestDatabase } from './database.ts';

// Faults that a test expects, and faults of single rows that it causes.

/** Waits for a refusal with this code. */
export async function expectFault(work: Promise<unknown> | undefined, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}

/**
 * Lets each write of some rows fail with `pg_P0001`.
 * @param write for example `INSERT ON perennial.period`
 * @param rows a condition on `NEW`
 */
export async function refuseRows(
  { pool }: Pick<TestDatabase, 'pool'>,
  write: string,
  rows = 'true',
): Promise<void> {
  await pool.query(`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'poisoned';
    END $$;
    CREATE TRIGGER refuse BEFORE ${write} FOR EACH ROW
      WHEN (${rows}) EXECUTE FUNCTION public.refuse()`);
}

/** Ends the effect of `refuseRows`. */
export async function acceptRows({ pool }: Pick<TestDatabase, 'pool'>): Promise<void> {
  await pool.query('DROP FUNCTION public.refuse CASCADE');
}
