import { createHash } from 'node:crypto';
import pg from 'pg';
import { expect, test } from 'vitest';
import { migrate } from '../../../src/db/migrate.ts';
import { loadMigrations, type Migration } from '../../../src/db/schema-state.ts';
import { UsageFault } from '../../../src/kernel/faults.ts';
import { createDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';

const shipped = loadMigrations();

/** The migrations of a later release: one more. */
function withNext(sql: string, oldestProgram = '0.1.0'): readonly Migration[] {
  const version = shipped.length + 1;
  const checksum = createHash('sha256').update(sql).digest('hex');
  return [...shipped, { version, name: 'next', sql, checksum, oldestProgram }];
}

async function queryRows(url: string, query: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: query, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const catchCode = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );

test('an empty database gets the whole schema, and a second migration changes nothing', async () => {
  await using database = await createDatabase({ isEmpty: true });
  const first = await migrate(database.url, { madeBy: 'demo', test: true });
  expect(first).toMatchObject({ from: 0, to: shipped.length, test: true });
  expect(first.applied).toEqual(shipped.map(({ name }) => name));
  expect(await migrate(database.url)).toEqual({
    from: shipped.length,
    to: shipped.length,
    applied: [],
    test: true,
  });
  const migrated = await queryRows(
    database.url,
    'SELECT test, made_by FROM perennial.installation',
  );
  expect(migrated).toEqual([true, 'demo']);
});

test('five concurrent migrators apply each migration once, and none of them fails', async () => {
  await using database = await createDatabase({ isEmpty: true });
  const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url)));
  const names = shipped.map(({ name }) => name).sort();
  expect(runs.flatMap(({ applied }) => applied).sort()).toEqual(names);
  expect(await queryRows(database.url, 'SELECT count(*)::int FROM perennial.migration')).toEqual([
    shipped.length,
  ]);
});

test('a migration that fails leaves the database unchanged', async () => {
  await using database = await createDatabase();
  const broken = withNext('CREATE TABLE perennial.half (); SELECT 1/0');
  await expect(migrate(database.url, { migrations: broken })).rejects.toMatchObject({
    code: 'migration_failed',
    message: expect.stringMatching(/was undone \(division by zero\)$/),
  });
  expect(await queryRows(database.url, "SELECT to_regclass('perennial.half')")).toEqual([null]);
  const mended = withNext('CREATE TABLE perennial.half ()');
  expect(await migrate(database.url, { migrations: mended })).toMatchObject({ applied: ['next'] });
});

test('a first migration that fails leaves no schema', async () => {
  await using database = await createDatabase({ isEmpty: true });
  const [first] = shipped as [Migration];
  const broken = [{ ...first, sql: `${first.sql}; SELECT 1/0` }];
  expect(await catchCode(migrate(database.url, { migrations: broken }))).toBe('migration_failed');
  expect(await queryRows(database.url, "SELECT to_regnamespace('perennial')")).toEqual([null]);
});

test('a migration whose text changed after it was applied is refused', async () => {
  await using database = await createDatabase();
  const [first, ...rest] = shipped as [Migration, ...Migration[]];
  const changed = [{ ...first, checksum: 'another' }, ...rest];
  expect(await catchCode(migrate(database.url, { migrations: changed }))).toBe('migration_changed');
});

test('`--test` is refused for a database that is not a test database, and nothing changes', async () => {
  await using database = await createDatabase({ isEmpty: true });
  await migrate(database.url);
  const refused = migrate(database.url, { test: true });
  await expect(refused).rejects.toBeInstanceOf(UsageFault);
  expect(await catchCode(refused)).toBe('not_a_test');
  expect(await queryRows(database.url, 'SELECT test FROM perennial.installation')).toEqual([false]);
});

test('a foreign schema of the same name is refused', async () => {
  await using database = await createDatabase({ isEmpty: true });
  await queryRows(database.url, 'CREATE SCHEMA perennial');
  expect(await catchCode(migrate(database.url))).toBe('not_ours');
  await queryRows(database.url, 'CREATE TABLE perennial.migration (id int)');
  expect(await catchCode(migrate(database.url))).toBe('not_ours');
});

test('a newer schema stays unchanged, and is refused if it excludes this program', async () => {
  await using database = await createDatabase();
  await migrate(database.url, { migrations: withNext('SELECT 1', '0.2.0') });
  expect(await catchCode(migrate(database.url, { programVersion: '0.1.9' }))).toBe(
    'program_too_old',
  );
  expect(await migrate(database.url, { programVersion: '0.2.0' })).toMatchObject({ applied: [] });
});

test('a user without the right to create is refused before the first change', async () => {
  await using database = await createDatabase({ isEmpty: true });
  const url = new URL(database.url);
  const user = `poor_${url.pathname.slice(1, 12)}`;
  await queryRows(database.url, `CREATE ROLE ${user} LOGIN PASSWORD 'poor'`);
  [url.username, url.password] = [user, 'poor'];
  expect(await catchCode(migrate(url.href))).toBe('database_rights');
  await queryRows(database.url, `DROP ROLE ${user}`);
});

test('a clock that cannot be set is refused before the first change', async () => {
  await using database = await createDatabase({ isEmpty: true });
  await expectFault(migrate(database.url, { setsClock: true }), 'not_a_test');
  const { rows } = await database.pool.query("SELECT to_regnamespace('perennial') AS made");
  expect(rows).toEqual([{ made: null }]);
  expect(await migrate(database.url, { test: true, setsClock: true })).toMatchObject({
    test: true,
  });
});

test('a migration beside an open read does not block writers, names the reader, and succeeds after the read', async () => {
  await using database = await createDatabase();
  const reader = new pg.Client({ connectionString: database.url, application_name: 'report' });
  await reader.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM perennial.event');
  const alter = withNext('ALTER TABLE perennial.event ADD COLUMN further int');
  const sentence: string[] = [];
  const migrated = migrate(database.url, {
    migrations: alter,
    retryMs: 1,
    onProgress: (progress) => {
      sentence.push(progress.is === 'blocked' ? progress.sentence : progress.name);
      if (sentence.length === 2) void reader.query('ROLLBACK');
    },
  });
  const write = `INSERT INTO perennial.event (subject, action, actor, at)
    VALUES ('x', 'x', 'x', perennial.clock())`;
  // Each write waits at most 0.5 s.
  while (sentence.length === 0) await database.pool.query(write);
  expect(await migrated).toMatchObject({ applied: ['next'] });
  expect(sentence[0]).toMatch(
    /process \d+ \(report, idle in transaction, for \d+ s\); trying again$/,
  );
  expect(sentence.at(-1)).toBe('next');
  await reader.end();
});

test('a migration that gets no lock in time fails, and leaves the database unchanged', async () => {
  await using database = await createDatabase();
  const reader = new pg.Client({ connectionString: database.url });
  await reader.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM perennial.event');
  const alter = withNext('CREATE TABLE perennial.half (); DROP TABLE perennial.event');
  const refused = migrate(database.url, { migrations: alter, blockedMaxMs: 0 });
  await expectFault(refused, 'migration_blocked');
  expect(await queryRows(database.url, "SELECT to_regclass('perennial.half')")).toEqual([null]);
  await reader.end();
});
