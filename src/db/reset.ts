import pg from 'pg';

/** Drops the database of `url`, also with open connections, and creates it again, empty. */
export async function resetDatabase(url: string): Promise<void> {
  const admin = new URL(url);
  const name = pg.escapeIdentifier(decodeURIComponent(admin.pathname.slice(1)));
  admin.pathname = '/postgres';
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
}
