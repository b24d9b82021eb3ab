import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { Fault } from '../kernel/faults.ts';
import { type Instant, instant, never, secondMs } from '../kernel/instant.ts';
import type { Books } from './schema.ts';
import { sessionOf } from './session.ts';
import { checkSession } from './session-check.ts';
import { wakingAfter } from './wake.ts';

export type Db = Kysely<Books>;
/** An open transaction on the books. Whoever holds one can't reach a gateway (promise 8). */
export type Tx = Transaction<Books>;

export interface Limits {
  /** A statement that takes longer is ended by the server. 0: no limit. */
  readonly statementMs: number;
  /** A wait for a lock that takes longer fails: rule 1 says that nobody waits while holding. */
  readonly lockMs: number;
  /** A transaction left open by a program that hangs is ended, so that its locks go. */
  readonly idleInTransactionMs: number;
}

/** For workers and commands: a batch of 1,000 takes 0.1 s, so these only ever meet an accident. */
export const workLimits: Limits = {
  statementMs: 30 * secondMs,
  lockMs: 5 * secondMs,
  idleInTransactionMs: 15 * secondMs,
};

/** For long work on its own connection: import, export, audit, benchmarks. */
export const longLimits: Limits = {
  statementMs: 0,
  lockMs: 30 * secondMs,
  idleInTransactionMs: 0,
};

const oid = { bool: 16, int8: 20, timestamptz: 1184 } as const;

function readTimestamptz(text: string): Instant {
  if (text === 'infinity') return never;
  // `2026-11-24 01:54:00.123+00`: the session's zone is UTC and its date style ISO, see below.
  return instant(Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`));
}

function typeParser(typeOid: number, format?: 'text' | 'binary') {
  if (format !== 'binary') {
    if (typeOid === oid.int8) return BigInt;
    if (typeOid === oid.timestamptz) return readTimestamptz;
  }
  return pg.types.getTypeParser(typeOid, format as 'text');
}

/**
 * The configuration of a connection: types of `schema.ts`, limits, and the settings of `session.ts`.
 * @throws UsageFault `session_setting`
 */
export function clientConfig(url: string, limits: Limits): pg.ClientConfig {
  const { connectionString, options } = sessionOf(url);
  return {
    connectionString,
    application_name: 'perennial',
    connectionTimeoutMillis: 10 * secondMs,
    keepAlive: true,
    statement_timeout: limits.statementMs,
    lock_timeout: limits.lockMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    options,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  };
}

/** Connects a client of its own, and checks its session. @throws UsageFault, or what `pg` throws */
export async function connectClient(url: string, config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  // A connection that is lost fails its next statement; without a listener it ends the process.
  client.on('error', () => undefined);
  await connectChecked(client, url, config);
  return client;
}

/** As `connectClient`, for a client that has its listeners already. */
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
  readonly limits?: Limits;
  readonly connectionsMax?: number;
  /**
   * Statements are parsed and planned once a connection: for many small ones of few texts. Not for
   * batches, whose plans depend on what they are given.
   */
  readonly prepared?: boolean;
  /** The limit for a wait for a connection of the pool, and for connecting. Default: 10 s. */
  readonly waitMs?: number;
  /** The limit for an answer, on this side: for a server that is not reached any more. */
  readonly answerMs?: number;
  /** Told of a connection that broke while nobody used it, or between two statements. */
  readonly onLost?: (error: Error) => void;
}

/** A pool on the books of `url`. Opens no connection until it is used. */
export function openPool(url: string, options: PoolOptions = {}): pg.Pool {
  const config = clientConfig(url, options.limits ?? workLimits);
  const pool = new pg.Pool({
    ...config,
    onConnect: (client) => checkPooled(client, url, config),
    max: options.connectionsMax ?? 10,
    ...(options.waitMs === undefined ? {} : { connectionTimeoutMillis: options.waitMs }),
    ...(options.answerMs === undefined ? {} : { query_timeout: options.answerMs }),
    // An exhausted pool is a transient fault of the run that asked, not a wait without end.
    idleTimeoutMillis: 30 * secondMs,
  });
  const onLost = options.onLost ?? (() => undefined);
  pool.on('error', onLost);
  // A client that is checked out has no listener of the pool's: without this one, a server that
  // goes away between two statements of a transaction would end the whole process.
  pool.on('connect', (client) => client.on('error', onLost));
  if (options.prepared === true) pool.on('connect', prepareStatements);
  return pool;
}

/**
 * A connection that is refused fails the run that asked, never its items.
 * @throws Fault, transient, whose cause is the refusal
 */
async function checkPooled(
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

/** More texts than a program has; beyond that they are parsed each time. */
const preparedMax = 500;
/** What is read as `*` has other columns after a migration, and its old plan is refused then. */
const readsAll = /(?:select|returning) \*/i;

/** Gives each parameterised statement of a connection a name, by which the server keeps its plan. */
function prepareStatements(client: pg.PoolClient): void {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size >= preparedMax || readsAll.test(text)) return known;
    const name = `p${names.size}`;
    names.set(text, name);
    return name;
  };
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  const named = (text: unknown, values: unknown, ...rest: unknown[]): unknown => {
    const isStatement = typeof text === 'string' && Array.isArray(values) && values.length > 0;
    const name = isStatement ? nameOf(text) : undefined;
    if (name === undefined)
      return query(...[text, values, ...rest].filter((each) => each !== undefined));
    return query({ name, text, values }, ...rest);
  };
  client.query = named as typeof client.query;
}

/** The books behind a pool; `closeBooks` ends both. */
export function openBooks(pool: pg.Pool): Db {
  return new Kysely<Books>({ dialect: new PostgresDialect({ pool }) });
}

/**
 * Ends the books and their pool. Kysely leaves a pool alone that it never used, and a connection
 * that somebody else opened there would keep the process from ending for its idle time.
 */
export async function closeBooks(db: Db, pool: pg.Pool): Promise<void> {
  await db.destroy();
  if (!pool.ending) await pool.end();
}

/**
 * Runs `work` in the transaction that is open already, or in one of its own. Work that throws
 * leaves nothing, also where whoever opened the transaction goes on with it and commits.
 */
export function inTransaction<T>(db: Db | Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (db.isTransaction) return joined(db as Tx, work);
  const transaction = db.transaction().setIsolationLevel('read committed');
  return wakingAfter(db, (begin) =>
    transaction.execute((tx) => {
      begin(tx);
      return work(tx);
    }),
  );
}

async function joined<T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
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
