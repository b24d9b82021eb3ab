import type { Command } from 'commander';
import { exportCustomers } from '../../../import-export/export.ts';
import { writeTarget } from '../../../import-export/files.ts';
import { detectFormat } from '../../../import-export/records.ts';
import { formatCount } from '../../../kernel/count.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { ProgressLine } from '../../output/progress.ts';
import { InterruptedFault } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly format?: string;
}

/** `perennial export FILE`: writes customers as a file that `import` reads. */
export function buildExportCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'export <FILE>',
    'write customers and subscriptions to FILE, in the format of import',
  )
    .option('--format <FORMAT>', 'write csv or jsonl [by the ending of FILE; csv on stdout]')
    .addHelpText('after', '\nFILE - is stdout. Columns: docs/import.md')
    .action(async (file: string, options: Options) => {
      const toStdout = file === '-';
      const format = detectFormat(file, options.format ?? (toStdout ? 'csv' : undefined));
      const lines = await withDatabase(open, options, async ({ url }, signal) => {
        const progress = new ProgressLine();
        let written = 0;
        const onRows = (rows: number) => {
          written = rows;
          progress.show(() => `writing: ${formatCount(rows, 'line')}`);
        };
        await writeTarget(file, exportCustomers({ url, format, onRows }), signal)
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
            const state = toStdout ? 'the output is incomplete' : `${file} was not written`;
            throw new InterruptedFault(signal, `${state}, and the database was not changed`, error);
          })
          .finally(() => progress.end());
        return written;
      });
      if (toStdout) return;
      printResult(options, { file, lines }, () => `wrote ${formatCount(lines, 'line')} to ${file}`);
    });
}
