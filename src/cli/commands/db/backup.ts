import type { Command } from 'commander';
import { streamBackup } from '../../../backup/backup.ts';
import { restoreBackup } from '../../../backup/restore.ts';
import { createConnectionFault } from '../../../db/preflight.ts';
import { openSource, writeTarget } from '../../../import-export/files.ts';
import { formatCount } from '../../../kernel/count.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';
import { startDatabase } from '../../open-database.ts';
import { ProgressLine } from '../../output/progress.ts';
import { InterruptedFault, runUntilSignal } from '../../shutdown.ts';

/** `perennial backup FILE`: writes the whole database as SQL, while the service runs. */
export function buildBackupCommand(open: DatabaseOpener): Command {
  return buildCommand('backup <FILE>')
    .addHelpText('after', '\nFILE - is stdout. Restore it: docs/backup-and-restore.md')
    .action((file: string, options: CommonOptions) =>
      withDatabase(open, options, async ({ url }, signal) => {
        const progress = new ProgressLine();
        const onTable = (name: string) => progress.show(() => `writing ${name}`);
        await writeTarget(file, streamBackup({ url, onTable }), signal)
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
            const state = file === '-' ? 'the output is incomplete' : `${file} was not written`;
            throw new InterruptedFault(signal, `${state}, and the database was not changed`, error);
          })
          .finally(() => progress.end());
        if (file !== '-') printResult(options, { file }, () => `wrote ${file}`);
      }),
    );
}

/** `perennial restore FILE`: reads a backup into an empty database, all or nothing. */
export function buildRestoreCommand(): Command {
  return buildCommand('restore <FILE>')
    .addHelpText('after', '\nFILE - is stdin. Steps before and after: docs/backup-and-restore.md')
    .action((file: string, options: CommonOptions) =>
      runUntilSignal(async (signal) => {
        using source = await openSource(file);
        const database = await startDatabase(readConfiguration(options), 'command', true);
        const progress = new ProgressLine();
        signal.addEventListener('abort', source.close);
        try {
          const onRows = (rows: number) => progress.show(() => `${formatCount(rows, 'row')} read`);
          const result = await restoreBackup({
            url: database.url,
            source: source.bytes,
            signal,
            onRows,
          });
          progress.end();
          printResult(
            options,
            result,
            () => `restored ${formatCount(result.rows, 'row')}; next: "perennial migrate"`,
          );
        } catch (error) {
          progress.end();
          if (signal.aborted) throw new InterruptedFault(signal, 'nothing was restored', error);
          const { code, syscall } = error as NodeJS.ErrnoException;
          throw syscall === 'connect' || /^(28|3D)/.test(code ?? '')
            ? createConnectionFault(database.url, error)
            : error;
        } finally {
          await database.close();
        }
      }),
    );
}
