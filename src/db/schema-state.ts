import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mustHold, UsageFault, unreachable } from '../kernel/faults.ts';
import { isOlderVersion } from '../version.ts';

// Compares the migrations of this program (migrations/*.sql) with those of a database.

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  /** The oldest program that may work on the schema after this migration. */
  readonly oldestProgram: string;
}

/** The folder beside this file, in a clone and in a release. */
const migrationsFolder = new URL('./migrations/', import.meta.url);

/** The migrations of a folder, in order and without a gap. A wrong file is a bug. */
export function loadMigrations(folder: URL = migrationsFolder): readonly Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  return files.sort().map((file, index) => {
    const [, number, name] = /^(\d{3})-([a-z0-9-]+)\.sql$/.exec(file) ?? [];
    mustHold(number !== undefined && name !== undefined, `${file}: is not NNN-name.sql`);
    const version = Number(number);
    mustHold(version === index + 1, `${file}: the migration before it is missing`);
    // A checkout with CRLF line ends is no change.
    const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
    const oldestProgram = /^-- oldest-program: (\d+\.\d+\.\d+)\n/.exec(sql)?.[1];
    mustHold(oldestProgram !== undefined, `${file}: doesn't begin with -- oldest-program: X.Y.Z`);
    const checksum = createHash('sha256').update(sql).digest('hex');
    return { version, name, sql, checksum, oldestProgram };
  });
}

export type SchemaState =
  /** No schema `perennial` at all. */
  | { readonly state: 'absent' }
  /** A schema of this name that another program created. */
  | { readonly state: 'foreign' }
  /** An applied migration differs from the one in this program. */
  | { readonly state: 'changed'; readonly version: number; readonly name: string }
  | { readonly state: 'older'; readonly version: number; readonly latest: number }
  | { readonly state: 'current'; readonly version: number }
  /** A newer program created it. `fits`: this program may work on it. */
  | {
      readonly state: 'newer';
      readonly version: number;
      readonly oldestProgram: string;
      readonly isCompatible: boolean;
    };

/** A client or a pool. */
export interface QueryClient {
  // biome-ignore lint/suspicious/noExplicitAny: rows of any statement
  query(text: string, values?: unknown[]): Promise<{ rows: any[] }>;
}

interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly oldest_program: string;
}

const migrationColumns = ['applied_at', 'checksum', 'name', 'oldest_program', 'version'];

async function readApplied(
  client: QueryClient,
): Promise<'absent' | 'foreign' | readonly AppliedMigration[]> {
  const { rows } = await client.query(`
    SELECT to_regnamespace('perennial') IS NOT NULL AS there,
           ARRAY(SELECT attname::text FROM pg_attribute
                 WHERE attrelid = to_regclass('perennial.migration')
                   AND attnum > 0 AND NOT attisdropped) AS columns`);
  const [{ there, columns }] = rows as [{ there: boolean; columns: string[] }];
  if (!there) return 'absent';
  if (!migrationColumns.every((column) => columns.includes(column))) return 'foreign';
  const applied = await client.query(
    'SELECT version, name, checksum, oldest_program FROM perennial.migration ORDER BY version',
  );
  return applied.rows.length === 0 ? 'foreign' : (applied.rows as AppliedMigration[]);
}

/** Compares the schema of a database with this program. Changes nothing. */
export async function inspectSchema(
  client: QueryClient,
  program: { readonly version: string; readonly migrations: readonly Migration[] },
): Promise<SchemaState> {
  const applied = await readApplied(client);
  if (applied === 'absent' || applied === 'foreign') return { state: applied };
  const latest = program.migrations.length;
  const version = Math.max(...applied.map((row) => row.version));
  for (const row of applied) {
    const shipped = program.migrations[row.version - 1];
    if (shipped !== undefined && shipped.checksum !== row.checksum) {
      return { state: 'changed', version: row.version, name: row.name };
    }
  }
  if (version < latest) return { state: 'older', version, latest };
  if (version === latest) return { state: 'current', version };
  const oldestProgram = applied
    .map((row) => row.oldest_program)
    .reduce((a, b) => (isOlderVersion(a, b) ? b : a));
  const isCompatible = !isOlderVersion(program.version, oldestProgram);
  return { state: 'newer', version, oldestProgram, isCompatible };
}

/** The fault if neither a migrator nor a worker may change this schema; undefined: they may. */
export function createSchemaFault(database: string, state: SchemaState): UsageFault | undefined {
  switch (state.state) {
    case 'absent':
    case 'older':
    case 'current':
      return undefined;
    case 'foreign':
      return new UsageFault(
        'not_ours',
        `database ${database}: its schema "perennial" was not made by this program; use another database`,
      );
    case 'changed':
      return new UsageFault(
        'migration_changed',
        `database ${database}: migration ${state.version} (${state.name}) was applied with another text; install the release that made it`,
      );
    case 'newer':
      if (state.isCompatible) return undefined;
      return new UsageFault(
        'program_too_old',
        `database ${database}: its schema ${state.version} needs perennial ${state.oldestProgram} or newer; upgrade the program`,
      );
    default:
      return unreachable(state);
  }
}
