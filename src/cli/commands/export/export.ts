import type { Command } from 'commander';
import { exportCustomers } from '../../../import-export/export.ts';
import { detectFormat } from '../../../import-export/records.ts';
import { formatCount } from '../../../kernel/count.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { writeLines } from '../../output/written-file.ts';

interface Options extends CommonOptions {
  readonly format?: string;
}

/** `perennial export FILE`: writes customers as a file that `import` reads. */
export function buildExportCommand(open: DatabaseOpener): Command {
  return buildCommand('export <FILE>')
    .option('--format <FORMAT>', 'write csv or jsonl [by the ending of FILE; csv on stdout]')
    .addHelpText('after', '\nFILE - is stdout. Columns: docs/import.md')
    .action(async (file: string, options: Options) => {
      const toStdout = file === '-';
      const format = detectFormat(file, options.format ?? (toStdout ? 'csv' : undefined));
      const lines = await withDatabase(open, options, ({ url }, signal) =>
        writeLines(file, (onRows) => exportCustomers({ url, format, onRows }), signal),
      );
      if (toStdout) return;
      printResult(options, { file, lines }, () => `wrote ${formatCount(lines, 'line')} to ${file}`);
    });
}
