import type { Command } from 'commander';
import { backupText } from '../backup/backup.ts';
import { restore } from '../backup/restore.ts';
import { connectionFault } from '../db/reach.ts';
import { openSource, writeTarget } from '../transfer/files.ts';
import { readConfiguration } from './configuration.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';
import { findDatabase } from './open-books.ts';
import { ProgressLine } from './progress.ts';
import { Interrupted, untilSignal } from './signals.ts';

/** `perennial backup FILE`: all of the database as SQL, while the service runs. */
export function backupCommand(open: OpenBooks): Command {
  return command('backup <FILE>', 'write the whole database to FILE, while the service runs')
    .addHelpText('after', '\nFILE may be - for stdout. Restore it: docs/backup-and-restore.md')
    .action((file: string, options: CommonOptions) =>
      withBooks(open, options, async ({ url }, signal) => {
        const line = new ProgressLine();
        const onTable = (name: string) => line.show(() => `writing ${name}`);
        await writeTarget(file, backupText({ url, onTable }), signal)
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
            const left = file === '-' ? 'the output is incomplete' : `${file} was not written`;
            throw new Interrupted(signal, `${left}, and the database was not changed`, error);
          })
          .finally(() => line.end());
        if (file !== '-') print(options, { file }, () => `wrote ${file}`);
      }),
    );
}

/** `perennial restore FILE`: a backup into an empty database, all of it or nothing. */
export function restoreCommand(): Command {
  return command('restore <FILE>', 'read a backup into an empty database, all or nothing')
    .addHelpText(
      'after',
      '\nFILE may be - for stdin. Before and after it: docs/backup-and-restore.md',
    )
    .action((file: string, options: CommonOptions) =>
      untilSignal(async (signal) => {
        using source = await openSource(file);
        const place = await findDatabase(readConfiguration(options), 'command', true);
        const line = new ProgressLine();
        signal.addEventListener('abort', source.close);
        try {
          const onRows = (rows: number) => line.show(() => `${rows} rows read`);
          const done = await restore({ url: place.url, source: source.bytes, signal, onRows });
          line.end();
          print(options, done, () => `restored ${done.rows} rows; next: "perennial migrate"`);
        } catch (error) {
          line.end();
          if (signal.aborted) throw new Interrupted(signal, 'nothing was restored', error);
          const { code, syscall } = error as NodeJS.ErrnoException;
          throw syscall === 'connect' || /^(28|3D)/.test(code ?? '')
            ? connectionFault(place.url, error)
            : error;
        } finally {
          await place.close();
        }
      }),
    );
}
