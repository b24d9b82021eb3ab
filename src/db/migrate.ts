import type pg from 'pg';
import { Fault, UsageFault } from '../kernel/faults.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { pause } from '../kernel/timer.ts';
import { programVersion } from '../version.ts';
import { notATest } from './clock.ts';
import { clientConfig, connectClient, type Limits } from './connect.ts';
import { faultOf } from './faults.ts';
import { findHolder, type Holder, holderText } from './holders.ts';
import { checkUrl, placeOf } from './place.ts';
import { checkServer, connectionFault, rightsFault } from './reach.ts';
import { inspectSchema, type Migration, readMigrations, refusalOf } from './schema-state.ts';

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
const migrationLimits: Limits = { statementMs: 0, lockMs: 500, idleInTransactionMs: 0 };
/** The pause after an attempt without a lock. Writers have four fifths of the time. */
const retryMs = 2 * secondMs;
/** A longer read is a report or a forgotten session. A person decides. */
const giveUpMs = 2 * minuteMs;

export interface MigrateOptions {
  /** Marks a new database as a test with a stored clock. Refused for a real database. */
  readonly test?: boolean;
  readonly madeBy?: 'migrate' | 'demo';
  /** The caller sets the clock later. Refused on a real database before any change. */
  readonly setsClock?: boolean;
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** For tests of the migrator. */
  readonly retryMs?: number;
  readonly giveUpMs?: number;
  readonly migrations?: readonly Migration[];
  readonly programVersion?: string;
}

export type MigrationProgress =
  | { readonly is: 'applied'; readonly name: string; readonly version: number; readonly of: number }
  /** The attempt was rolled back; the next one follows. */
  | { readonly is: 'blocked'; readonly sentence: string };

export interface Migrated {
  /** Versions; 0: no schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly string[];
  readonly test: boolean;
}

/** Before the first migration. */
export const makeSchema = `
  CREATE SCHEMA perennial;
  CREATE TABLE perennial.migration (
    version int PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    oldest_program text NOT NULL,
    applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
  )`;

async function apply(client: pg.Client, next: Migration, options: MigrateOptions): Promise<void> {
  if (next.version === 1) await client.query(makeSchema);
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

async function checkTest(client: pg.Client, place: string, options: MigrateOptions) {
  const { rows } = await client.query('SELECT test FROM perennial.installation');
  const [installation] = rows as { test: boolean }[];
  if (options.test && installation?.test !== true) {
    throw new UsageFault(
      'not_a_test',
      `database ${place}: --test marks a new database only, and this one holds books already; use an empty one`,
    );
  }
  return installation?.test ?? false;
}

type Step = { readonly done: false; readonly from: number; readonly applied: string };
type End = { readonly done: true; readonly version: number; readonly test: boolean };

/** One transaction: applies the next migration, or finds none. */
async function step(
  client: pg.Client,
  place: string,
  options: MigrateOptions,
  migrations: readonly Migration[],
): Promise<Step | End> {
  await client.query(`SELECT pg_advisory_xact_lock(${lockKey})`);
  const version = options.programVersion ?? programVersion;
  const found = await inspectSchema(client, { version, migrations });
  const wrong = refusalOf(place, found);
  if (wrong !== undefined) throw wrong;
  const at = 'version' in found ? found.version : 0;
  const test = at > 0 && (await checkTest(client, place, options));
  if (options.setsClock && !(at > 0 ? test : options.test)) throw notATest();
  const next = migrations[at];
  if (next === undefined) return { done: true, version: at, test };
  await apply(client, next, options);
  return { done: false, from: at, applied: next.name };
}

/** A thrown value as the error of the migrator: nothing was changed, and the cause. */
function failure(url: string, error: unknown): Fault {
  const fault = rightsFault(url, error) ?? faultOf(error);
  if (fault instanceof UsageFault || error instanceof Fault) return fault;
  const sentence = `database ${placeOf(url)}: a migration failed and was undone (${fault.message})`;
  return new Fault(fault.kind, 'migration_failed', sentence, error);
}

/** lock_not_available and a deadlock with another session: both are temporary. */
const isBlocked = (error: unknown): boolean =>
  /^(55P03|40P01)$/.test(String((error as { code?: unknown } | undefined)?.code));

/** One migration in one transaction, tried again while another session holds a lock. */
async function stepWithRetries(
  client: pg.Client,
  place: string,
  options: MigrateOptions,
  migrations: readonly Migration[],
): Promise<Step | End> {
  const elapsedMs = stopwatch();
  for (;;) {
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await step(client, place, options, migrations);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      if (!isBlocked(error)) throw error;
      const holder = await findBlocker(client);
      const by = holder === undefined ? 'another session' : holderText(holder);
      const sentence = `database ${place}: a lock is held by ${by}`;
      if (elapsedMs() >= (options.giveUpMs ?? giveUpMs)) throw blocked(sentence, error);
      options.onProgress?.({ is: 'blocked', sentence: `${sentence}; trying again` });
      await pause(options.retryMs ?? retryMs);
    }
  }
}

/** The transaction failed, and the catalogs are read after it. */
async function findBlocker(client: pg.Client): Promise<Holder | undefined> {
  await client.query('ROLLBACK');
  return findHolder(client, 'any');
}

const blocked = (sentence: string, error: unknown): Fault =>
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
export async function migrate(url: string, options: MigrateOptions = {}): Promise<Migrated> {
  checkUrl(url);
  const place = placeOf(url);
  const migrations = options.migrations ?? readMigrations();
  const config = clientConfig(url, migrationLimits);
  const client = await connectClient(url, config).catch((error: unknown) => {
    throw connectionFault(url, error);
  });
  const applied: string[] = [];
  let from: number | undefined;
  try {
    await checkServer(client, place);
    for (;;) {
      const result = await stepWithRetries(client, place, options, migrations);
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
    throw failure(url, error);
  } finally {
    // Ends the transaction too, if a step failed inside it.
    await client.end();
  }
}
