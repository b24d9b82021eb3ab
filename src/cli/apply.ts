import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { carryOut } from '../catalog/apply.ts';
import { difference, inWords, type Step } from '../catalog/difference.ts';
import { refuseUnmeant, requireKnownNodes } from '../catalog/moved.ts';
import { refuseVanished } from '../catalog/vanished.ts';
import { readWithdrawals, withdrawalText } from '../catalog/withdrawn.ts';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { UsageFault } from '../kernel/faults.ts';
import { finishMarking } from '../subscription/marking.ts';
import { finishPriceReviews } from '../subscription/price-reviews.ts';
import { readConfiguration } from './configuration.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';
import { ProgressLine } from './progress.ts';

interface Options extends CommonOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  /** What the file no longer lists goes, also where subscriptions have it. */
  readonly retire?: boolean;
  readonly moved?: readonly string[];
  readonly keep?: readonly string[];
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
    .option('--moved <ID>', 'this node has another address, and what was there is gone', each)
    .option('--keep <ID>', 'this node, which is being emptied, is kept', each)
    .addHelpText('after', '\n--moved and --keep may be given several times.')
    .action(async (file: string, options: Options) => {
      // Where the books are is the process's configuration, which the file may be itself.
      const wanted = readConfiguration({ config: file });
      const warnings = options.json ? process.stderr : process.stdout;
      for (const exposed of wanted.exposed ?? []) warnings.write(`warning: ${exposed}\n`);
      await withBooks(open, { ...options, config: options.config ?? file }, async ({ db }) => {
        const meant = { moved: options.moved ?? [], kept: options.keep ?? [] };
        await requireKnownNodes(db, wanted, meant);
        const show = await difference(db, wanted, await readClock(db));
        if (show.length === 0) {
          print(
            options,
            { changed: 0, steps: [] },
            () => 'nothing to do: the books are as the file says',
          );
          return;
        }
        const affected = await readWithdrawals(db, show);
        const lines = [...show.map(inWords), ...affected.map(withdrawalText)];
        if (!options.json) process.stdout.write(`${lines.join('\n')}\n`);
        const refuse = async (on: Db | Tx, steps: readonly Step[]) => {
          refuseUnmeant(steps, meant, file);
          if (options.retire !== true) await refuseVanished(on, steps, file);
        };
        await refuse(db, show);
        if (options.dryRun === true || (options.yes !== true && !(await confirmed(options)))) {
          const nothing = { changed: 0, steps: show.map(inWords), affected };
          print(options, nothing, () => 'nothing was changed');
          return;
        }
        const done = await inTransaction(db, async (tx) => {
          const now = await readTrustedTime(tx);
          // What another replica's apply did meanwhile is not done twice.
          const steps = await difference(tx, wanted, now);
          await refuse(tx, steps);
          const affected = await readWithdrawals(tx, steps);
          await carryOut(tx, steps, 'cli', now);
          return { steps: steps.map(inWords), affected };
        });
        const marked = await markAll(db);
        const reviewed = await finishPriceReviews(db);
        const { steps } = done;
        print(options, { changed: steps.length, ...done, marked, reviewed }, () => {
          const made = `${steps.length} ${steps.length === 1 ? 'change' : 'changes'} made`;
          return marked === 0 ? made : `${made}; marked for the keepers of nodes: ${marked}`;
        });
      });
    });
}

/** An option that may be given several times. */
const each = (value: string, before: readonly string[] = []) => [...before, value];

/** Who may connect where is different now. What is broken off here, the service finishes. */
async function markAll(db: Db): Promise<number> {
  const line = new ProgressLine();
  try {
    return await finishMarking(db, (marked) =>
      line.show(() => `${marked} marked for the keepers of nodes`),
    );
  } finally {
    line.end();
  }
}

async function confirmed(options: Options): Promise<boolean> {
  if (options.json || !process.stdin.isTTY) {
    throw new UsageFault('not_confirmed', 'apply: nobody to ask here; --yes makes these changes');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Make these changes? [y/N] ');
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
