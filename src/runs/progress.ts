import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';

/** How far a run is. */
export interface RunProgress {
  readonly examined: bigint;
  readonly changed: bigint;
  readonly failed: bigint;
}

/** How far the run of a worker that this replica is at is; undefined when it is at none. */
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
