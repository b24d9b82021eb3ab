import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { Instant } from '../kernel/instant.ts';

export interface InstallationFacts {
  /** The time of the database: the stored clock of a demo. */
  readonly now: Instant;
  readonly isDemo: boolean;
}

export async function readInstallationFacts(db: Db): Promise<InstallationFacts> {
  const { rows } = await sql<InstallationFacts>`
    SELECT perennial.clock() AS now, made_by = 'demo' AS "isDemo"
    FROM perennial.installation`.execute(db);
  return rows[0] as InstallationFacts;
}
