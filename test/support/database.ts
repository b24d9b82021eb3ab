import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { inject } from 'vitest';
import { setClock } from '../../src/db/clock.ts';
import { type Db, openDatabase, openPool, type PoolOptions } from '../../src/db/connect.ts';
import { type Instant, parseInstant } from '../../src/kernel/instant.ts';
import { type PoolWatch, watchPool } from './watched-pool.ts';

/**
 * A database of one test, copied from the migrated template. `close` drops it, and fails if a
 * connection was used after its release (matrix F1).
 */
export interface TestDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Db;
  readonly watch: PoolWatch;
  /** The rows of a statement: `` await query<{ n: number }>`SELECT …` ``. */
  query<Row>(text: TemplateStringsArray, ...values: readonly unknown[]): Promise<Row[]>;
  /** Sets the stored clock. Before the first call the clock of the server counts. */
  setClock(now: string | Instant): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface DatabaseOptions extends PoolOptions {
  /** The initial time of the stored clock. */
  readonly now?: string | Instant;
  /** Wraps the pool (`hookPool`). */
  readonly wrapPool?: (pool: pg.Pool) => pg.Pool;
  /** An empty database without the schema. */
  readonly isEmpty?: boolean;
}

async function executeAdmin(statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('adminUrl') });
  await admin.connect();
  try {
    await admin.query(statement);
  } finally {
    await admin.end();
  }
}

/** `await using database = await createDatabase({ now: '2026-11-24T09:00:00Z' })`. */
export async function createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const template = options.isEmpty ? 'template0' : 'database_template';
  await executeAdmin(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
  const url = new URL(inject('adminUrl'));
  url.pathname = `/${name}`;
  const rawPool = openPool(url.href, options);
  const watch = watchPool(rawPool);
  const pool = options.wrapPool?.(rawPool) ?? rawPool;
  const db = openDatabase(pool);
  const close = async () => {
    await db.destroy();
    // Ends open sessions of the test and of its processes too.
    await executeAdmin(`DROP DATABASE ${name} WITH (FORCE)`);
    if (watch.violations.length > 0)
      throw new Error(`a connection was ${watch.violations.join('\n')}`);
  };
  const database: TestDatabase = {
    url: url.href,
    pool,
    db,
    watch,
    query: async <Row>(text: TemplateStringsArray, ...values: readonly unknown[]) =>
      (await sql<Row>(text, ...values).execute(db)).rows,
    setClock: (now) => setClock(db, typeof now === 'string' ? parseInstant(now, 'now') : now),
    close,
    [Symbol.asyncDispose]: close,
  };
  if (options.now !== undefined) await database.setClock(options.now);
  return database;
}
