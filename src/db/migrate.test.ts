import { createHash } from 'node:crypto';
import pg from 'pg';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { UsageFault } from '../kernel/faults.ts';
import { migrate } from './migrate.ts';
import { type Migration, readMigrations } from './schema-state.ts';

const shipped = readMigrations();

/** What a later release would bring: one more migration. */
function withNext(sql: string, oldestProgram = '0.1.0'): readonly Migration[] {
  const version = shipped.length + 1;
  const checksum = createHash('sha256').update(sql).digest('hex');
  return [...shipped, { version, name: 'next', sql, checksum, oldestProgram }];
}

async function ask(url: string, query: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: query, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );

test('an empty database gets the whole schema, and the second time nothing is left to do', async () => {
  await using books = await freshBooks({ bare: true });
  const first = await migrate(books.url, { madeBy: 'demo', test: true });
  expect(first).toMatchObject({ from: 0, to: shipped.length, test: true });
  expect(first.applied).toEqual(shipped.map(({ name }) => name));
  expect(await migrate(books.url)).toEqual({
    from: shipped.length,
    to: shipped.length,
    applied: [],
    test: true,
  });
  const made = await ask(books.url, 'SELECT test, made_by FROM perennial.installation');
  expect(made).toEqual([true, 'demo']);
});

test('five migrators at once: each migration is applied once, and none of them fails', async () => {
  await using books = await freshBooks({ bare: true });
  const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(books.url)));
  const names = shipped.map(({ name }) => name).sort();
  expect(runs.flatMap(({ applied }) => applied).sort()).toEqual(names);
  expect(await ask(books.url, 'SELECT count(*)::int FROM perennial.migration')).toEqual([
    shipped.length,
  ]);
});

test('a migration that fails leaves the database as it was before it', async () => {
  await using books = await freshBooks();
  const broken = withNext('CREATE TABLE perennial.half (); SELECT 1/0');
  await expect(migrate(books.url, { migrations: broken })).rejects.toMatchObject({
    code: 'migration_failed',
    message: expect.stringMatching(/was undone \(division by zero\)$/),
  });
  expect(await ask(books.url, "SELECT to_regclass('perennial.half')")).toEqual([null]);
  const mended = withNext('CREATE TABLE perennial.half ()');
  expect(await migrate(books.url, { migrations: mended })).toMatchObject({ applied: ['next'] });
});

test('a first migration that fails leaves not even the schema', async () => {
  await using books = await freshBooks({ bare: true });
  const [first] = shipped as [Migration];
  const broken = [{ ...first, sql: `${first.sql}; SELECT 1/0` }];
  expect(await codeOf(migrate(books.url, { migrations: broken }))).toBe('migration_failed');
  expect(await ask(books.url, "SELECT to_regnamespace('perennial')")).toEqual([null]);
});

test('a migration whose text changed after it was applied is refused', async () => {
  await using books = await freshBooks();
  const [first, ...rest] = shipped as [Migration, ...Migration[]];
  const changed = [{ ...first, checksum: 'another' }, ...rest];
  expect(await codeOf(migrate(books.url, { migrations: changed }))).toBe('migration_changed');
});

test('--test is refused for books that are none, and nothing changes', async () => {
  await using books = await freshBooks({ bare: true });
  await migrate(books.url);
  const refused = migrate(books.url, { test: true });
  await expect(refused).rejects.toBeInstanceOf(UsageFault);
  expect(await codeOf(refused)).toBe('not_a_test');
  expect(await ask(books.url, 'SELECT test FROM perennial.installation')).toEqual([false]);
});

test('a schema of that name that is not ours is left alone', async () => {
  await using books = await freshBooks({ bare: true });
  await ask(books.url, 'CREATE SCHEMA perennial');
  expect(await codeOf(migrate(books.url))).toBe('not_ours');
  await ask(books.url, 'CREATE TABLE perennial.migration (id int)');
  expect(await codeOf(migrate(books.url))).toBe('not_ours');
});

test('a newer schema is left alone, and refused if it shuts this program out', async () => {
  await using books = await freshBooks();
  await migrate(books.url, { migrations: withNext('SELECT 1', '0.2.0') });
  expect(await codeOf(migrate(books.url, { programVersion: '0.1.9' }))).toBe('program_too_old');
  expect(await migrate(books.url, { programVersion: '0.2.0' })).toMatchObject({ applied: [] });
});

test('a user without the right to create says so instead of failing halfway', async () => {
  await using books = await freshBooks({ bare: true });
  const url = new URL(books.url);
  const user = `poor_${url.pathname.slice(1, 12)}`;
  await ask(books.url, `CREATE ROLE ${user} LOGIN PASSWORD 'poor'`);
  [url.username, url.password] = [user, 'poor'];
  expect(await codeOf(migrate(url.href))).toBe('database_rights');
  await ask(books.url, `DROP ROLE ${user}`);
});

test('a clock that can not be set is refused before anything is changed', async () => {
  await using books = await freshBooks({ bare: true });
  await expect(migrate(books.url, { setsClock: true })).rejects.toMatchObject({
    code: 'not_a_test',
  });
  const { rows } = await books.pool.query("SELECT to_regnamespace('perennial') AS made");
  expect(rows).toEqual([{ made: null }]);
  expect(await migrate(books.url, { test: true, setsClock: true })).toMatchObject({ test: true });
});

test('a migration beside an open read lets writers pass, names the reader, and is done after it', async () => {
  await using books = await freshBooks();
  const reader = new pg.Client({ connectionString: books.url, application_name: 'report' });
  await reader.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM perennial.event');
  const alter = withNext('ALTER TABLE perennial.event ADD COLUMN further int');
  const said: string[] = [];
  const migrated = migrate(books.url, {
    migrations: alter,
    retryMs: 1,
    onProgress: (progress) => {
      said.push(progress.is === 'blocked' ? progress.sentence : progress.name);
      if (said.length === 2) void reader.query('ROLLBACK');
    },
  });
  const write = `INSERT INTO perennial.event (subject, action, actor, at)
    VALUES ('x', 'x', 'x', perennial.clock())`;
  while (said.length === 0) await books.pool.query(write); // each waits for half a second at most
  expect(await migrated).toMatchObject({ applied: ['next'] });
  expect(said[0]).toMatch(/process \d+ \(report, idle in transaction, for \d+ s\); trying again$/);
  expect(said.at(-1)).toBe('next');
  await reader.end();
});

test('a migration that gets no lock in time fails, and leaves the database as it was', async () => {
  await using books = await freshBooks();
  const reader = new pg.Client({ connectionString: books.url });
  await reader.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM perennial.event');
  const alter = withNext('CREATE TABLE perennial.half (); DROP TABLE perennial.event');
  const refused = migrate(books.url, { migrations: alter, giveUpMs: 0 });
  await expect(refused).rejects.toMatchObject({ code: 'migration_blocked' });
  expect(await ask(books.url, "SELECT to_regclass('perennial.half')")).toEqual([null]);
  await reader.end();
});
