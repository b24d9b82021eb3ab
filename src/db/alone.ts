import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import pg from 'pg';
import { clientConfig, connectClient, type Db, type Limits, longLimits } from './connect.ts';
import type { Books } from './schema.ts';

/** A separate connection for long work: as a `Db`, and as the client of the driver for COPY. */
export interface Connection {
  readonly db: Db;
  readonly client: pg.Client;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens the connection. Closing it rolls back an open transaction. */
export async function connectAlone(url: string, limits: Limits = longLimits): Promise<Connection> {
  const client = await connectClient(url, clientConfig(url, limits));
  const kept = Object.assign(client, { release: () => undefined });
  const pool: PostgresPool = { options: {}, connect: async () => kept, end: async () => undefined };
  const db = new Kysely<Books>({ dialect: new PostgresDialect({ pool }) });
  return { db, client, [Symbol.asyncDispose]: () => client.end() };
}

/**
 * Cancels the running statement of `client` when `signal` aborts, on a second connection. A later
 * statement is not cancelled, so the caller checks the signal between statements.
 */
export function cancelOn(
  signal: AbortSignal | undefined,
  url: string,
  client: pg.Client,
): Disposable {
  const cancel = async () => {
    const { processID } = client as pg.Client & { processID: number };
    const other = new pg.Client(clientConfig(url, longLimits));
    await other.connect();
    await other.query('SELECT pg_cancel_backend($1)', [processID]).finally(() => other.end());
  };
  // A server that is unreachable for this request does not complete the statement either.
  const onAbort = () => void cancel().catch(() => undefined);
  signal?.addEventListener('abort', onAbort);
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', onAbort) };
}
