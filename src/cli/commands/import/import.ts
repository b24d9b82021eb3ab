import type { Command } from 'commander';
import { type ColumnName, columns } from '../../../import-export/columns.ts';
import { openSource } from '../../../import-export/files.ts';
import {
  type ImportOutcome,
  type ImportProgress,
  importCustomers,
} from '../../../import-export/import.ts';
import type { LineProblem } from '../../../import-export/problems.ts';
import { detectFormat } from '../../../import-export/records.ts';
import type { FileSummary } from '../../../import-export/summary.ts';
import { formatCount } from '../../../kernel/count.ts';
import { terminalText } from '../../../kernel/foreign-text.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatJson,
  printResult,
  withDatabase,
} from '../../command.ts';
import { ProgressLine } from '../../output/progress.ts';
import { InterruptedFault } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly format?: string;
  readonly dryRun?: boolean;
}

/** `perennial import FILE`: imports all lines or none, and reports every bad line. */
export function buildImportCommand(open: DatabaseOpener): Command {
  return buildCommand('import <FILE>')
    .option('--format <FORMAT>', 'read csv or jsonl [by the ending of FILE]')
    .option('--dry-run', 'check everything; change nothing [import]')
    .addHelpText('after', '\nFILE - is stdin. Columns and errors: docs/import.md')
    .action(async (file: string, options: Options) => {
      const format = detectFormat(file, options.format);
      using source = await openSource(file);
      const outcome = await withDatabase(open, options, async ({ config, url }, signal) => {
        const progressLine = new ProgressLine();
        signal.addEventListener('abort', source.close);
        return importCustomers({
          url,
          source: source.bytes,
          ...(source.size === undefined ? {} : { bytes: source.size }),
          format,
          currency: config.file.currency,
          actor: 'cli',
          dryRun: options.dryRun ?? false,
          signal,
          onProgress: (progress) => progressLine.show(() => formatProgress(progress)),
        })
          .catch((error: unknown) => {
            throw signal.aborted
              ? new InterruptedFault(signal, 'nothing was imported', error)
              : error;
          })
          .finally(() => progressLine.end());
      });
      printOutcome(file, outcome, options);
    });
}

function formatProgress({ phase, done, total }: ImportProgress): string {
  if (phase === 'checking') return 'checking the lines together';
  const percent =
    total === undefined || total === 0 ? '' : ` (${Math.floor((100 * done) / total)}%)`;
  return phase === 'reading'
    ? `reading: ${(done / 1e6).toFixed(1)} MB${percent}`
    : `writing: ${formatCount(done, 'line')}${percent}`;
}

function printOutcome(file: string, outcome: ImportOutcome, options: Options): void {
  if (outcome.outcome !== 'refused') {
    const { summary, absent } = outcome;
    const imported = outcome.outcome === 'imported';
    const json = { ok: true, imported, ...summary, absent_columns: absent };
    const text = () =>
      formatSummary(summary, imported ? 'imported' : 'would import') + formatAbsentColumns(absent);
    printResult(options, json, text);
    return;
  }
  process.exitCode = 1;
  const { problems, total } = outcome;
  if (options.json) {
    process.stdout.write(`${formatJson({ ok: false, imported: false, total, problems })}\n`);
    return;
  }
  const rest = total > problems.length ? `; the first ${problems.length} are above` : '';
  const sum = `${file}: ${formatCount(total, 'problem')}${rest}; nothing was imported`;
  const lines = [...problems.map((one) => formatProblem(file, one)), sum];
  process.stderr.write(`${terminalText(lines.join('\n'))}\n`);
}

/** `customers.csv:17: balance "-5" is negative`; editors link such a place. */
function formatProblem(file: string, { line, column, value, reason }: LineProblem): string {
  const parts = [column, value === null ? null : JSON.stringify(value), reason];
  return `${file}:${line}: ${parts.filter((part) => part !== null).join(' ')}`;
}

function formatSummary(summary: FileSummary, action: string): string {
  const { paid, trial } = summary.subscriptions;
  const balances = Object.entries(summary.balances).map(([code, sum]) => `${sum} ${code}`);
  return [
    `${action} ${formatCount(summary.customers, 'customer')} from ${formatCount(summary.lines, 'line')}`,
    `  paid   ${paid.running} running, ${paid.expired} expired`,
    `  trial  ${trial.running} running, ${trial.expired} expired`,
    `  balances ${balances.join(', ') || 'none'}`,
  ].join('\n');
}

/** An absent column may be a mistake, so the output shows its default. */
function formatAbsentColumns(absent: readonly ColumnName[]): string {
  if (absent.length === 0) return '';
  const defaults = absent.map((name) => `${name} (${columns[name].empty.replaceAll('`', '')})`);
  return `\n  absent columns, each with its default: ${defaults.join(', ')}`;
}
