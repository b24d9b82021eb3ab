import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';

/** The progress of a run. */
export interface RunProgress {
  readonly examined: bigint;
  readonly changed: bigint;
  readonly failed: bigint;
}

/**
 * @returns the progress of the active run of this worker on this replica; undefined: none is active
 */
export async function readRunProgress(
  db: Db,
  worker: string,
  replica: string,
): Promise<RunProgress | undefined> {
  const { rows } = await sql<RunProgress>`
    SELECT examined, changed, failed FROM perennial.worker_run
    WHERE worker = ${worker} AND outcome = 'running' AND replica = ${replica}
    ORDER BY id DESC LIMIT 1`.execute(db);
  return rows[0];
}
