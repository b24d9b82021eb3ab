import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import type pg from 'pg';
import { clientConfig, connectClient, type Db, type Limits, longLimits } from './connect.ts';
import type { Books } from './schema.ts';

/** One connection of its own, for long work: as the books, and as the driver's client for COPY. */
export interface Connection {
  readonly db: Db;
  readonly client: pg.Client;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens it. What its transaction did and didn't commit is undone when it is closed. */
export async function connectAlone(url: string, limits: Limits = longLimits): Promise<Connection> {
  const client = await connectClient(url, clientConfig(url, limits));
  const kept = Object.assign(client, { release: () => undefined });
  const pool: PostgresPool = { options: {}, connect: async () => kept, end: async () => undefined };
  const db = new Kysely<Books>({ dialect: new PostgresDialect({ pool }) });
  return { db, client, [Symbol.asyncDispose]: () => client.end() };
}
