import type { Command } from 'commander';
import { setClock } from '../db/clock.ts';
import { openBooks, openPool } from '../db/connect.ts';
import { type MigrationProgress, migrate } from '../db/migrate.ts';
import { readConfiguration } from './configuration.ts';
import { type CommonOptions, command, print } from './frame.ts';
import { findDatabase } from './open-books.ts';
import { Interrupted, untilSignal } from './signals.ts';

interface Options extends CommonOptions {
  readonly test?: boolean;
}

/** `perennial migrate`: brings the schema forward. Safe to run again, and from several places. */
export function migrateCommand(): Command {
  return command('migrate', 'create or bring forward the schema of the database')
    .option('--test', 'mark a new database as a test: its clock can be set with --now')
    .action((options: Options) => untilSignal((signal) => run(options, signal)));
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const config = readConfiguration(options);
  const { now } = options;
  const place = await findDatabase(config, 'command', true);
  try {
    const done = await migrate(place.url, {
      test: options.test ?? false,
      setsClock: now !== undefined,
      onProgress: untilAborted(signal),
    });
    if (now !== undefined) {
      const db = openBooks(openPool(place.url));
      await setClock(db, now).finally(() => db.destroy());
    }
    print(options, done, () =>
      done.applied.length === 0
        ? `nothing to do: the schema is at ${done.to}`
        : `schema ${done.from} -> ${done.to}: ${done.applied.join(', ')}`,
    );
  } finally {
    await place.close();
  }
}

/** Shows the progress, and ends between two migrations. */
function untilAborted(signal: AbortSignal): (progress: MigrationProgress) => void {
  let reached = 'the schema was not changed';
  return (progress) => {
    showProgress(progress);
    if (progress.is === 'applied') {
      if (progress.version === progress.of) return;
      reached = `the schema is at ${progress.version} of ${progress.of}; run "perennial migrate" again`;
    }
    if (signal.aborted) throw new Interrupted(signal, reached);
  };
}

/** On stderr, so that the result stays alone on stdout. */
function showProgress(progress: MigrationProgress): void {
  const text =
    progress.is === 'applied'
      ? `applied ${progress.version} of ${progress.of}: ${progress.name}`
      : progress.sentence;
  process.stderr.write(`${text}\n`);
}
