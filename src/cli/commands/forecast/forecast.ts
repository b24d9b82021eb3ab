import { type Command, Option } from 'commander';
import { loadPriceFile } from '../../../config/config.ts';
import { toWorkerSettings } from '../../../config/settings.ts';
import { openSingleConnection } from '../../../db/single-connection.ts';
import { defaultIntervals, forecastDaysMax, forecastOutcomes } from '../../../forecast/forecast.ts';
import type { PlannedOutcome } from '../../../forecast/outcomes.ts';
import { ForecastTotals, toOutcomeJson } from '../../../forecast/totals.ts';
import { toReplacedPrices } from '../../../forecast/what-if.ts';
import { terminalText } from '../../../kernel/foreign-text.ts';
import { isoTime } from '../../../kernel/instant.ts';
import { createWholeParser } from '../../arguments.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  formatCompactJson,
  formatJson,
  withDatabase,
} from '../../command.ts';
import { formatForecast, formatOutcome, outcomeHeader } from '../../output/forecast-text.ts';
import { ProgressLine } from '../../output/progress.ts';
import { InterruptedFault } from '../../shutdown.ts';

const groupings = ['day', 'plan', 'customer'] as const;

interface Options extends CommonOptions {
  readonly days: number;
  readonly by?: (typeof groupings)[number];
  readonly prices?: string;
}

/** `perennial forecast`: what the workers will charge and end, if no command follows. */
export function buildForecastCommand(open: DatabaseOpener): Command {
  return buildCommand('forecast')
    .option(
      '--days <N>',
      'set the number of days from now',
      createWholeParser(1, forecastDaysMax),
      30,
    )
    .addOption(new Option('--by <KEY>', 'list also these parts [totals]').choices(groupings))
    .option('--prices <FILE>', 'take the prices of FILE from now on [those of the database]')
    .addHelpText(
      'after',
      '\nFILE has the key "plans" of the configuration file; only prices count.\nNothing is changed.',
    )
    .action(async (options: Options) => {
      const file = options.prices === undefined ? {} : loadPriceFile(options.prices);
      await withDatabase(open, options, async (database, signal) => {
        const prices = await toReplacedPrices(database.db, file, options.prices ?? '');
        await printForecast(database, options, prices, signal);
      });
    });
}

async function printForecast(
  { url, config }: CommandDatabase,
  options: Options,
  prices: Awaited<ReturnType<typeof toReplacedPrices>>,
  signal: AbortSignal,
): Promise<void> {
  const { days, by, json = false } = options;
  const out = process.stdout;
  const totals = new ForecastTotals(by === 'customer' ? undefined : by);
  const progress = new ProgressLine();
  let done = 0;
  let printed = 0;
  if (json) out.write('{');
  if (json && by === 'customer') out.write('"rows": [');
  const report = (outcome: PlannedOutcome) => {
    totals.add(outcome);
    done += 1;
    if (by !== 'customer') {
      if (done % 1_000 === 0) progress.show(() => `${done.toLocaleString('en')} outcomes`);
      return;
    }
    if (json)
      out.write(`${printed === 0 ? '' : ','}\n${formatCompactJson(toOutcomeJson(outcome))}`);
    else
      out.write(
        `${printed === 0 ? `${outcomeHeader}\n` : ''}${terminalText(formatOutcome(outcome))}\n`,
      );
    printed += 1;
  };
  await using connection = await openSingleConnection(url);
  const range = await forecastOutcomes(
    connection.db,
    { days, prices, signal, intervals: toRunIntervals(config) },
    report,
  ).finally(() => progress.end());
  if (signal.aborted) throw new InterruptedFault(signal, 'the forecast is not complete');
  if (!json) {
    out.write(`${terminalText(formatForecast(range, totals))}\n`);
    return;
  }
  const { groups } = totals;
  const end = {
    from: isoTime(range.from),
    days,
    totals: totals.totals,
    ...(groups === undefined ? {} : { groups }),
  };
  out.write(`${by === 'customer' ? '\n],' : ''}${formatJson(end).slice(1)}\n`);
}

const toRunIntervals = (config: CommandDatabase['config']) => {
  const toEveryMs = (name: string, everyMs: number) =>
    toWorkerSettings(config, { name, everyMs }).everyMs;
  return {
    renewalMs: toEveryMs('auto-renewal', defaultIntervals.renewalMs),
    expiryMs: toEveryMs('fast-expiry-cleanup', defaultIntervals.expiryMs),
    remindersMs: toEveryMs('expiry-reminders', defaultIntervals.remindersMs),
  };
};
