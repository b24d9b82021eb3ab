import { sql } from 'kysely';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { readClock, setClock } from '../../../src/db/clock.ts';
import { openDatabase, openPool, toClientConfig, workLimits } from '../../../src/db/connect.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { openCheckedDatabase } from '../../../src/db/open.ts';
import { checkSession } from '../../../src/db/session-check.ts';
import { parseInstant } from '../../../src/kernel/instant.ts';
import { openBoss } from '../../../src/scheduler/boss.ts';
import { createDatabase } from '../../support/database.ts';
import { hasPgbouncer, startPgbouncer } from './pgbouncer.ts';

const at = parseInstant('2026-11-30T12:00:00Z', 'the test');

/** The settings of a session, and a time that was written and read back. */
async function readSession(url: string) {
  const opened = await openCheckedDatabase(url);
  try {
    await setClock(opened.db, at);
    const { rows } = await opened.pool.query(
      `SELECT current_setting('TimeZone') AS zone, current_setting('DateStyle') AS dates,
         current_setting('jit') AS jit, current_setting('search_path') AS path,
         current_setting('standard_conforming_strings') AS strings,
         current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS limit`,
    );
    return { ...rows[0], time: await readClock(opened.db) };
  } finally {
    await opened.close();
  }
}

const usual = {
  zone: 'UTC',
  dates: expect.stringMatching(/^ISO/),
  jit: 'off',
  strings: 'on',
  lock: '5s',
  limit: '30s',
  time: at,
};

const withQuery = (url: string, query: string) => `${url}?${query}`;
const withOptions = (url: string, options: string) =>
  withQuery(url, `options=${encodeURIComponent(options)}`);

const catchCode = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error as { code?: string }).code ?? error,
  );

describe('W5: a session has the settings of the program:', () => {
  test('other options of the URL are kept', async () => {
    await using database = await createDatabase();
    const url = withOptions(database.url, '-c search_path=perennial,public -c geqo=off');
    expect(await readSession(url)).toEqual({ ...usual, path: 'perennial,public' });
  });

  test('limits in the URL have no effect', async () => {
    await using database = await createDatabase();
    const url = withQuery(database.url, 'lock_timeout=0&statement_timeout=0&application_name=shop');
    expect(await readSession(url)).toMatchObject(usual);
  });

  test('other defaults of the database have no effect', async () => {
    await using database = await createDatabase();
    const name = new URL(database.url).pathname.slice(1);
    for (const setting of [
      `TimeZone = 'Europe/Moscow'`,
      `DateStyle = 'German, DMY'`,
      `standard_conforming_strings = off`,
      `jit = on`,
      `default_transaction_isolation = 'repeatable read'`,
    ]) {
      await sql.raw(`ALTER DATABASE ${name} SET ${setting}`).execute(database.db);
    }
    expect(await readSession(database.url)).toMatchObject(usual);
    const pool = openPool(database.url);
    const { rows } = await pool.query('SHOW transaction_isolation');
    expect(rows[0].transaction_isolation).toBe('read committed');
    await pool.end();
  });

  test.each(['-c jit=on', '-cjit=on', '--jit=on'])('%s of the URL has effect', async (options) => {
    await using database = await createDatabase();
    expect(await readSession(withOptions(database.url, options))).toMatchObject({
      ...usual,
      jit: 'on',
    });
  });
});

test.each([
  ['-c TimeZone=Europe/Moscow', 'TimeZone'],
  ['-c search_path=x -ctimezone=Europe/Moscow', 'TimeZone'],
  ['--DateStyle=SQL,\\ DMY', 'DateStyle'],
  ['-c standard-conforming-strings=off', 'standard_conforming_strings'],
])('W5: a URL with %s is refused, and nothing is written', async (options, name) => {
  await using database = await createDatabase({ isEmpty: true });
  const url = withOptions(database.url, options);
  for (const work of [() => openCheckedDatabase(url), () => migrate(url)]) {
    const error = await work().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'session_setting' });
    expect((error as Error).message).toContain(`sets ${name} to`);
  }
  const { rows } = await database.pool.query(`SELECT to_regnamespace('perennial') AS made`);
  expect(rows[0].made).toBeNull();
});

test('a URL may contain a required setting with the required value', async () => {
  await using database = await createDatabase();
  const url = withOptions(database.url, '-c TimeZone=Etc/UTC -c DateStyle=ISO,\\ DMY');
  expect(await readSession(url)).toMatchObject(usual);
});

test('W5: a connection whose statements run on different backends is refused', async () => {
  await using database = await createDatabase();
  const config = toClientConfig(database.url, workLimits);
  const backends = [new pg.Client(config), new pg.Client(config)] as const;
  for (const backend of backends) await backend.connect();
  let callCount = 0;
  const pooled = {
    processID: -1,
    query: (...values: [never]) => backends[callCount++ % 2 === 0 ? 0 : 1].query(...values),
  };
  const check = checkSession(pooled as unknown as pg.Client, database.url, config);
  expect(await catchCode(check)).toBe('transaction_pooling');
  for (const backend of backends) await backend.end();
});

describe.skipIf(!hasPgbouncer())('behind a real PgBouncer', () => {
  test('transaction mode is refused for commands, migrations and pools', async () => {
    await using database = await createDatabase();
    await using pooler = await startPgbouncer(database.url, 'transaction');
    expect(await catchCode(openCheckedDatabase(pooler.url))).toBe('transaction_pooling');
    expect(await catchCode(migrate(pooler.url))).toBe('transaction_pooling');
    const pool = openPool(pooler.url);
    const db = openDatabase(pool);
    await expect(readClock(db)).rejects.toMatchObject({
      kind: 'transient',
      code: 'transaction_pooling',
    });
    await db.destroy();
  });

  test('transaction mode is refused for the connections of the queue', async () => {
    await using database = await createDatabase();
    await using pooler = await startPgbouncer(database.url, 'transaction');
    const boss = openBoss(pooler.url, at);
    boss.on('error', () => undefined);
    expect(await catchCode(boss.start())).toBe('transaction_pooling');
    await boss.stop({ graceful: false });
    const { rows } = await database.pool.query(`SELECT to_regnamespace('perennial_queue') AS made`);
    expect(rows[0].made).toBeNull();
  });

  test('transaction mode with one backend for all is refused', async () => {
    await using database = await createDatabase();
    await using pooler = await startPgbouncer(database.url, 'transaction', 'default_pool_size = 1');
    expect(await catchCode(openCheckedDatabase(pooler.url))).toBe('transaction_pooling');
  });

  test('session mode has the settings of the program, also those that the pooler drops', async () => {
    await using database = await createDatabase();
    const name = new URL(database.url).pathname.slice(1);
    await sql.raw(`ALTER DATABASE ${name} SET TimeZone = 'Europe/Moscow'`).execute(database.db);
    await using pooler = await startPgbouncer(database.url, 'session');
    expect(await readSession(pooler.url)).toMatchObject(usual);
  });
});
