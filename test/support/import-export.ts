import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { generatedPrices } from '../../src/demo/test-data.ts';
import { defaultColumns } from '../../src/import-export/columns.ts';
import { exportCustomers } from '../../src/import-export/export.ts';
import { type ImportOutcome, importCustomers } from '../../src/import-export/import.ts';
import type { FileFormat } from '../../src/import-export/records.ts';
import { createDatabase, type TestDatabase } from './database.ts';

// Import and export of a test database as text.

export const csvHeader = defaultColumns.join(',');

/** The plans of examples/perennial.yaml. `basic` also has a monthly price in USD and XTR. */
export async function createImportPlans(db: Db): Promise<void> {
  await sql`
    INSERT INTO perennial.plan (key, title, groups)
    VALUES ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}')`.execute(
    db,
  );
  const prices = [
    ...generatedPrices.map((price) => ({ ...price, currency: 'RUB' })),
    { plan: 'basic', periodDays: 30, currency: 'USD', amountMinor: 199n },
    { plan: 'basic', periodDays: 30, currency: 'XTR', amountMinor: 100n },
  ];
  for (const { plan, periodDays, currency, amountMinor } of prices) {
    await sql`
      INSERT INTO perennial.plan_price VALUES
        (${plan}, ${periodDays}, ${currency}, '2020-01-01Z', ${amountMinor})`.execute(db);
  }
}

/** A database with `createImportPlans`. */
export async function createImportDatabase(): Promise<TestDatabase> {
  const database = await createDatabase({ now: '2026-11-24T00:00:00Z' });
  await createImportPlans(database.db);
  return database;
}

/** Imports text in small pieces, so that lines, quotes and characters are cut in the middle. */
export function importText(
  url: string,
  text: string | Buffer,
  { format = 'csv', dryRun = false, pieceBytes = 4_099 }: ImportTextOptions = {},
): Promise<ImportOutcome> {
  async function* pieces() {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  return importCustomers({ url, source: pieces(), format, currency: 'RUB', actor: 'test', dryRun });
}

export interface ImportTextOptions {
  readonly format?: FileFormat;
  readonly dryRun?: boolean;
  readonly pieceBytes?: number;
}

export async function exportText(url: string, format: FileFormat = 'csv'): Promise<string> {
  let text = '';
  for await (const piece of exportCustomers({ url, format })) text += piece;
  return text;
}

/** All rows of the tables that an import can change, to compare before and after. */
export async function readAllRows(db: Db): Promise<unknown> {
  const names = [
    'customer',
    'subscription',
    'period',
    'ledger_entry',
    'credential',
    'access_sync',
    'event',
    'notification',
  ];
  const rows: Record<string, unknown> = {};
  for (const name of names) {
    const { rows: found } = await sql<{ row: unknown }>`
      SELECT to_jsonb(t) AS row FROM ${sql.table(`perennial.${name}`)} t ORDER BY to_jsonb(t)`.execute(
      db,
    );
    rows[name] = found.map(({ row }) => row);
  }
  return rows;
}
