import { type ControlledTransaction, Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { Fault } from '../kernel/faults.ts';
import { type Instant, instant, never, secondMs } from '../kernel/instant.ts';
import { wakeAfterCommit } from './notify.ts';
import type { Database } from './schema.ts';
import { toSessionUrl } from './session.ts';
import { checkSession } from './session-check.ts';

export type Db = Kysely<Database>;
/** An open transaction. Code that holds one cannot reach a node or a channel (promise 8). */
export type Tx = Transaction<Database>;

export interface SessionLimits {
  /** The server ends a longer statement. 0: no limit. */
  readonly statementMs: number;
  /** A longer wait for a lock fails. By rule 1 no transaction waits while it holds a customer. */
  readonly lockMs: number;
  /** The server ends the open transaction of a program that hangs, and frees its locks. */
  readonly idleInTransactionMs: number;
}

/** For workers and commands. A batch of 1,000 takes 0.1 s, so only an accident reaches a limit. */
export const workLimits: SessionLimits = {
  statementMs: 30 * secondMs,
  lockMs: 5 * secondMs,
  idleInTransactionMs: 15 * secondMs,
};

/** For long work on a separate connection: import, export, audit, benchmarks. */
export const longLimits: SessionLimits = {
  statementMs: 0,
  lockMs: 30 * secondMs,
  idleInTransactionMs: 0,
};

const oid = { bool: 16, int8: 20, timestamptz: 1184 } as const;

function parseTimestamptz(text: string): Instant {
  if (text === 'infinity') return never;
  // `2026-11-24 01:54:00.123+00`: the session has the zone UTC and the date style ISO.
  return instant(Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`));
}

function chooseTypeParser(typeOid: number, format?: 'text' | 'binary') {
  if (format !== 'binary') {
    if (typeOid === oid.int8) return BigInt;
    if (typeOid === oid.timestamptz) return parseTimestamptz;
  }
  return pg.types.getTypeParser(typeOid, format as 'text');
}

/**
 * Configuration of a connection: types of `schema.ts`, limits, and the settings of `session.ts`.
 * @throws UsageFault `session_setting`
 */
export function toClientConfig(url: string, limits: SessionLimits): pg.ClientConfig {
  const { connectionString, options } = toSessionUrl(url);
  return {
    connectionString,
    application_name: 'perennial',
    connectionTimeoutMillis: 10 * secondMs,
    keepAlive: true,
    statement_timeout: limits.statementMs,
    lock_timeout: limits.lockMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    options,
    types: { getTypeParser: chooseTypeParser as typeof pg.types.getTypeParser },
  };
}

/** Connects a client, and checks its session. @throws UsageFault, or an error of `pg` */
export async function connectClient(url: string, config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  // A lost connection fails its next statement. Without a listener it would end the process.
  client.on('error', () => undefined);
  await connectChecked(client, url, config);
  return client;
}

/** Like `connectClient`, for a client that has its listeners. */
export async function connectChecked(
  client: pg.Client,
  url: string,
  config: pg.ClientConfig,
): Promise<void> {
  await client.connect();
  try {
    await checkSession(client, url, config);
  } catch (error) {
    await client.end();
    throw error;
  }
}

export interface PoolOptions {
  readonly limits?: SessionLimits;
  readonly connectionsMax?: number;
  /**
   * Parses and plans each statement once per connection: for many small statements of few texts.
   * Not for batches, whose plans depend on their parameters.
   */
  readonly prepared?: boolean;
  /** The limit for a wait for a connection of the pool, and for connecting. Default: 10 s. */
  readonly waitMs?: number;
  /** The limit for an answer on the client's side, for a server that became unreachable. */
  readonly answerMs?: number;
  /** Called for a connection that broke while unused, or between two statements. */
  readonly onLost?: (error: Error) => void;
}

/** A pool on the database of `url`. Its first use opens the first connection. */
export function openPool(url: string, options: PoolOptions = {}): pg.Pool {
  const config = toClientConfig(url, options.limits ?? workLimits);
  const pool = new pg.Pool({
    ...config,
    onConnect: (client) => checkPooledSession(client, url, config),
    max: options.connectionsMax ?? 10,
    ...(options.waitMs === undefined ? {} : { connectionTimeoutMillis: options.waitMs }),
    ...(options.answerMs === undefined ? {} : { query_timeout: options.answerMs }),
    // An exhausted pool is a transient fault of the run, not a wait without end.
    idleTimeoutMillis: 30 * secondMs,
  });
  const onLost = options.onLost ?? (() => undefined);
  pool.on('error', onLost);
  // The pool removes its listener from a client in use. Without this listener, a server that ends
  // between two statements of a transaction would end the whole process.
  pool.on('connect', (client) => client.on('error', onLost));
  if (options.prepared === true) pool.on('connect', prepareStatements);
  return pool;
}

/**
 * The check of `onConnect` of a pool. A refused connection fails the run, never its items.
 * @throws Fault, transient, whose cause is the refusal
 */
export async function checkPooledSession(
  client: pg.ClientBase,
  url: string,
  config: pg.ClientConfig,
): Promise<void> {
  try {
    await checkSession(client, url, config);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault('transient', error.code, error.message, error);
  }
}

/** More texts than a program has. Further texts are parsed each time. */
const preparedMax = 500;
/** After a migration `*` has other columns, and the server refuses the old plan. */
const selectsAllColumns = /(?:select|returning) \*/i;

/** Names each parameterised statement of a connection, so that the server keeps its plan. */
function prepareStatements(client: pg.PoolClient): void {
  const names = new Map<string, string>();
  const nameStatement = (text: string): string | undefined => {
    const knownName = names.get(text);
    if (knownName !== undefined || names.size >= preparedMax || selectsAllColumns.test(text))
      return knownName;
    const name = `p${names.size}`;
    names.set(text, name);
    return name;
  };
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  const queryNamed = (text: unknown, values: unknown, ...rest: unknown[]): unknown => {
    const isStatement = typeof text === 'string' && Array.isArray(values) && values.length > 0;
    const name = isStatement ? nameStatement(text) : undefined;
    if (name === undefined)
      return query(...[text, values, ...rest].filter((each) => each !== undefined));
    return query({ name, text, values }, ...rest);
  };
  client.query = queryNamed as typeof client.query;
}

/** The database behind a pool. `closeDatabase` ends both. */
export function openDatabase(pool: pg.Pool): Db {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/**
 * Ends a `Db` and its pool. Kysely does not end a pool that it never used. An idle connection of
 * other code would then keep the process running for its idle time.
 */
export async function closeDatabase(db: Db, pool: pg.Pool): Promise<void> {
  await db.destroy();
  if (!pool.ending) await pool.end();
}

/**
 * Runs `work` in the open transaction, or in a new one. Work that throws leaves no change, also if
 * the caller continues its transaction and commits.
 */
export function inTransaction<T>(db: Db | Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (db.isTransaction) return runInSavepoint(db as Tx, work);
  const transaction = db.transaction().setIsolationLevel('read committed');
  return wakeAfterCommit(db, (begin) =>
    transaction.execute((tx) => {
      begin(tx);
      return work(tx);
    }),
  );
}

/** A read-only transaction: all of its statements see the same commits. */
export const inSnapshot = <T>(db: Db, read: (tx: Tx) => Promise<T>): Promise<T> =>
  db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(read);

/** The same for a reader that ends the transaction by itself. */
export const startSnapshot = (db: Db): Promise<ControlledTransaction<Database>> =>
  db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute();

async function runInSavepoint<T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
  await sql`SAVEPOINT joined`.execute(tx);
  try {
    const result = await work(tx);
    await sql`RELEASE SAVEPOINT joined`.execute(tx);
    return result;
  } catch (error) {
    await sql`ROLLBACK TO SAVEPOINT joined`.execute(tx).catch(() => undefined); // lost, with all
    throw error;
  }
}
