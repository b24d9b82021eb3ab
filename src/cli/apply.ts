import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { requireConfirmedRemovals } from '../catalog/access-state.ts';
import { carryOut } from '../catalog/apply.ts';
import { refuseUnmeant, requireKnownNodes } from '../catalog/moved.ts';
import { refuseVanished } from '../catalog/vanished.ts';
import { warningsOf } from '../catalog/warnings.ts';
import type { Config } from '../config.ts';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { UsageFault } from '../kernel/faults.ts';
import { finishMarking, takeOpenings } from '../subscription/marking.ts';
import { finishPriceReviews } from '../subscription/price-reviews.ts';
import { type Change, changeJson, changeText, readChange } from './apply-report.ts';
import { listed, whole } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  print,
  withBooks,
} from './frame.ts';
import { ProgressLine } from './progress.ts';
import { Interrupted } from './signals.ts';

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
export function applyCommand(open: OpenBooks): Command {
  return command(
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
      whole(0, Number.MAX_SAFE_INTEGER),
    )
    .addHelpText('after', '\n--moved and --keep may be given several times.')
    .action(async (file: string, options: Options) => {
      // Where the books are is the process's configuration, which the file may be itself.
      const wanted = readConfiguration({ config: file });
      const warnings = options.json ? process.stderr : process.stdout;
      for (const exposed of wanted.exposed ?? []) warnings.write(`warning: ${exposed}\n`);
      const own = { ...options, config: options.config ?? file };
      await withBooks(open, own, (books, signal) =>
        applyFile(books, file, wanted, options, signal),
      );
    });
}

async function applyFile(
  books: OpenedBooks,
  file: string,
  wanted: Config,
  options: Options,
  signal: AbortSignal,
) {
  const { db, url } = books;
  const meant = { moved: options.moved ?? [], kept: options.keep ?? [] };
  await requireKnownNodes(db, wanted, meant);
  const shown = await readChange(db, wanted, await readClock(db));
  const warnings = await warningsOf(db, url, shown.steps, shown.impact.after);
  const report = (change: Change, changed: number) => changeJson(change, changed, warnings);
  if (!options.json) {
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(changeText(shown));
  }
  if (shown.steps.length === 0) {
    print(options, report(shown, 0), () => 'nothing to do: the books are as the file says');
    return;
  }
  const refuse = async (on: Db | Tx, { steps }: Change) => {
    refuseUnmeant(steps, meant, file);
    if (options.retire !== true) await refuseVanished(on, steps, file);
  };
  const requireConfirmed = ({ impact }: Change) =>
    requireConfirmedRemovals(impact.sum, impact.running, options.confirmRemovals, file);
  await refuse(db, shown);
  if (options.dryRun !== true) requireConfirmed(shown);
  if (options.dryRun === true || (options.yes !== true && !(await confirmed(options, signal)))) {
    print(options, report(shown, 0), () => 'nothing was changed');
    return;
  }
  const done = await inTransaction(db, async (tx) => {
    // Changes of plans and nodes wait here, so this one counts what it changes.
    await takeOpenings(tx);
    // What another replica's apply did meanwhile is not done twice.
    const change = await readChange(tx, wanted, await readTrustedTime(tx));
    await refuse(tx, change);
    requireConfirmed(change);
    await carryOut(tx, change.steps, 'cli', change.now);
    return change;
  });
  const marked = await markAll(db, done.steps.length, signal);
  const reviewed = await finishPriceReviews(db, { isOver: () => signal.aborted });
  const count = done.steps.length;
  print(options, { ...report(done, count), marked, reviewed }, () => {
    const made = `${count} ${count === 1 ? 'change' : 'changes'} made`;
    return marked === 0 ? made : `${made}; marked for the keepers of nodes: ${marked}`;
  });
}

/** An option that may be given several times. */

/** Who may connect where is different now. What is broken off here, the service finishes. */
async function markAll(db: Db, changes: number, signal: AbortSignal): Promise<number> {
  const line = new ProgressLine();
  try {
    return await finishMarking(db, (marked) => {
      line.show(() => `${marked} marked for the keepers of nodes`);
      if (!signal.aborted) return;
      throw new Interrupted(
        signal,
        `all ${changes} changes were made; the service continues to mark the nodes, as does "perennial apply"`,
      );
    });
  } finally {
    line.end();
  }
}

/** Asks on the terminal. Ctrl-C there is a key, so it is turned into the signal. */
async function confirmed(options: Options, signal: AbortSignal): Promise<boolean> {
  if (options.json || !process.stdin.isTTY) {
    throw new UsageFault('not_confirmed', 'apply: nobody to ask here; --yes makes these changes');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new AbortController();
  terminal.on('close', () => closed.abort());
  try {
    const until = AbortSignal.any([signal, closed.signal]);
    const answer = await terminal.question('Make these changes? [y/N] ', { signal: until });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    process.stdout.write('\n');
    if (signal.aborted) throw new Interrupted(signal, 'nothing was changed', error);
    // Ctrl-D: an end of the input is not a consent.
    if (closed.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}
