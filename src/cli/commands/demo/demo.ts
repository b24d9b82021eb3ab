import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { loadConfig } from '../../../config/config.ts';
import { runDemo } from '../../../demo/demo.ts';
import type { DemoDatabase } from '../../../demo/demo-database.ts';
import { createLiveView, createPlainView } from '../../../demo/view.ts';
import { formatCount } from '../../../kernel/count.ts';
import { secondMs } from '../../../kernel/instant.ts';
import { timeoutSignal } from '../../../kernel/timer.ts';
import { createWholeParser } from '../../arguments.ts';
import { buildCommand, type CommonOptions } from '../../command.ts';
import { watchSignals } from '../../shutdown.ts';
import { hasDashboard, startDashboard } from './dashboard.ts';

interface Options extends CommonOptions {
  readonly customers: number;
  readonly seed: number;
  readonly rate: number;
  readonly seconds?: number;
  readonly ui: boolean;
}

/** Plans, prices and settings of the demo. */
const catalogFile = fileURLToPath(new URL('../../../../examples/perennial.yaml', import.meta.url));

/** A demo exits within 5 s. Its data is generated, so work in progress may be lost. */
const shutdownMs = 5 * secondMs;

/** `perennial demo`: all workers on generated data, with a clock at up to 3,600 times real time. */
export function buildDemoCommand(): Command {
  return buildCommand('demo')
    .option(
      '--customers <N>',
      'generate this number of customers',
      createWholeParser(10, 100_000),
      500,
    )
    .option('--seed <N>', 'generate the data from this seed', createWholeParser(1, 999_999_999), 1)
    .option(
      '--rate <N>',
      'move the clock by at most N seconds per second',
      createWholeParser(1, 100_000),
      3_600,
    )
    .option('--seconds <N>', 'exit after N real seconds [never]', createWholeParser(1, 86_400))
    .option('--no-ui', 'start without the dashboard [with it]')
    .action(async (options: Options) => {
      const config = loadConfig(options.config === undefined ? {} : { config: options.config });
      // Beside the data folder of the operator, never inside it.
      const dataDir = config.dataDirNamed ? config.dataDir : `${config.dataDir}-demo`;
      const catalog = loadConfig({ config: catalogFile });
      const isTerminal = process.stdout.isTTY && options.json !== true;
      const writeError = (sentence: string) => process.stderr.write(`${sentence}\n`);
      if (options.json !== true) {
        process.stdout.write(
          `Generating ${formatCount(options.customers, 'customer')} in ${dataDir} …\n`,
        );
      }
      const view = isTerminal
        ? createLiveView(process.stdout)
        : createPlainView((line) => process.stdout.write(`${line}\n`), options.json === true);
      const serve = async (database: DemoDatabase) => {
        const dashboard = await startDashboard(catalog, database, writeError);
        view.announce(`Dashboard, by a link that signs in once:\n${dashboard.link}`);
        return dashboard;
      };
      const { customers, seed, rate, now: from } = options;
      const result = await runUntilEnded(options.seconds, (signal) =>
        runDemo({
          dataDir,
          catalog,
          customers,
          seed,
          from,
          rate,
          view,
          signal,
          logProblem: writeError,
          ...(options.ui && options.json !== true && hasDashboard() && { serve }),
        }),
      );
      if (options.json !== true)
        process.stdout.write(`${formatFarewell(dataDir, result.totals.renewed.count)}\n`);
      const { audit, node } = result;
      const isWrong = (audit?.violations ?? 0) > 0 || (!node.equal && node.marks === 0);
      if (isWrong) process.exitCode = 1;
    });
}

function formatFarewell(dataDir: string, renewed: number): string {
  return [
    `Ended. ${formatCount(renewed, 'renewal')}. The database stays in ${dataDir} until the next demo.`,
    'Audit it:',
    `  PERENNIAL_DATA_DIR=${dataDir} DATABASE_URL=embedded npx --no-install perennial audit`,
  ].join('\n');
}

/** Ctrl-C, SIGTERM, `--seconds` or a closed output (`demo | head`) end the work. */
async function runUntilEnded<T>(
  seconds: number | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const shutdown = watchSignals({ graceMs: shutdownMs });
  const outputClosed = new AbortController();
  process.stdout.once('error', () => outputClosed.abort());
  const time = seconds === undefined ? [] : [timeoutSignal(seconds * secondMs)];
  try {
    return await work(AbortSignal.any([shutdown.signal, outputClosed.signal, ...time]));
  } finally {
    shutdown.stop();
  }
}
