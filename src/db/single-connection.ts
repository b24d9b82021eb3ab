import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import type pg from 'pg';
import {
  connectClient,
  type Db,
  longLimits,
  type SessionLimits,
  toClientConfig,
} from './connect.ts';
import type { Database } from './schema.ts';

/** A separate connection for long work: as a `Db`, and as the client of the driver for COPY. */
export interface SingleConnection {
  readonly db: Db;
  readonly client: pg.Client;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens the connection. Closing it rolls back an open transaction. */
export async function openSingleConnection(
  url: string,
  limits: SessionLimits = longLimits,
): Promise<SingleConnection> {
  const client = await connectClient(url, toClientConfig(url, limits));
  const pooledClient = Object.assign(client, { release: () => undefined });
  const pool: PostgresPool = {
    options: {},
    connect: async () => pooledClient,
    end: async () => undefined,
  };
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return { db, client, [Symbol.asyncDispose]: () => client.end() };
}

/**
 * Cancels the running statement of `client` when `signal` aborts, on a second connection. A later
 * statement is not cancelled, so the caller checks the signal between statements.
 */
export function cancelOnAbort(
  signal: AbortSignal | undefined,
  url: string,
  client: pg.Client,
): Disposable {
  const cancel = async () => {
    const { processID } = client as pg.Client & { processID: number };
    const cancelClient = await connectClient(url, toClientConfig(url, longLimits));
    await cancelClient
      .query('SELECT pg_cancel_backend($1)', [processID])
      .finally(() => cancelClient.end());
  };
  // A server that is unreachable for this request does not complete the statement either.
  const onAbort = () => void cancel().catch(() => undefined);
  signal?.addEventListener('abort', onAbort);
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', onAbort) };
}
