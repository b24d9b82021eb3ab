import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { Fault, UsageFault } from '../kernel/faults.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { programVersion } from '../version.ts';
import { notATest } from './clock.ts';
import { clientConfig, connectClient, type Limits } from './connect.ts';
import { faultOf } from './faults.ts';
import { findHolder, type Holder, holderText } from './holders.ts';
import { checkUrl, placeOf } from './place.ts';
import { checkServer, connectionFault, rightsFault } from './reach.ts';
import { inspectSchema, type Migration, readMigrations, refusalOf } from './schema-state.ts';

// The schema, forward only. Each migration is a transaction that first takes the lock, then reads
// how far the database is, then applies the next one and writes that down: of two migrators at
// once the second finds the work done, and a failure leaves the database at the version before.
// The lock is of the transaction, not of the session, so that it also holds behind a pooler.
//
// A migration waits for a lock for half a second only, because all writers of that table wait
// behind it. Then it is undone, and it is tried again until 2 minutes have passed.

/** "perennia" in ASCII: nobody else's advisory lock, by all odds. */
const lockKey = '8099005284865698145';

/** A migration may take as long as it needs, except for its waits for locks. */
const migrationLimits: Limits = { statementMs: 0, lockMs: 500, idleInTransactionMs: 0 };
/** The pause after an attempt that got no lock: writers have four fifths of the time. */
const retryMs = 2 * secondMs;
/** A read of this length is forgotten or a report; a person has to decide. */
const giveUpMs = 2 * minuteMs;

export interface MigrateOptions {
  /** Marks a new database as a test: its clock can be set. Refused on one that is not. */
  readonly test?: boolean;
  readonly madeBy?: 'migrate' | 'demo';
  /** Its clock is to be set: refused, before anything is changed, where that can't be. */
  readonly setsClock?: boolean;
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** For tests of the migrator itself. */
  readonly retryMs?: number;
  readonly giveUpMs?: number;
  readonly migrations?: readonly Migration[];
  readonly programVersion?: string;
}

export type MigrationProgress =
  | { readonly is: 'applied'; readonly name: string; readonly version: number; readonly of: number }
  /** The attempt was undone; the next one follows. */
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

/** One transaction: the next migration, or the finding that there is none. */
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

/** What was thrown as the migrator says it: nothing half done, and why. */
function failure(url: string, error: unknown): Fault {
  const fault = rightsFault(url, error) ?? faultOf(error);
  if (fault instanceof UsageFault || error instanceof Fault) return fault;
  const sentence = `database ${placeOf(url)}: a migration failed and was undone (${fault.message})`;
  return new Fault(fault.kind, 'migration_failed', sentence, error);
}

/** lock_not_available, and a deadlock with another session: both pass. */
const isBlocked = (error: unknown): boolean =>
  /^(55P03|40P01)$/.test(String((error as { code?: unknown } | undefined)?.code));

/** One migration in a transaction of its own, tried again while another session holds a lock. */
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
 * Brings the schema of a database forward to what this program needs; safe to run again, and from
 * several places at once. @throws UsageFault; then the database is as before the step that failed.
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
