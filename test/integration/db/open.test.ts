import { createServer } from 'node:net';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { openCheckedDatabase } from '../../../src/db/open.ts';
import { loadMigrations } from '../../../src/db/schema-state.ts';
import { UsageFault } from '../../../src/kernel/faults.ts';
import { createDatabase } from '../../support/database.ts';

const shipped = loadMigrations();

async function executeStatement(url: string, query: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(query).finally(() => client.end());
}

/** The fault of opening: one sentence, with a code, that names the place and never the password. */
async function catchFault(url: string, options = {}): Promise<UsageFault> {
  const opened = await openCheckedDatabase(url, options).catch((error: unknown) => error);
  expect(opened).toBeInstanceOf(UsageFault);
  const fault = opened as UsageFault;
  const secret = URL.parse(url)?.password || 'no password';
  expect(fault.message).toMatch(/^database( 127\.0\.0\.1:\d+\/\w+)?: /);
  expect(fault.message).not.toMatch(/\n|\. [A-Z]/);
  expect(fault.message).not.toContain(secret);
  return fault;
}

test('a good database opens and returns its installation', async () => {
  await using database = await createDatabase();
  const opened = await openCheckedDatabase(database.url);
  expect(opened.installation).toMatchObject({ test: true, madeBy: 'migrate' });
  await opened.close();
});

describe('an unusable database is refused in one sentence:', () => {
  test('a URL of another database system', async () => {
    expect(await catchFault('mysql://root:geheim@localhost/shop')).toMatchObject({
      code: 'bad_database_url',
    });
  });

  test('a port without a listener', async () => {
    await using database = await createDatabase({ isEmpty: true });
    const url = new URL(database.url);
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    url.port = String((closed.address() as { port: number }).port);
    await new Promise((resolve) => closed.close(resolve));
    expect(await catchFault(url.href)).toMatchObject({ code: 'unreachable' });
  });

  test('a server that is not PostgreSQL', async () => {
    await using database = await createDatabase({ isEmpty: true });
    const other = createServer((socket) => socket.resume().end('HTTP/1.1 400\r\n\r\n'));
    other.listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const url = new URL(database.url);
    url.port = String((other.address() as { port: number }).port);
    expect(await catchFault(url.href)).toMatchObject({ code: 'unreachable' });
    await new Promise((resolve) => other.close(resolve));
  });

  test('a wrong password', async () => {
    await using database = await createDatabase({ isEmpty: true });
    const url = new URL(database.url);
    url.password = 'geheim';
    expect(await catchFault(url.href)).toMatchObject({ code: 'database_auth' });
  });

  test('a database that does not exist', async () => {
    await using database = await createDatabase({ isEmpty: true });
    const url = new URL(database.url);
    url.pathname = '/nowhere';
    expect(await catchFault(url.href)).toMatchObject({ code: 'no_database' });
  });

  test('a read-only database', async () => {
    await using database = await createDatabase();
    const name = new URL(database.url).pathname.slice(1);
    await executeStatement(
      database.url,
      `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
    );
    expect(await catchFault(database.url)).toMatchObject({ code: 'read_only' });
  });

  test('a foreign schema of the same name', async () => {
    await using database = await createDatabase({ isEmpty: true });
    await executeStatement(database.url, 'CREATE SCHEMA perennial');
    expect(await catchFault(database.url)).toMatchObject({ code: 'not_ours' });
  });

  test('a database without a schema', async () => {
    await using database = await createDatabase({ isEmpty: true });
    const fault = await catchFault(database.url);
    expect(fault).toMatchObject({ code: 'no_schema' });
    expect(fault.message).toContain('perennial migrate');
  });

  test('an older schema', async () => {
    await using database = await createDatabase();
    const version = shipped.length + 1;
    const next = { version, name: 'next', sql: '', checksum: '', oldestProgram: '0.1.0' };
    const fault = await catchFault(database.url, { migrations: [...shipped, next] });
    expect(fault).toMatchObject({ code: 'schema_too_old' });
    expect(fault.message).toContain('perennial migrate');
  });

  test('a newer schema that excludes this program; another newer schema is accepted', async () => {
    await using database = await createDatabase();
    await executeStatement(
      database.url,
      `INSERT INTO perennial.migration (version, name, checksum, oldest_program)
       VALUES (900, 'future', '', '0.10.0')`,
    );
    const fault = await catchFault(database.url, { programVersion: '0.9.1' });
    expect(fault).toMatchObject({ code: 'program_too_old' });
    expect(fault.message).toContain('upgrade');
    const opened = await openCheckedDatabase(database.url, { programVersion: '0.10.0' });
    await opened.close();
  });

  test('a user without rights on the tables', async () => {
    await using database = await createDatabase();
    const url = new URL(database.url);
    const user = `poor_${url.pathname.slice(1, 12)}`;
    await executeStatement(database.url, `CREATE ROLE ${user} LOGIN PASSWORD 'poor'`);
    [url.username, url.password] = [user, 'geheim-poor'];
    await executeStatement(database.url, `ALTER ROLE ${user} PASSWORD 'geheim-poor'`);
    expect(await catchFault(url.href)).toMatchObject({ code: 'database_rights' });
    await executeStatement(database.url, `DROP ROLE ${user}`);
  });
});
