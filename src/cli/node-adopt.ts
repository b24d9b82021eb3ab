import type { Command } from 'commander';
import { namedNodes } from '../catalog/nodes.ts';
import { UsageFault } from '../kernel/faults.ts';
import { type Adopted, adopt } from '../workers/reconcile-xray-state/adopting.ts';
import { connectNode } from '../xray/grpc/client.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  print,
  withBooks,
} from './frame.ts';
import { ProgressLine } from './progress.ts';
import { heedSignals } from './signals.ts';

interface Options extends CommonOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

/** `perennial node adopt ID NAME…`: names of somebody else's that carry a UUID of ours become ours. */
export function adoptCommand(open: OpenBooks): Command {
  return command(
    'adopt <ID> [NAME...]',
    "take over somebody else's names that carry the UUID of a customer",
  )
    .option('--all', 'all that there are, instead of names')
    .option('--dry-run', 'tell which would be taken over; change nothing')
    .addHelpText('after', '\n"perennial node reconcile ID --dry-run" tells them as conflicts.')
    .action((id: string, names: string[], options: Options) =>
      withBooks(open, options, async (books) => {
        if ((options.all === true) === names.length > 0) {
          throw new UsageFault('no_names', 'node adopt: either names are meant, or --all');
        }
        await namedNodes(books.db, id);
        const adopted = await adoptNow(books, id, names, options);
        print(options, json(id, adopted, options), () => text(id, adopted, options));
      }),
    );
}

async function adoptNow(
  { db, url }: OpenedBooks,
  node: string,
  names: readonly string[],
  { all, dryRun }: Options,
): Promise<Adopted> {
  const ending = heedSignals();
  const line = new ProgressLine();
  const onUsers = (users: number) => line.show(() => `${node}: ${users} users read`);
  const meant = { names: all === true ? undefined : names, dryRun: dryRun ?? false };
  try {
    const adoption = { db, url, node, ...meant, actor: 'cli', signal: ending.signal, onUsers };
    return await adopt(adoption, connectNode);
  } finally {
    line.end();
    ending.forget();
  }
}

function json(node: string, { count, sample, left }: Adopted, { dryRun }: Options) {
  return {
    node,
    dry_run: dryRun ?? false,
    adopted: count,
    sample: sample.map(({ name, telegramId, subscriptionId }) => ({
      name,
      telegram_id: telegramId,
      subscription_id: subscriptionId,
    })),
    conflicts_left: left,
  };
}

function text(node: string, { count, sample, left }: Adopted, { dryRun }: Options): string {
  if (count === 0) return `${node}: no name of somebody else's carries the UUID of a customer`;
  const lines = sample.map(
    ({ name, telegramId, subscriptionId }) =>
      `  "${name}": customer ${telegramId}, subscription ${subscriptionId}`,
  );
  if (count > sample.length) lines.push(`  and ${count - sample.length} more`);
  const done = dryRun === true ? 'would be taken over' : 'are taken over by its keeper';
  const rest = left > 0 ? [`  ${left} more conflicts are left as they are`] : [];
  return [`${node}: ${count} ${done}`, ...lines, ...rest].join('\n');
}
