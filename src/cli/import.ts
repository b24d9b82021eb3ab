import type { Command } from 'commander';
import { terminalText } from '../kernel/foreign-text.ts';
import { type ColumnName, columns } from '../transfer/columns.ts';
import { openSource } from '../transfer/files.ts';
import { type ImportOutcome, importBook, type Progress } from '../transfer/import.ts';
import type { Problem } from '../transfer/problems.ts';
import { formatOf } from '../transfer/records.ts';
import type { BookSummary } from '../transfer/summary.ts';
import {
  type CommonOptions,
  command,
  jsonText,
  type OpenBooks,
  print,
  withBooks,
} from './frame.ts';
import { ProgressLine } from './progress.ts';
import { Interrupted } from './signals.ts';

interface Options extends CommonOptions {
  readonly format?: string;
  readonly dryRun?: boolean;
}

/** `perennial import FILE`: a book goes in, all of it or nothing; every bad line is told. */
export function importCommand(open: OpenBooks): Command {
  return command('import <FILE>', 'bring customers and subscriptions in, all or nothing')
    .option('--format <FORMAT>', 'csv or jsonl (default: by the ending of FILE)')
    .option('--dry-run', 'check everything, change nothing')
    .addHelpText('after', '\nFILE may be - for stdin. Columns and errors: docs/import.md')
    .action(async (file: string, options: Options) => {
      const format = formatOf(file, options.format);
      using source = await openSource(file);
      const outcome = await withBooks(open, options, async ({ config, url }, signal) => {
        const line = new ProgressLine();
        signal.addEventListener('abort', source.close);
        return importBook({
          url,
          source: source.bytes,
          ...(source.size === undefined ? {} : { bytes: source.size }),
          format,
          currency: config.file.currency,
          actor: 'cli',
          dryRun: options.dryRun ?? false,
          signal,
          onProgress: (progress) => line.show(() => progressText(progress)),
        })
          .catch((error: unknown) => {
            throw signal.aborted ? new Interrupted(signal, 'nothing was imported', error) : error;
          })
          .finally(() => line.end());
      });
      report(file, outcome, options);
    });
}

function progressText({ phase, done, of }: Progress): string {
  if (phase === 'checking') return 'checking the lines together';
  const share = of === undefined || of === 0 ? '' : ` (${Math.floor((100 * done) / of)}%)`;
  return phase === 'reading'
    ? `reading: ${(done / 1e6).toFixed(1)} MB${share}`
    : `writing: ${done} lines${share}`;
}

function report(file: string, outcome: ImportOutcome, options: Options): void {
  if (outcome.outcome !== 'refused') {
    const { book, absent } = outcome;
    const imported = outcome.outcome === 'imported';
    const json = { ok: true, imported, ...book, absent_columns: absent };
    const text = () => bookText(book, imported ? 'imported' : 'would import') + absentText(absent);
    print(options, json, text);
    return;
  }
  process.exitCode = 1;
  const { problems, total } = outcome;
  if (options.json) {
    process.stdout.write(`${jsonText({ ok: false, imported: false, total, problems })}\n`);
    return;
  }
  const rest = total > problems.length ? `; the first ${problems.length} are above` : '';
  const sum = `${file}: ${total} ${total === 1 ? 'problem' : 'problems'}${rest}; nothing was imported`;
  const lines = [...problems.map((one) => problemText(file, one)), sum];
  process.stderr.write(`${terminalText(lines.join('\n'))}\n`);
}

/** `book.csv:17: balance "-5" is negative`, which editors take for a place. */
function problemText(file: string, { line, column, value, reason }: Problem): string {
  const what = [column, value === null ? null : JSON.stringify(value), reason];
  return `${file}:${line}: ${what.filter((part) => part !== null).join(' ')}`;
}

function bookText(book: BookSummary, did: string): string {
  const { paid, trial } = book.subscriptions;
  const balances = Object.entries(book.balances).map(([code, sum]) => `${sum} ${code}`);
  return [
    `${did} ${book.customers} customers from ${book.lines} lines`,
    `  paid   ${paid.running} running, ${paid.expired} expired`,
    `  trial  ${trial.running} running, ${trial.expired} expired`,
    `  balances ${balances.join(', ') || 'none'}`,
  ].join('\n');
}

/** A column that is not there is a choice or an oversight, so its default is shown. */
function absentText(absent: readonly ColumnName[]): string {
  if (absent.length === 0) return '';
  const defaults = absent.map((name) => `${name} (${columns[name].empty.replaceAll('`', '')})`);
  return `\n  columns that the file does not have, with the default of each: ${defaults.join(', ')}`;
}
