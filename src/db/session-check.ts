import pg from 'pg';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { describeDatabase } from './database-url.ts';
import { allSettings, requiredSettings } from './session.ts';

// The check of each new connection, before its first statement:
//
// 1. The backend belongs to this connection. A pooler in transaction mode gives each transaction
//    another backend, and then advisory locks, LISTEN and settings of the session are lost.
// 2. The session has the required settings.
//
// A direct connection costs one round trip. A pooler is recognized because it has no process of the
// server's id. It is tested once per URL.

interface Session {
  readonly pid: number;
  readonly [setting: string]: unknown;
}

const settingNames = Object.keys(requiredSettings);
const sessionSql = `SELECT pg_backend_pid() AS pid, ${settingNames
  .map((name) => `current_setting('${name}') AS "${name}"`)
  .join(', ')}`;

/** A free backend answers in milliseconds. */
const answerMs = 5 * secondMs;

/** Finished and pending tests of poolers, by URL. */
const poolerTests = new Map<string, Promise<void>>();

/** @throws UsageFault `transaction_pooling` or `session_setting` */
export async function checkSession(
  client: pg.ClientBase,
  url: string,
  config: pg.ClientConfig,
): Promise<void> {
  let session = await readSession(client);
  const { processID } = client as unknown as { readonly processID: number | null };
  if (session.pid !== processID) {
    await requireStableBackend(client, url, config);
    session = await restoreSettings(client, config);
  }
  for (const [name, { value, accepted }] of Object.entries(requiredSettings)) {
    const found = String(session[name]);
    if (accepted.test(found)) continue;
    throw new UsageFault(
      'session_setting',
      `database ${describeDatabase(url)}: ${name} of the session is "${found}"; expected ${value} (connect without the pooler, or let it pass "options" on)`,
    );
  }
}

async function readSession(client: pg.ClientBase): Promise<Session> {
  const { rows } = await client.query(sessionSql);
  return rows[0] as Session;
}

/** Some poolers drop the settings of the startup packet. The backend is stable, so SET lasts. */
async function restoreSettings(client: pg.ClientBase, config: pg.ClientConfig): Promise<Session> {
  const limits = {
    statement_timeout: String(config.statement_timeout ?? 0),
    lock_timeout: String(config.lock_timeout ?? 0),
    idle_in_transaction_session_timeout: String(config.idle_in_transaction_session_timeout ?? 0),
  };
  const settings = Object.entries({ ...allSettings, ...limits });
  const calls = settings.map((_, at) => `set_config($${2 * at + 1}, $${2 * at + 2}, false)`);
  await client.query(`SELECT ${calls.join(', ')}`, settings.flat());
  return readSession(client);
}

async function requireStableBackend(
  client: pg.ClientBase,
  url: string,
  config: pg.ClientConfig,
): Promise<void> {
  const known = poolerTests.get(url);
  const tested = known ?? testPooler(client, url, config);
  if (known === undefined) poolerTests.set(url, tested);
  await tested.catch((error: unknown) => {
    poolerTests.delete(url);
    throw error;
  });
}

/**
 * Holds a transaction on a second connection. In transaction mode that transaction gets the backend
 * of the first connection, and the first connection then has another backend or none.
 */
async function testPooler(
  client: pg.ClientBase,
  url: string,
  config: pg.ClientConfig,
): Promise<void> {
  const pidBefore = await readPid(client);
  const second = new pg.Client({ ...config, query_timeout: answerMs });
  second.on('error', () => undefined); // the statement that fails reports it
  await second.connect();
  try {
    // No free backend for the second connection: the first one keeps its own.
    const secondPid = await second.query('BEGIN').then(() => readPid(second), ignoreTimeout);
    const pidAfter = await readPid(client).catch(ignoreTimeout);
    if (pidBefore === pidAfter && secondPid !== pidBefore) return;
  } finally {
    await second.end();
  }
  throw new UsageFault(
    'transaction_pooling',
    `database ${describeDatabase(url)}: a pooler changes the backend between transactions; use its session mode (pool_mode=session), or connect to PostgreSQL directly`,
  );
}

async function readPid(client: pg.ClientBase): Promise<number> {
  const statement = { text: 'SELECT pg_backend_pid() AS pid', query_timeout: answerMs };
  const { rows } = await client.query<{ pid: number }>(statement);
  return (rows[0] as { pid: number }).pid;
}

/** A statement that gets no backend in time. @throws any other error */
function ignoreTimeout(error: unknown): undefined {
  if (error instanceof Error && error.message === 'Query read timeout') return undefined;
  throw error;
}
