import type pg from 'pg';
import { Fault, UsageFault } from '../kernel/faults.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { pause } from '../kernel/timer.ts';
import { programVersion } from '../version.ts';
import { createNotATestFault } from './clock.ts';
import { connectClient, type SessionLimits, toClientConfig } from './connect.ts';
import { checkDatabaseUrl, describeDatabase } from './database-url.ts';
import { toFault } from './faults.ts';
import { findLockHolder, formatLockHolder, type LockHolder } from './lock-holders.ts';
import { checkServer, createConnectionFault, createRightsFault } from './preflight.ts';
import {
  createSchemaFault,
  inspectSchema,
  loadMigrations,
  type Migration,
} from './schema-state.ts';

// Migrations of the schema, forward only. One transaction does these steps:
//
// 1. Take the lock of migrations. It belongs to the transaction, so it also works behind a pooler.
// 2. Read the version of the database. A second migrator finds the work done.
// 3. Apply the next migration, and store its version. A failure leaves the previous version.
//
// A migration waits at most 0.5 s for a table lock, because all writers of that table wait behind
// it. Then it is rolled back, and tried again for 2 minutes.

/** "perennia" in ASCII, so another program very probably has no such advisory lock. */
const lockKey = '8099005284865698145';

/** Only the waits of a migration for locks have a limit. */
const migrationLimits: SessionLimits = { statementMs: 0, lockMs: 500, idleInTransactionMs: 0 };
/** The pause after an attempt without a lock. Writers have four fifths of the time. */
const retryMs = 2 * secondMs;
/** A longer read is a report or a forgotten session. A person decides. */
const blockedMaxMs = 2 * minuteMs;

export interface MigrateOptions {
  /** Marks a new database as a test with a stored clock. Refused for a real database. */
  readonly test?: boolean;
  readonly madeBy?: 'migrate' | 'demo';
  /** The caller sets the clock later. Refused on a real database before any change. */
  readonly setsClock?: boolean;
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** For tests of the migrator. */
  readonly retryMs?: number;
  readonly blockedMaxMs?: number;
  readonly migrations?: readonly Migration[];
  readonly programVersion?: string;
}

export type MigrationProgress =
  | { readonly is: 'applied'; readonly name: string; readonly version: number; readonly of: number }
  /** The attempt was rolled back; the next one follows. */
  | { readonly is: 'blocked'; readonly sentence: string };

