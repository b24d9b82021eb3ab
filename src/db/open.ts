import type pg from 'pg';
import { UsageFault, unreachable } from '../kernel/faults.ts';
import { programVersion } from '../version.ts';
import { closeBooks, type Db, openBooks, openPool, type PoolOptions } from './connect.ts';
import { checkUrl, placeOf } from './place.ts';
import { checkServer, connectionFault, rightsFault } from './reach.ts';
import {
  inspectSchema,
  type Migration,
  type Querying,
  readMigrations,
  refusalOf,
  type SchemaState,
} from './schema-state.ts';

// Opens the database for a command or a service. A wrong database is refused with one sentence
// before any work begins.

export interface OpenOptions extends PoolOptions {
  /** For tests: another set of migrations, and another version of the program. */
  readonly migrations?: readonly Migration[];
  readonly programVersion?: string;
}

export interface OpenedBooks {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Db;
  /** The identity of this database. The first migration sets it once. */
  readonly installation: { readonly id: string; readonly test: boolean; readonly madeBy: string };
  close(): Promise<void>;
}

function checkSchema(place: string, found: SchemaState): void {
  const refused = refusalOf(place, found);
  if (refused !== undefined) throw refused;
  switch (found.state) {
    case 'absent':
      throw new UsageFault(
        'no_schema',
        `database ${place}: holds no books yet; run "perennial migrate"`,
      );
    case 'older':
      throw new UsageFault(
        'schema_too_old',
        `database ${place}: its schema is ${found.version} and this program needs ${found.latest}; run "perennial migrate"`,
      );
    case 'foreign':
    case 'changed':
    case 'current':
    case 'newer':
      return;
    default:
      unreachable(found);
  }
}

async function readInstallation(client: Querying): Promise<OpenedBooks['installation']> {
  const { rows } = await client.query(
    'SELECT id::text, test, made_by AS "madeBy" FROM perennial.installation',
  );
  return rows[0];
}

/** Opens the books of `url`, checked. @throws UsageFault naming the place and the way out. */
export async function openChecked(url: string, options: OpenOptions = {}): Promise<OpenedBooks> {
  checkUrl(url);
  const place = placeOf(url);
  const pool = openPool(url, options);
  const db = openBooks(pool);
  try {
    const client = await pool.connect().catch((error: unknown) => {
      throw connectionFault(url, error);
    });
    try {
      await checkServer(client, place);
      const migrations = options.migrations ?? readMigrations();
      const version = options.programVersion ?? programVersion;
      checkSchema(place, await inspectSchema(client, { version, migrations }));
      const installation = await readInstallation(client);
      return { url, pool, db, installation, close: () => closeBooks(db, pool) };
    } finally {
      client.release();
    }
  } catch (error) {
    await closeBooks(db, pool);
    throw rightsFault(url, error) ?? error;
  }
}
