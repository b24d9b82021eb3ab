import { sql } from 'kysely';
import { type Db, startSnapshot, type Tx } from '../db/connect.ts';

// The snapshot of a report: a transaction that cannot write, and reads no later commit.

/** Starts a snapshot. The caller ends it. */
export async function startReportSnapshot(db: Db) {
  const tx = await startSnapshot(db);
  // With less memory, a million periods need temporary files. A compilation of these statements
  // takes longer than it saves.
  await sql`
    SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true),
      set_config('statement_timeout', '0', true)`.execute(tx);
  return tx;
}

export async function readInSnapshot<T>(db: Db, read: (tx: Tx) => Promise<T>): Promise<T> {
  const tx = await startReportSnapshot(db);
  try {
    return await read(tx);
  } finally {
    await tx.rollback().execute();
  }
}
