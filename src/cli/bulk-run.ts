import type { Command } from 'commander';
import type { BulkRequest } from '../bulk/job.ts';
import { runBulkJob } from '../bulk/job-run.ts';
import {
  type BulkJobDetails,
  type BulkPreview,
  createBulkJob,
  previewBulkJob,
  readBulkJob,
} from '../bulk/job-store.ts';
import type { Db } from '../db/connect.ts';
import { generateIdempotencyKey } from '../kernel/ids.ts';
import { parseWhere } from '../subscription/queries/subscription-filter.ts';
import {
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from './command.ts';
import { addRequiredWhereOption, formatListCount } from './list-options.ts';
import { ProgressLine } from './output/progress.ts';
import { InterruptedFault } from './shutdown.ts';

// The common part of the commands that change many customers.
//
// The job runs in this process, and a service may run it at the same time. So a command that is
// interrupted loses nothing: the service, or "perennial bulk resume", continues the job.

export interface BulkOptions extends CommonOptions {
  readonly where: string;
  readonly dryRun?: boolean;
  readonly key?: string;
}

/** Adds the options and the action. `toRequest` reads the further options and arguments. */
export function buildBulkCommand<O extends BulkOptions>(
  open: DatabaseOpener,
  build: Command,
  toRequest: (options: O, ...positional: string[]) => BulkRequest | Promise<BulkRequest>,
): Command {
  return addRequiredWhereOption(build)
    .option('--dry-run', 'count the customers and list the first ones; change nothing [change]')
    .option('--key <KEY>', 'continue the job that was created with this key [a new job]')
    .action(async (...received: unknown[]) => {
      const options = received.at(-2) as O;
      const request = await toRequest(options, ...(received.slice(0, -2) as string[]));
      const { texts } = parseWhere(options.where);
      await withDatabase(open, options, async ({ db }, signal) => {
        if (options.dryRun === true) {
          const preview = await previewBulkJob(db, request, texts);
          printResult(options, { ...preview, dry_run: true }, () => formatPreview(preview));
          return;
        }
        const key = options.key ?? generateIdempotencyKey();
        const { id } = await createBulkJob({ db, actor: 'cli', key }, request, texts);
        await runJobHere(db, BigInt(id), signal, options);
      });
    });
}

/** Runs a job until it is over, and prints it. @throws InterruptedFault */
export async function runJobHere(
  db: Db,
  id: bigint,
  signal: AbortSignal,
  options: CommonOptions,
): Promise<void> {
  const progress = new ProgressLine();
  const end = await runBulkJob(db, id, {
    mustStop: () => signal.aborted,
    async onBatch() {
      const job = await readBulkJob(db, id);
      progress.show(() => `bulk job ${id}: ${formatProgress(job)}`);
    },
  });
  progress.end();
  const job = await readBulkJob(db, id);
  if (end === 'stopped') {
    throw new InterruptedFault(
      signal,
      `bulk job ${id}: ${formatProgress(job)}; the service or "perennial bulk resume ${id}" continues the job, "perennial bulk cancel ${id}" ends it`,
    );
  }
  printResult(options, job, () => formatJob(job));
}

const formatProgress = ({ total, done, skipped, failed }: BulkJobDetails): string =>
  `${done + skipped + failed} of ${total} customers processed`;

export function formatJob(job: BulkJobDetails): string {
  const rows = [
    ['id', String(job.id)],
    ['action', job.action],
    ...Object.entries(job.params).map(([name, value]) => [
      name,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
    ['filter', formatFilter(job.filter)],
    ['state', job.state],
    ['customers', String(job.total)],
    ['done', String(job.done)],
    ['skipped', String(job.skipped)],
    ['failed', String(job.failed)],
    ...Object.entries(job.reasons).map(([reason, count]) => [`  ${reason}`, String(count)]),
    ['actor', job.actor],
    ['created', job.created_at],
    ['finished', job.finished_at ?? '-'],
  ];
  return formatTable(rows);
}

export const formatFilter = (filter: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(filter)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

function formatPreview({ filter, customers, ...count }: BulkPreview): string {
  const head = `${formatListCount(count)} customers match ${formatFilter(filter)}; nothing was changed`;
  if (customers.length === 0) return head;
  const lines = formatTable([
    ['ID', 'CUSTOMER', 'BALANCE', 'ACTIVE SUBSCRIPTIONS', 'END'],
    ...customers.map((row) => [
      `c${row.id}`,
      String(row.telegram_id),
      `${row.balance} ${row.currency}`,
      String(row.active),
      row.expires_at ?? '',
    ]),
  ]);
  return `${lines}\n${head}`;
}
