import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { mustHold } from '../kernel/faults.ts';

// The tables of a backup, read from the catalogs of the database. So a migration that adds a table
// or a column needs no change here.

export interface BackupTable {
  readonly name: string;
  readonly columns: readonly string[];
}

interface TableRow extends BackupTable {
  /** Other tables that its foreign keys need. */
  readonly needs: readonly string[];
}

/** Tables in an order in which each foreign key finds its row. Generated columns are left out. */
export async function readTables(tx: Tx): Promise<readonly BackupTable[]> {
  const { rows } = await sql<TableRow>`
    SELECT t.relname AS name,
      array(SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        ORDER BY a.attnum) AS columns,
      array(SELECT DISTINCT r.relname::text FROM pg_constraint c
        JOIN pg_class r ON r.oid = c.confrelid
        WHERE c.conrelid = t.oid AND c.contype = 'f' AND c.confrelid <> t.oid) AS needs
    FROM pg_class t
    WHERE t.relnamespace = 'perennial'::regnamespace AND t.relkind = 'r'
    ORDER BY t.relname`.execute(tx);
  const ordered: TableRow[] = [];
  while (ordered.length < rows.length) {
    const ready = rows.filter(
      (row) =>
        !ordered.includes(row) &&
        row.needs.every((name) => ordered.some((before) => before.name === name)),
    );
    mustHold(ready.length > 0, 'foreign keys of the tables form a circle');
    ordered.push(...ready);
  }
  return ordered;
}

export interface BackupSequence {
  readonly name: string;
  /** Null: the sequence was never used. */
  readonly lastValue: bigint | null;
}

/** Sequences are outside of a snapshot. Read after it, they are never behind its rows. */
export async function readSequences(tx: Tx): Promise<readonly BackupSequence[]> {
  const { rows } = await sql<BackupSequence>`
    SELECT sequencename AS name, last_value AS "lastValue" FROM pg_sequences
    WHERE schemaname = 'perennial' ORDER BY sequencename`.execute(tx);
  return rows;
}
