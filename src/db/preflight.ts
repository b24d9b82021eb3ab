import { UsageFault } from '../kernel/faults.ts';
import { describeDatabase } from './database-url.ts';
import type { QueryClient } from './schema-state.ts';

// Errors for people about a database that is unreachable or unsuitable.

interface ConnectionError extends Error {
  readonly code?: string;
  readonly errors?: readonly ConnectionError[];
}

/** The reason of a failed connection, with the place and the remedy. */
export function createConnectionFault(url: string, error: unknown): UsageFault {
  const refusal = error instanceof Error && !(error instanceof UsageFault) ? error.cause : error;
  if (refusal instanceof UsageFault) return refusal;
  const connectionError = (
    error instanceof Error ? error : new Error(String(error))
  ) as ConnectionError;
  // With several addresses of a name, the failure of each one is inside.
  const code = connectionError.code ?? connectionError.errors?.[0]?.code ?? '';
  const createFault = (fault: string, sentence: string) =>
    new UsageFault(fault, `database ${describeDatabase(url)}: ${sentence}`, error);
  switch (code) {
    case '28P01':
    case '28000':
      return createFault('database_auth', 'refused the user or password; check them in the URL');
    case '3D000':
      return createFault('no_database', 'does not exist; create it (createdb), or correct the URL');
    case '53300':
    case '57P03':
      return createFault(
        'database_busy',
        `accepts no connection now (${connectionError.message}); try again later`,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return createFault('unreachable', 'the host does not exist; check the URL');
    case 'ECONNREFUSED':
    case 'ENOENT':
      return createFault('unreachable', 'no server answers; start PostgreSQL, or correct the URL');
  }
  if (/unsupported startup parameter/.test(connectionError.message)) {
    return createFault(
      'pooler_refused',
      `the pooler refuses a setting of the session (${connectionError.message}); connect to PostgreSQL directly, or use session mode with ignore_startup_parameters=options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits`,
    );
  }
  if (/SASL|password must be a string/.test(connectionError.message)) {
    return createFault('database_auth', 'requires a password; write it into the URL');
  }
  const reason = connectionError.message || code;
  return createFault('unreachable', `can't be reached (${reason}); check the URL and the network`);
}

/** The fault of a missing right; undefined for any other failure. */
export function createRightsFault(url: string, error: unknown): UsageFault | undefined {
  if ((error as { code?: unknown } | undefined)?.code !== '42501') return undefined;
  const reason = (error as Error).message;
  const sentence = `database ${describeDatabase(url)}: its user lacks a right (${reason}); grant it`;
  return new UsageFault('database_rights', sentence, error);
}

/** The oldest supported PostgreSQL: the statements need its features. */
const oldestServer = 15;

/** @throws UsageFault for a server that is too old, a standby, or one that is read-only. */
export async function checkServer(client: QueryClient, database: string): Promise<void> {
  const { rows } = await client.query(`
    SELECT current_setting('server_version_num')::int / 10000 AS version,
           pg_is_in_recovery() AS standby,
           current_setting('default_transaction_read_only')::boolean AS read_only`);
  const [server] = rows as [{ version: number; standby: boolean; read_only: boolean }];
  if (server.version < oldestServer) {
    throw new UsageFault(
      'server_too_old',
      `database ${database}: is PostgreSQL ${server.version}; expected ${oldestServer} or newer`,
    );
  }
  if (server.standby || server.read_only) {
    const reason = server.standby ? 'is a standby' : 'has default_transaction_read_only on';
    throw new UsageFault(
      'read_only',
      `database ${database}: ${reason}, so nothing can be written; use a writable primary`,
    );
  }
}
