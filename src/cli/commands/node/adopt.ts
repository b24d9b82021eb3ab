import type { Command } from 'commander';
import { listNamedNodes } from '../../../catalog/nodes.ts';
import { formatCount } from '../../../kernel/count.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { type AdoptionResult, adopt } from '../../../workers/reconcile-xray-state/adopt.ts';
import { connectNode } from '../../../xray/grpc/client.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { ProgressLine } from '../../output/progress.ts';
import { watchSignals } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

/** `perennial node adopt ID NAME…`: replaces foreign names that carry a UUID of ours. */
export function buildNodeAdoptCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'adopt <ID> [NAME...]',
    'take over foreign names that carry the UUID of a customer',
  )
    .option('--all', 'take over all conflicts of the node, instead of names [only NAME]')
    .option('--dry-run', 'list the names that would be taken over; change nothing [take them over]')
    .addHelpText('after', '\n"perennial node reconcile ID --dry-run" lists them as conflicts.')
    .action((id: string, names: string[], options: Options) =>
      withDatabase(open, options, async (database) => {
        if ((options.all === true) === names.length > 0) {
          throw new UsageFault('no_names', 'NAME: expected names, or --all instead of names');
        }
        await listNamedNodes(database.db, id);
        const adopted = await runAdopt(database, id, names, options);
        printResult(options, toAdoptedJson(id, adopted, options), () =>
          formatAdopted(id, adopted, options),
        );
      }),
    );
}

async function runAdopt(
  { db, url }: CommandDatabase,
  node: string,
  names: readonly string[],
  { all, dryRun }: Options,
): Promise<AdoptionResult> {
  const shutdown = watchSignals();
  const progress = new ProgressLine();
  const onUsers = (users: number) =>
    progress.show(() => `${node}: ${formatCount(users, 'user')} read`);
  const selection = { names: all === true ? undefined : names, dryRun: dryRun ?? false };
  try {
    const adoption = {
      db,
      url,
      node,
      ...selection,
      actor: 'cli',
      signal: shutdown.signal,
      onUsers,
    };
    return await adopt(adoption, connectNode);
  } finally {
    progress.end();
    shutdown.stop();
  }
}

function toAdoptedJson(node: string, { count, sample, left }: AdoptionResult, { dryRun }: Options) {
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

function formatAdopted(
  node: string,
  { count, sample, left }: AdoptionResult,
  { dryRun }: Options,
): string {
  if (count === 0) return `${node}: no conflicts; no foreign name carries the UUID of a customer`;
  const lines = sample.map(
    ({ name, telegramId, subscriptionId }) =>
      `  "${name}": customer ${telegramId}, subscription ${subscriptionId}`,
  );
  if (count > sample.length)
    lines.push(`  and ${(count - sample.length).toLocaleString('en')} more`);
  const outcome = dryRun === true ? 'would be taken over' : 'marked; the keeper takes over';
  const rest = left > 0 ? [`  not selected: ${formatCount(left, 'conflict')}`] : [];
  return [`${node}: ${formatCount(count, 'name')} ${outcome}`, ...lines, ...rest].join('\n');
}
