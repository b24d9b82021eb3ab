import type pg from 'pg';
import { openDatabase, openPool } from '../../src/db/connect.ts';
import type { TestDatabase } from './database.ts';

/** A statement that a client is about to send, or that was answered. */
export interface StatementEvent {
  readonly sql: string;
  /** The number of the statement in the whole pool, from 1. BEGIN and COMMIT count too. */
  readonly n: number;
  readonly when: 'before' | 'after';
  /** The pid of the server process, so that a test can end the connection. */
  readonly client: pg.PoolClient;
}

/**
 * The effect at this point. A promise delays the statement. An error fails it as if the connection
 * broke: with `before` it was never sent, with `after` it was executed and its answer is lost.
 */
export type StatementHook = (moment: StatementEvent) => Promise<void> | void;

type QueryFunction = (...args: unknown[]) => unknown;

function toSql(query: unknown): string {
  if (typeof query === 'string') return query;
  return String((query as { text?: unknown } | undefined)?.text ?? '');
}

function isStream(query: unknown): boolean {
  return typeof (query as { submit?: unknown } | undefined)?.submit === 'function';
}

/**
 * Calls `hook` before and after each statement of the pool's clients. Statements with callbacks and
 * streams (COPY, cursors) count, but cannot be delayed after their execution.
 */
export function hookPool(pool: pg.Pool, hook: StatementHook): pg.Pool {
  let count = 0;
  pool.on('connect', (client) => {
    const originalQuery = (client.query as QueryFunction).bind(client);
    const hookedQuery: QueryFunction = (...args) => {
      count += 1;
      const n = count;
      const sql = toSql(args[0]);
      if (isStream(args[0]) || typeof args.at(-1) === 'function') return originalQuery(...args);
      const run = async () => {
        await hook({ sql, n, when: 'before', client: client as pg.PoolClient });
        const answer = await originalQuery(...args);
        await hook({ sql, n, when: 'after', client: client as pg.PoolClient });
        return answer;
      };
      return run();
    };
    Object.assign(client, { query: hookedQuery });
  });
  return pool;
}

/** The same database by separate connections, whose statements call `hook`. */
export function hookDatabase(
  database: TestDatabase,
  hook: StatementHook = () => undefined,
): TestDatabase {
  const pool = hookPool(openPool(database.url), hook);
  const db = openDatabase(pool);
  const close = () => db.destroy();
  return { ...database, pool, db, close, [Symbol.asyncDispose]: close };
}
