import type pg from 'pg';
import { UsageFault, unreachable } from '../kernel/faults.ts';
import { programVersion } from '../version.ts';
import { closeDatabase, type Db, openDatabase, openPool, type PoolOptions } from './connect.ts';
import { checkDatabaseUrl, describeDatabase } from './database-url.ts';
import { checkServer, createConnectionFault, createRightsFault } from './preflight.ts';
import {
  createSchemaFault,
  inspectSchema,
  loadMigrations,
  type Migration,
  type QueryClient,
  type SchemaState,
} from './schema-state.ts';

// Opens the database for a command or a service. A wrong database is refused with one sentence
// before any work begins.

export interface OpenOptions extends PoolOptions {
  /** For tests: another set of migrations, and another version of the program. */
  readonly migrations?: readonly Migration[];
  readonly programVersion?: string;
}

export interface CheckedDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Db;
  /** The identity of this database. The first migration sets it once. */
  readonly installation: { readonly id: string; readonly test: boolean; readonly madeBy: string };
  close(): Promise<void>;
}

function checkSchema(database: string, state: SchemaState): void {
  const refusal = createSchemaFault(database, state);
  if (refusal !== undefined) throw refusal;
  switch (state.state) {
    case 'absent':
      throw new UsageFault(
        'no_schema',
        `database ${database}: contains no schema of Perennial; run "perennial migrate"`,
      );
    case 'older':
      throw new UsageFault(
        'schema_too_old',
        `database ${database}: its schema is ${state.version} and this program needs ${state.latest}; run "perennial migrate"`,
      );
    case 'foreign':
    case 'changed':
    case 'current':
    case 'newer':
      return;
    default:
      unreachable(state);
  }
}

async function readInstallation(client: QueryClient): Promise<CheckedDatabase['installation']> {
  const { rows } = await client.query(
    'SELECT id::text, test, made_by AS "madeBy" FROM perennial.installation',
  );
  return rows[0];
}

/** Opens the database of `url` and checks it. @throws UsageFault with the place and the remedy. */
export async function openCheckedDatabase(
  url: string,
  options: OpenOptions = {},
): Promise<CheckedDatabase> {
  checkDatabaseUrl(url);
  const database = describeDatabase(url);
  const pool = openPool(url, options);
  const db = openDatabase(pool);
  try {
    const client = await pool.connect().catch((error: unknown) => {
      throw createConnectionFault(url, error);
    });
    try {
      await checkServer(client, database);
      const migrations = options.migrations ?? loadMigrations();
      const version = options.programVersion ?? programVersion;
      checkSchema(database, await inspectSchema(client, { version, migrations }));
      const installation = await readInstallation(client);
      return { url, pool, db, installation, close: () => closeDatabase(db, pool) };
    } finally {
      client.release();
    }
  } catch (error) {
    await closeDatabase(db, pool);
    throw createRightsFault(url, error) ?? error;
  }
}
