import type { Command } from 'commander';
import { exportBook } from '../transfer/export.ts';
import { writeTarget } from '../transfer/files.ts';
import { formatOf } from '../transfer/records.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';
import { ProgressLine } from './progress.ts';
import { Interrupted } from './signals.ts';

interface Options extends CommonOptions {
  readonly format?: string;
}

/** `perennial export FILE`: the books as a file that `import` reads. */
export function exportCommand(open: OpenBooks): Command {
  return command('export <FILE>', 'write customers and subscriptions as import reads them')
    .option('--format <FORMAT>', 'csv or jsonl (default: by the ending of FILE)')
    .addHelpText('after', '\nFILE may be - for stdout. What is in it: docs/import.md')
    .action(async (file: string, options: Options) => {
      const toStdout = file === '-';
      const format = formatOf(file, options.format ?? (toStdout ? 'csv' : undefined));
      const lines = await withBooks(open, options, async ({ url }, signal) => {
        const progress = new ProgressLine();
        let written = 0;
        const onRows = (rows: number) => {
          written = rows;
          progress.show(() => `writing: ${rows} lines`);
        };
        await writeTarget(file, exportBook({ url, format, onRows }), signal)
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
            const left = toStdout ? 'the output is incomplete' : `${file} was not written`;
            throw new Interrupted(signal, `${left}, and the database was not changed`, error);
          })
          .finally(() => progress.end());
        return written;
      });
      if (toStdout) return;
      print(options, { file, lines }, () => `wrote ${lines} lines to ${file}`);
    });
}
