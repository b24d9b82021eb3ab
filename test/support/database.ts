import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { setClock } from '../../src/db/clock.ts';
import { type Db, openDatabase, openPool, type PoolOptions } from '../../src/db/connect.ts';
import { type Instant, parseInstant } from '../../src/kernel/instant.ts';
import { type PoolWatch, watchPool } from './watched-pool.ts';

/**
 * Books of a test's own: a database copied from the migrated template, dropped by `close`, which
 * fails where a connection was used after its release (matrix F1).
 */
export interface TestDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Db;
  readonly watch: PoolWatch;
  /** Sets the stored clock; until then the books go by the server's. */
  setClock(now: string | Instant): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface DatabaseOptions extends PoolOptions {
  /** Where the stored clock stands at first. */
  readonly now?: string | Instant;
  /** Puts something between the books and their connections (`hookPool`). */
  readonly wrapPool?: (pool: pg.Pool) => pg.Pool;
  /** An empty database instead: without the schema. */
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

/** `await using books = await freshBooks({ now: '2026-11-24T09:00:00Z' })`. */
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
    // With what a test left open, also in processes that it started.
    await executeAdmin(`DROP DATABASE ${name} WITH (FORCE)`);
    if (watch.violations.length > 0)
      throw new Error(`a connection was ${watch.violations.join('\n')}`);
  };
  const database: TestDatabase = {
    url: url.href,
    pool,
    db,
    watch,
    setClock: (now) => setClock(db, typeof now === 'string' ? parseInstant(now, 'now') : now),
    close,
    [Symbol.asyncDispose]: close,
  };
  if (options.now !== undefined) await database.setClock(options.now);
  return database;
}
