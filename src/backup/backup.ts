import { sql } from 'kysely';
import { to as copyTo } from 'pg-copy-streams';
import { startSnapshot, type Tx } from '../db/connect.ts';
import { schemaSql } from '../db/migrate.ts';
import { loadMigrations } from '../db/schema-state.ts';
import { openSingleConnection } from '../db/single-connection.ts';
import { refused } from '../kernel/faults.ts';
import { programVersion } from '../version.ts';
import { type BackupTable, readSequences, readTables } from './tables.ts';

// Writes a backup: SQL of the schema by its migrations, every row of one snapshot, and the
// sequences. The service continues meanwhile. `perennial restore` and any psql of version 15 or
// newer restore it, into a server of any version that the program supports.
//
// The schema `perennial_queue` is left out: `start` creates it.

export const backupFirstLine = '-- perennial backup, format 1';
export const backupLastLine = '-- end of the backup';

export interface BackupRequest {
  readonly url: string;
  readonly onTable?: (name: string) => void;
}

/** The text in pieces. The connection ends after the last piece, or if the reader stops. */
export async function* streamBackup({ url, onTable }: BackupRequest): AsyncGenerator<string> {
  await using connection = await openSingleConnection(url);
  const tx = await startSnapshot(connection.db);
  const tables = await readTables(tx);
  yield await readHead(tx, tables);
  for (const table of tables) {
    onTable?.(table.name);
    yield `\nCOPY ${formatTarget(table)} FROM stdin;\n`;
    const rows = connection.client.query(copyTo(`COPY ${formatTarget(table)} TO STDOUT`));
    for await (const piece of rows.setEncoding('utf8')) yield piece as string;
    yield '\\.\n';
  }
  yield await readTail(tx, tables);
  await tx.commit().execute();
}

const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const qualifyName = (name: string): string => `perennial.${quoteName(name)}`;
const formatTarget = ({ name, columns }: BackupTable): string =>
  `${qualifyName(name)} (${columns.map(quoteName).join(', ')})`;

/** @throws Fault `schema_unknown` for a schema of another version of the program */
async function readHead(tx: Tx, tables: readonly BackupTable[]): Promise<string> {
  const migrations = loadMigrations();
  const { rows } = await sql<{ version: number; taken: string }>`
    SELECT max(version) AS version, to_char(perennial.clock() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      AS taken FROM perennial.migration`.execute(tx);
  const [{ version, taken }] = rows as [{ version: number; taken: string }];
  if (version !== migrations.length) {
    throw refused(
      'schema_unknown',
      `the schema is ${version}, and this program knows ${migrations.length}; use the program that migrated it`,
    );
  }
  const names = tables.map(({ name }) => qualifyName(name));
  return `${[
    backupFirstLine,
    `-- taken ${taken} by perennial ${programVersion}, schema ${version}`,
    '-- restore: perennial restore FILE, or psql --set ON_ERROR_STOP=1 --file FILE URL',
    "SET client_encoding = 'UTF8';",
    'SET standard_conforming_strings = on;',
    'SET timezone = UTC;',
    'BEGIN;',
    `${schemaSql};`,
    ...migrations.map((migration) => migration.sql),
    ...names.map((name) => `ALTER TABLE ${name} DISABLE TRIGGER USER;`),
    `TRUNCATE ${names.join(', ')};`,
  ].join('\n')}\n`;
}

async function readTail(tx: Tx, tables: readonly BackupTable[]): Promise<string> {
  const sequences = await readSequences(tx);
  const used = sequences.filter(({ lastValue }) => lastValue !== null);
  return `\n${[
    ...used.map(({ name, lastValue }) => `SELECT setval('${qualifyName(name)}', ${lastValue});`),
    ...tables.map(({ name }) => `ALTER TABLE ${qualifyName(name)} ENABLE TRIGGER USER;`),
    'COMMIT;',
    'ANALYZE;',
    backupLastLine,
  ].join('\n')}\n`;
}
