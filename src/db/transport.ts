import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { isLoopback } from './host.ts';

/** Whether this database is on another machine, and the connection to it has no TLS. */
export async function isUnencryptedRemote(db: Db, url: string): Promise<boolean> {
  const parsed = URL.parse(url);
  const host = parsed?.searchParams.get('host') ?? parsed?.hostname ?? '';
  if (isLoopback(decodeURIComponent(host))) return false;
  // The server's view is exact: options, environment and a proxy decide about TLS together.
  const { rows } = await sql<{ ssl: boolean }>`
    SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`.execute(db);
  return rows[0]?.ssl === false;
}
