import type pg from 'pg';

/** A statement that a client is about to send, or that was answered. */
export interface StatementEvent {
  readonly sql: string;
  /** Counts the statements of the whole pool from 1, BEGIN and COMMIT among them. */
  readonly n: number;
  readonly when: 'before' | 'after';
  /** Of the server's process, so that a test can end the connection. */
  readonly client: pg.PoolClient;
}

/**
 * What happens at a moment: to wait holds the statement up; to throw fails it as if the connection
 * had lost it (`before`: never sent; `after`: done, and the answer lost).
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
 * Puts `hook` before and after each statement that the pool's clients send. Statements in the
 * callback style and streams (COPY, cursors) are counted but can't be held up after.
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
