import type { Command } from 'commander';
import { setClock } from '../../../db/clock.ts';
import { openDatabase, openPool } from '../../../db/connect.ts';
import { type MigrationProgress, migrate } from '../../../db/migrate.ts';
import { buildCommand, type CommonOptions, printResult } from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';
import { startDatabase } from '../../open-database.ts';
import { InterruptedFault, runUntilSignal } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly test?: boolean;
}

/** `perennial migrate`: updates the schema. A repetition or a second process does no harm. */
export function buildMigrateCommand(): Command {
  return buildCommand('migrate')
    .option('--test', 'mark a new database as a test database, whose clock --now sets [not a test]')
    .action((options: Options) => runUntilSignal((signal) => runMigrate(options, signal)));
}

async function runMigrate(options: Options, signal: AbortSignal): Promise<void> {
  const config = readConfiguration(options);
  const { now } = options;
  const database = await startDatabase(config, 'command', true);
  try {
    const result = await migrate(database.url, {
      test: options.test ?? false,
      setsClock: now !== undefined,
      onProgress: createProgressHandler(signal),
    });
    if (now !== undefined) {
      const db = openDatabase(openPool(database.url));
      await setClock(db, now).finally(() => db.destroy());
    }
    printResult(options, result, () =>
      result.applied.length === 0
        ? `nothing to do: the schema is at ${result.to}`
        : `schema ${result.from} -> ${result.to}: ${result.applied.join(', ')}`,
    );
  } finally {
    await database.close();
  }
}

/** Shows the progress. A signal ends the command between two migrations. */
function createProgressHandler(signal: AbortSignal): (progress: MigrationProgress) => void {
  let state = 'the schema was not changed';
  return (progress) => {
    showProgress(progress);
    if (progress.is === 'applied') {
      if (progress.version === progress.of) return;
      state = `the schema is at ${progress.version} of ${progress.of}; run "perennial migrate" again`;
    }
    if (signal.aborted) throw new InterruptedFault(signal, state);
  };
}

/** On stderr, so that stdout contains only the result. */
function showProgress(progress: MigrationProgress): void {
  const text =
    progress.is === 'applied'
      ? `applied ${progress.version} of ${progress.of}: ${progress.name}`
      : progress.sentence;
  process.stderr.write(`${text}\n`);
}
