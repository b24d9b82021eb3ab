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
import { UsageFault } from '../../../kernel/faults.ts';
import { runPriceReviews } from '../../../subscription/store/price-reviews.ts';
import { createWholeParser, listed } from '../../arguments.ts';
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
  /** What the file no longer lists goes, also where subscriptions have it. */
  readonly retire?: boolean;
  readonly moved?: readonly string[];
  readonly keep?: readonly string[];
  /** How many running subscriptions may lose access. */
  readonly confirmRemovals?: number;
}

/** `perennial apply FILE`: plans, prices, rules and nodes of the file; the difference first. */
export function buildApplyCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'apply <FILE>',
    'make plans, prices, rules and nodes as in FILE; shows the difference first',
  )
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'show the difference, change nothing')
    .option('--retire', 'take plans and prices out of sale that subscriptions have')
    .option('--moved <ID>', 'this node has another address, and what was there is gone', listed)
    .option('--keep <ID>', 'this node, which is being emptied, is kept', listed)
    .option(
      '--confirm-removals <N>',
      'confirm that N running subscriptions lose access; needed for more than max(20, 10%)',
      createWholeParser(0, Number.MAX_SAFE_INTEGER),
    )
    .addHelpText('after', '\n--moved and --keep may be given several times.')
    .action(async (file: string, options: Options) => {
      // Where the books are is the process's configuration, which the file may be itself.
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
    printResult(options, report(preview, 0), () => 'nothing to do: the books are as the file says');
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
    printResult(options, report(preview, 0), () => 'nothing was changed');
    return;
  }
  const applied = await inTransaction(db, async (tx) => {
    // Changes of plans and nodes wait here, so this one counts what it changes.
    await lockMarkingJobs(tx);
    // What another replica's apply did meanwhile is not done twice.
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
    const summary = `${count} ${count === 1 ? 'change' : 'changes'} made`;
    return marked === 0 ? summary : `${summary}; marked for the keepers of nodes: ${marked}`;
  });
}

/** An option that may be given several times. */

/** Who may connect where is different now. What is broken off here, the service finishes. */
async function markAll(db: Db, changes: number, signal: AbortSignal): Promise<number> {
  const progress = new ProgressLine();
  try {
    return await runMarkingJobs(db, (marked) => {
      progress.show(() => `${marked} marked for the keepers of nodes`);
      if (!signal.aborted) return;
      throw new InterruptedFault(
        signal,
        `all ${changes} changes were made; the service continues to mark the nodes, as does "perennial apply"`,
      );
    });
  } finally {
    progress.end();
  }
}

/** Asks on the terminal. Ctrl-C there is a key, so it is turned into the signal. */
async function askConfirmation(options: Options, signal: AbortSignal): Promise<boolean> {
  if (options.json || !process.stdin.isTTY) {
    throw new UsageFault('not_confirmed', 'apply: nobody to ask here; --yes makes these changes');
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
    // Ctrl-D: an end of the input is not a consent.
    if (closed.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}