export interface MigrationResult {
  /** Versions; 0: no schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly string[];
  readonly test: boolean;
}

/** Before the first migration. */
export const schemaSql = `
  CREATE SCHEMA perennial;
  CREATE TABLE perennial.migration (
    version int PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    oldest_program text NOT NULL,
    applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
  )`;

async function applyMigration(
  client: pg.Client,
  next: Migration,
  options: MigrateOptions,
): Promise<void> {
  if (next.version === 1) await client.query(schemaSql);
  await client.query(next.sql);
  if (next.version === 1) {
    await client.query('INSERT INTO perennial.installation (test, made_by) VALUES ($1, $2)', [
      options.test ?? false,
      options.madeBy ?? 'migrate',
    ]);
  }
  await client.query(
    `INSERT INTO perennial.migration (version, name, checksum, oldest_program)
     VALUES ($1, $2, $3, $4)`,
    [next.version, next.name, next.checksum, next.oldestProgram],
  );
}

async function checkTestOption(client: pg.Client, database: string, options: MigrateOptions) {
  const { rows } = await client.query('SELECT test FROM perennial.installation');
  const [installation] = rows as { test: boolean }[];
  if (options.test && installation?.test !== true) {
    throw new UsageFault(
      'not_a_test',
      `database ${database}: --test marks only a new database, and this one has a schema; expected an empty database`,
    );
  }
  return installation?.test ?? false;
}

type MigrationStep = { readonly done: false; readonly from: number; readonly applied: string };
type MigrationEnd = { readonly done: true; readonly version: number; readonly test: boolean };

/** One transaction: applies the next migration, or finds none. */
async function runStep(
  client: pg.Client,
  database: string,
  options: MigrateOptions,
  migrations: readonly Migration[],
): Promise<MigrationStep | MigrationEnd> {
  await client.query(`SELECT pg_advisory_xact_lock(${lockKey})`);
  const version = options.programVersion ?? programVersion;
  const state = await inspectSchema(client, { version, migrations });
  const refusal = createSchemaFault(database, state);
  if (refusal !== undefined) throw refusal;
  const schemaVersion = 'version' in state ? state.version : 0;
  const test = schemaVersion > 0 && (await checkTestOption(client, database, options));
  if (options.setsClock && !(schemaVersion > 0 ? test : options.test)) throw createNotATestFault();
  const next = migrations[schemaVersion];
  if (next === undefined) return { done: true, version: schemaVersion, test };
  await applyMigration(client, next, options);
  return { done: false, from: schemaVersion, applied: next.name };
}

/** A thrown value as the error of the migrator: nothing was changed, and the cause. */
function toMigrationFault(url: string, error: unknown): Fault {
  const fault = createRightsFault(url, error) ?? toFault(error);
  if (fault instanceof UsageFault || error instanceof Fault) return fault;
  const sentence = `database ${describeDatabase(url)}: a migration failed and was undone (${fault.message})`;
  return new Fault(fault.kind, 'migration_failed', sentence, error);
}

/** lock_not_available and a deadlock with another session: both are temporary. */
const isBlocked = (error: unknown): boolean =>
  /^(55P03|40P01)$/.test(String((error as { code?: unknown } | undefined)?.code));

/** One migration in one transaction, tried again while another session holds a lock. */
async function runStepWithRetries(
  client: pg.Client,
  database: string,
  options: MigrateOptions,
  migrations: readonly Migration[],
): Promise<MigrationStep | MigrationEnd> {
  const elapsedMs = stopwatch();
  for (;;) {
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await runStep(client, database, options, migrations);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      if (!isBlocked(error)) throw error;
      const holder = await findBlocker(client);
      const heldBy = holder === undefined ? 'another session' : formatLockHolder(holder);
      const sentence = `database ${database}: a lock is held by ${heldBy}`;
      if (elapsedMs() >= (options.blockedMaxMs ?? blockedMaxMs))
        throw createBlockedFault(sentence, error);
      options.onProgress?.({ is: 'blocked', sentence: `${sentence}; trying again` });
      await pause(options.retryMs ?? retryMs);
    }
  }
}

/** The transaction failed, and the catalogs are read after it. */
async function findBlocker(client: pg.Client): Promise<LockHolder | undefined> {
  await client.query('ROLLBACK');
  return findLockHolder(client, 'any');
}

const createBlockedFault = (sentence: string, error: unknown): Fault =>
  new Fault(
    'transient',
    'migration_blocked',
    `${sentence}; that migration was undone. End the session, or run "perennial migrate" again later`,
    error,
  );

/**
 * Updates the schema of a database for this program. Several migrators may run at once, and again.
 * @throws UsageFault; the failed step has changed nothing
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<MigrationResult> {
  checkDatabaseUrl(url);
  const database = describeDatabase(url);
  const migrations = options.migrations ?? loadMigrations();
  const config = toClientConfig(url, migrationLimits);
  const client = await connectClient(url, config).catch((error: unknown) => {
    throw createConnectionFault(url, error);
  });
  const applied: string[] = [];
  let from: number | undefined;
  try {
    await checkServer(client, database);
    for (;;) {
      const result = await runStepWithRetries(client, database, options, migrations);
      if (result.done) {
        return { from: from ?? result.version, to: result.version, applied, test: result.test };
      }
      from ??= result.from;
      applied.push(result.applied);
      const version = result.from + 1;
      options.onProgress?.({
        is: 'applied',
        name: result.applied,
        version,
        of: migrations.length,
      });
    }
  } catch (error) {
    throw toMigrationFault(url, error);
  } finally {
    // Ends the transaction too, if a step failed inside it.
    await client.end();
  }
}
