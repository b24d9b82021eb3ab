import pg from 'pg';
import type { TestDatabase } from './database.ts';

/** A database that can be restored in a fraction of the time of a new copy. */
export interface RestorePoint extends AsyncDisposable {
  /** Restores the state of the restore point. Sequences are not restored. */
  restore(): Promise<void>;
  /**
   * Ends the connection of another session by its server process, and waits until its locks are
   * free.
   */
  disconnect(processId: number): Promise<void>;
}

export async function createRestorePoint(
  database: Pick<TestDatabase, 'url'>,
): Promise<RestorePoint> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  const { rows } = await owner.query(
    `SELECT tablename FROM pg_tables WHERE schemaname = 'perennial' ORDER BY tablename`,
  );
  const tables = rows.map((row) => row.tablename as string);
  await owner.query('CREATE SCHEMA kept');
  for (const table of tables) {
    await owner.query(`CREATE TABLE kept.${table} AS TABLE perennial.${table}`);
  }
  // Foreign keys and append-only triggers are off, because the stored state was consistent as a
  // whole.
  const statements = tables.flatMap((table) => [
    `DELETE FROM perennial.${table}`,
    `INSERT INTO perennial.${table} OVERRIDING SYSTEM VALUE TABLE kept.${table}`,
  ]);
  const restoreSql = ['SET LOCAL session_replication_role = replica', ...statements].join(';\n');
  return {
    async restore() {
      await owner.query(restoreSql);
    },
    async disconnect(processId) {
      await owner.query('SELECT pg_terminate_backend($1, 5000)', [processId]);
    },
    [Symbol.asyncDispose]: () => owner.end(),
  };
}
