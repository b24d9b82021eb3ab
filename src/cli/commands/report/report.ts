import { type Command, Option } from 'commander';
import { formatCount } from '../../../kernel/count.ts';
import { exportMonth, type MonthFileName, monthFileNames } from '../../../reports/month-file.ts';
import { readReport } from '../../../reports/report.ts';
import { toReportJson } from '../../../reports/report-json.ts';
import { parseMonthLabel } from '../../arguments.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatReport } from '../../output/report-text.ts';
import { writeLines } from '../../output/written-file.ts';

interface Options extends CommonOptions {
  readonly month?: string;
  readonly csv?: MonthFileName;
  readonly out?: string;
}

/** `perennial report`: the figures of a month, or its rows as CSV. */
export function buildReportCommand(open: DatabaseOpener): Command {
  return buildCommand('report')
    .option(
      '--month <YYYY-MM>',
      'print this month, in UTC [the last complete month]',
      parseMonthLabel,
    )
    .addOption(
      new Option('--csv <ROWS>', 'write these rows of the month as CSV [the figures]').choices(
        monthFileNames,
      ),
    )
    .option('--out <FILE>', 'write the CSV to FILE [standard output]')
    .addHelpText('after', '\nFigures and columns: docs/report.md')
    .action((options: Options) =>
      withDatabase(open, options, async (database, signal) => {
        const { csv } = options;
        if (csv !== undefined) return writeMonth(database, { ...options, csv }, signal);
        const report = toReportJson(await readReport(database.db, options.month));
        printResult(options, report, () => formatReport(report));
      }),
    );
}

async function writeMonth(
  { url }: CommandDatabase,
  options: Options & { readonly csv: MonthFileName },
  signal: AbortSignal,
): Promise<void> {
  const { csv: file, month, out = '-' } = options;
  const lines = await writeLines(
    out,
    (onRows) => exportMonth({ url, file, month, onRows }),
    signal,
  );
  if (out === '-') return;
  printResult(options, { file: out, lines }, () => `wrote ${formatCount(lines, 'line')} to ${out}`);
}
