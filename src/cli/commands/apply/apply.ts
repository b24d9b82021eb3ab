import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { lockMarkingJobs, runMarkingJobs } from '../../../access/marking-jobs.ts';
import { requireConfirmedRemovals } from '../../../catalog/access-state.ts';
import { applySteps } from '../../../catalog/apply.ts';
import { requireKnownNodes, requireNodeFlags } from '../../../catalog/node-checks.ts';
import { requireRetireFlag } from '../../../catalog/plan-checks.ts';
import { readWarnings } from '../../../catalog/warnings.ts';
import type { Config } from '../../../config/config.ts';
import { readClock } from '../../../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../../../db/connect.ts';
import { readTrustedTime } from '../../../db/trusted-time.ts';
import { formatCount } from '../../../kernel/count.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { runPriceReviews } from '../../../subscription/store/price-reviews.ts';
import { collectValues, createWholeParser } from '../../arguments.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';
import {
  type CatalogChange,
  formatChange,
  readCatalogChange,
  toChangeJson,
} from '../../output/apply-text.ts';
import { ProgressLine } from '../../output/progress.ts';
import { InterruptedFault } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  /** Withdraw plans and prices that the file lacks, also if subscriptions use them. */
  readonly retire?: boolean;
  readonly moved?: readonly string[];
  readonly keep?: readonly string[];
  /** How many running subscriptions may lose access. */
  readonly confirmRemovals?: number;
}

/** `perennial apply FILE`: changes plans, prices, settings and nodes to those of the file. */
export function buildApplyCommand(open: DatabaseOpener): Command {
  return buildCommand('apply <FILE>')
    .option('--yes', 'make the changes without a question [ask]')
    .option('--dry-run', 'show the changes that would be made; change nothing [ask]')
    .option('--retire', 'withdraw also plans and prices that running subscriptions use [refused]')
    .option(
      '--moved <ID>',
      'accept another address of this node; the old server is off [refused]',
      collectValues,
    )
    .option(
      '--keep <ID>',
      'keep this draining node, and add its users again [refused]',
      collectValues,
    )
    .option(
      '--confirm-removals <N>',
      'confirm that N running subscriptions lose access; required above max(20, 10%) [not confirmed]',
      createWholeParser(0, Number.MAX_SAFE_INTEGER),
    )
    .addHelpText('after', '\nRepeat --moved and --keep for several nodes.')
    .action(async (file: string, options: Options) => {
      // The database is that of --config. Without --config it is that of FILE.
      const fileConfig = readConfiguration({ config: file });
      const warnings = options.json ? process.stderr : process.stdout;
      for (const exposed of fileConfig.exposed ?? []) warnings.write(`warning: ${exposed}\n`);
      const openOptions = { ...options, config: options.config ?? file };
      await withDatabase(open, openOptions, (database, signal) =>
        applyFile(database, file, fileConfig, options, signal),
      );
    });
}

async function applyFile(
  database: CommandDatabase,
  file: string,
  fileConfig: Config,
  options: Options,
  signal: AbortSignal,
) {
  const { db, url } = database;
  const nodeFlags = { moved: options.moved ?? [], kept: options.keep ?? [] };
  await requireKnownNodes(db, fileConfig, nodeFlags);
  const preview = await readCatalogChange(db, fileConfig, await readClock(db));
  const warnings = await readWarnings(db, url, preview.steps, preview.impact.after);
  const report = (change: CatalogChange, changed: number) =>
    toChangeJson(change, changed, warnings);
  if (!options.json) {
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(formatChange(preview));
  }
  if (preview.steps.length === 0) {
    printResult(
      options,
      report(preview, 0),
      () => 'nothing to do: the database is equal to the file',
    );
    return;
  }
  const requireFlags = async (connection: Db | Tx, { steps }: CatalogChange) => {
    requireNodeFlags(steps, nodeFlags, file);
    if (options.retire !== true) await requireRetireFlag(connection, steps, file);
  };
  const requireConfirmed = ({ impact }: CatalogChange) =>
    requireConfirmedRemovals(impact.sum, impact.running, options.confirmRemovals, file);
  await requireFlags(db, preview);
  if (options.dryRun !== true) requireConfirmed(preview);
  if (
    options.dryRun === true ||
    (options.yes !== true && !(await askConfirmation(options, signal)))
  ) {
    printResult(options, report(preview, 0), () =>
      options.dryRun === true
        ? `dry run: nothing was changed; ${formatCount(preview.steps.length, 'change')} would be made`
        : 'nothing was changed',
    );
    return;
  }
  const applied = await inTransaction(db, async (tx) => {
    // Other changes of plans and nodes wait here, so the count below is exact.
    await lockMarkingJobs(tx);
    // Reads again: another `apply` may have made these changes meanwhile.
    const change = await readCatalogChange(tx, fileConfig, await readTrustedTime(tx));
    await requireFlags(tx, change);
    requireConfirmed(change);
    await applySteps(tx, change.steps, 'cli', change.now);
    return change;
  });
  const marked = await markAll(db, applied.steps.length, signal);
  const reviewed = await runPriceReviews(db, { isOver: () => signal.aborted });
  const count = applied.steps.length;
  printResult(options, { ...report(applied, count), marked, reviewed }, () => {
    const summary = `${formatCount(count, 'change')} made`;
    return marked === 0
      ? summary
      : `${summary}; ${formatCount(marked, 'mark')} for the keepers of nodes`;
  });
}

/** Marks the changed access. The service continues if the command is interrupted. */
async function markAll(db: Db, changes: number, signal: AbortSignal): Promise<number> {
  const progress = new ProgressLine();
  try {
    return await runMarkingJobs(db, (marked) => {
      progress.show(() => `${formatCount(marked, 'mark')} for the keepers of nodes`);
      if (!signal.aborted) return;
      throw new InterruptedFault(
        signal,
        `${formatCount(changes, 'change')} made; the service or the next "perennial apply" continues to mark the nodes`,
      );
    });
  } finally {
    progress.end();
  }
}

/** Asks on the terminal. Readline receives Ctrl-C as a key, so it is sent on as SIGINT. */
async function askConfirmation(options: Options, signal: AbortSignal): Promise<boolean> {
  if (options.json || !process.stdin.isTTY) {
    throw new UsageFault(
      'not_confirmed',
      'apply: not a terminal; pass --yes to make these changes',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new AbortController();
  terminal.on('close', () => closed.abort());
  try {
    const stopSignal = AbortSignal.any([signal, closed.signal]);
    const answer = await terminal.question('Make these changes? [y/N] ', { signal: stopSignal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    process.stdout.write('\n');
    if (signal.aborted) throw new InterruptedFault(signal, 'nothing was changed', error);
    // Ctrl-D: the end of the input is no consent.
    if (closed.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}
