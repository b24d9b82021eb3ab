import type { Command } from 'commander';
import type { Config } from '../../../config/config.ts';
import { toWorkerSettings } from '../../../config/settings.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { secondMs } from '../../../kernel/instant.ts';
import { stopwatch } from '../../../kernel/stopwatch.ts';
import { startInterval } from '../../../kernel/timer.ts';
import { openReplica, type Replica } from '../../../leases/replica.ts';
import type { Log } from '../../../logging/log.ts';
import type { MessageLog } from '../../../notifications/channels/log/log.ts';
import { readRunProgress } from '../../../runs/progress.ts';
import { type RunRow, toRunJson } from '../../../runs/run-record.ts';
import { workerNames } from '../../../runs/worker-names.ts';
import { openDelivery } from '../../../workers/deliver-notifications/open.ts';
import { createRunnableWorkers, type Worker } from '../../../workers/index.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { printPreview } from './preview.ts';

// `perennial run WORKER`: one run now, also beside a service, because both use the same locks.
//
// The run continues until no work is left, or until the budget of the configuration is spent.

interface Options extends CommonOptions {
  readonly dryRun?: boolean;
  /** Proceed with changes that a guard holds. */
  readonly confirm?: boolean;
}

export function buildRunCommand(open: DatabaseOpener): Command {
  return buildCommand('run')
    .argument('<worker>', `run this worker: ${workerNames.join(', ')}`)
    .option('--dry-run', 'print each decision that a run would make; change nothing [run]')
    .option('--confirm', 'proceed with changes that a guard holds [held]')
    .action(async (name: string, options: Options) => {
      if (!workerNames.includes(name)) throw createNoWorkerFault(name);
      await withDatabase(open, options, (database, signal) => {
        signal.addEventListener('abort', () => {
          process.stderr.write('ending after the current batch\n');
        });
        const worker = requireWorker(name, database.config);
        return options.dryRun === true
          ? printPreview(process.stdout, worker, database, signal, options.json ?? false)
          : runOnce(worker, database, signal, options);
      });
    });
}

function createNoWorkerFault(name: string): UsageFault {
  if (name === 'keep-node') {
    return new UsageFault(
      'no_runs',
      'worker: "keep-node" is not a worker with runs; "perennial start" keeps nodes, and pending changes are in "perennial node list"',
    );
  }
  const available = workerNames.join(', ');
  return new UsageFault('no_worker', `worker: "${name}" is not a worker; available: ${available}`);
}

/** @throws UsageFault for a wrong text of a notification */
function requireWorker(name: string, config: Config): Worker {
  const worker = createRunnableWorkers(() => openDelivery(config, stderrMessageLog)).find(
    (each) => each.name === name,
  );
  if (worker === undefined) throw createNoWorkerFault(name);
  return worker;
}

/** Receives notifications without another channel. They are also in the database. */
const stderrMessageLog: MessageLog = {
  info: (fields, message) => process.stderr.write(`${message}: ${JSON.stringify(fields)}\n`),
};

async function runOnce(
  worker: Worker,
  database: CommandDatabase,
  signal: AbortSignal,
  options: Options,
): Promise<void> {
  const { db, config } = database;
  const { batchMax } = toWorkerSettings(config, worker);
  const budgetMs = config.file.workers[worker.name]?.budget ?? Number.POSITIVE_INFINITY;
  const replica = openReplica(database.url);
  const stopProgress = showProgress(database, worker, replica);
  const elapsedMs = stopwatch();
  try {
    const row = await worker.run({
      db,
      replica,
      batchMax,
      budgetMs,
      signal,
      elapsedMs,
      log: stderrRunLog,
      confirmed: options.confirm ?? false,
    });
    stopProgress();
    printResult(options, toRunJson(row), () => formatRow(row));
    // The command is only the run, so a run that failed or was not started is a failure.
    if (row.outcome === 'failed' || row.outcome === 'skipped') process.exitCode = 1;
  } finally {
    stopProgress();
    await replica.close();
  }
}

/** Faults of single items. A fault of the run is in its record. */
const stderrRunLog: Pick<Log, 'warn' | 'error'> = {
  warn: (fields, message) => process.stderr.write(`${message}: ${formatFields(fields)}\n`),
  error: () => undefined,
};

function formatFields(fields: object): string {
  const { item, err } = fields as { item?: unknown; err?: unknown };
  return [item, err instanceof Error ? err.message : undefined].filter(Boolean).join(': ');
}

const progressEveryMs = 2 * secondMs;

/** Prints a line on stderr every 2 s, from the run record that each batch updates. */
function showProgress(database: CommandDatabase, worker: Worker, replica: Replica): () => void {
  const timer = startInterval(() => {
    readRunProgress(database.db, worker.name, replica.name).then(
      (progress) => {
        if (progress === undefined) return;
        process.stderr.write(
          `${worker.name}: ${progress.examined} examined, ${progress.changed} changed\n`,
        );
      },
      () => undefined, // the run itself reports the fault
    );
  }, progressEveryMs);
  return () => clearInterval(timer);
}

function formatRow(row: RunRow): string {
  const { detail, ...columns } = toRunJson(row);
  const cells = Object.entries(columns).map(([name, value]) => [name, String(value ?? '')]);
  const details = Object.entries(detail).map(([name, value]) => [`  ${name}`, String(value)]);
  return formatTable([...cells, ...details]);
}
