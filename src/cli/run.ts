import type { Command } from 'commander';
import { type Config, settingsOf } from '../config.ts';
import { openDelivery } from '../delivery.ts';
import { UsageFault } from '../kernel/faults.ts';
import { isoTime, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { startInterval } from '../kernel/timer.ts';
import type { MessageLog } from '../notify/channels/log/log.ts';
import { type Worker, workersFor } from '../workers/index.ts';
import { workerNames } from '../workers/names.ts';
import { openReplica, type Replica } from '../workers/replica.ts';
import type { RunLog } from '../workers/run-context.ts';
import { readProgress } from '../workers/run-progress.ts';
import type { RunRow } from '../workers/run-record.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  print,
  table,
  withBooks,
} from './frame.ts';
import { previewTo } from './run-preview.ts';

// `perennial run WORKER`: one run, now, beside whatever a service is doing; both go by the same
// locks. Somebody who asks for a run wants it done: it goes on until nothing is left, unless the
// configuration gives this worker a budget.

interface Options extends CommonOptions {
  readonly dryRun?: boolean;
  /** What a guard holds until somebody looked at it is meant. */
  readonly confirm?: boolean;
}

export function runCommand(open: OpenBooks): Command {
  return command('run', 'one run of a worker, now; prints its record')
    .argument('<worker>', workerNames.join(', '))
    .option('--dry-run', 'print what a run would do, subscription by subscription; changes nothing')
    .option('--confirm', 'go on with what a guard holds')
    .action(async (name: string, options: Options) => {
      if (!workerNames.includes(name)) throw noWorker(name);
      await withBooks(open, options, (books, signal) => {
        signal.addEventListener('abort', () => {
          process.stderr.write('ending after the batch in hand\n');
        });
        const worker = workerOf(name, books.config);
        return options.dryRun === true
          ? previewTo(process.stdout, worker, books, signal, options.json ?? false)
          : runNow(worker, books, signal, options);
      });
    });
}

function noWorker(name: string): UsageFault {
  if (name === 'keep-node') {
    return new UsageFault(
      'no_runs',
      'run: keep-node has no runs: nodes are kept for as long as "perennial start" lives, which works off marks as they come; "perennial node list" tells what waits',
    );
  }
  const known = workerNames.join(', ');
  return new UsageFault('no_worker', `run: there is no worker "${name}"; there is ${known}`);
}

/** @throws UsageFault for texts of messages that are wrong */
function workerOf(name: string, config: Config): Worker {
  const found = workersFor(() => openDelivery(config, toErrors)).find((each) => each.name === name);
  if (found === undefined) throw noWorker(name);
  return found;
}

/** Where messages go that have no other way out, beside the books. */
const toErrors: MessageLog = {
  info: (fields, message) => process.stderr.write(`${message}: ${JSON.stringify(fields)}\n`),
};

async function runNow(
  worker: Worker,
  books: OpenedBooks,
  signal: AbortSignal,
  options: Options,
): Promise<void> {
  const { db, config } = books;
  const { batchMax } = settingsOf(config, worker);
  const budgetMs = config.file.workers[worker.name]?.budget ?? Number.POSITIVE_INFINITY;
  const replica = openReplica(books.url);
  const stopShowing = showProgress(books, worker, replica);
  const elapsedMs = stopwatch();
  try {
    const row = await worker.run({
      db,
      replica,
      batchMax,
      budgetMs,
      signal,
      elapsedMs,
      log,
      confirmed: options.confirm ?? false,
    });
    stopShowing();
    print(options, rowJson(row), () => rowText(row));
    // Nothing was asked for but the run: one that failed, or may not start here, is a failure.
    if (row.outcome === 'failed' || row.outcome === 'skipped') process.exitCode = 1;
  } finally {
    stopShowing();
    await replica.close();
  }
}

/** Trouble of single items, while the run goes on; what failed the run is in its record. */
const log: RunLog = {
  warn: (fields, message) => process.stderr.write(`${message}: ${said(fields)}\n`),
  error: () => undefined,
};

function said(fields: object): string {
  const { item, err } = fields as { item?: unknown; err?: unknown };
  return [item, err instanceof Error ? err.message : undefined].filter(Boolean).join(': ');
}

const showEveryMs = 2 * secondMs;

/** A line on standard error every 2 s, from the record that each batch counts up. */
function showProgress(books: OpenedBooks, worker: Worker, replica: Replica): () => void {
  const timer = startInterval(() => {
    readProgress(books.db, worker.name, replica.name).then(
      (at) => {
        if (at === undefined) return;
        process.stderr.write(`${worker.name}: ${at.examined} examined, ${at.changed} changed\n`);
      },
      () => undefined, // the run will say what is wrong
    );
  }, showEveryMs);
  return () => clearInterval(timer);
}

/** The row of `worker_run`, for a program. */
function rowJson(row: RunRow) {
  return {
    ...row,
    started_at: isoTime(row.started_at),
    finished_at: row.finished_at === null ? null : isoTime(row.finished_at),
  };
}

function rowText(row: RunRow): string {
  const { detail, ...columns } = rowJson(row);
  const cells = Object.entries(columns).map(([name, value]) => [name, String(value ?? '')]);
  const more = Object.entries(detail).map(([name, value]) => [`  ${name}`, String(value)]);
  return table([...cells, ...more]);
}
