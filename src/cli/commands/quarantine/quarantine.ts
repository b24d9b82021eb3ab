import { Command } from 'commander';
import { readClock } from '../../../db/clock.ts';
import { formatCount } from '../../../kernel/count.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { type Instant, isoTime } from '../../../kernel/instant.ts';
import {
  countQuarantine,
  listQuarantine,
  type QuarantineCount,
  type QuarantineFilter,
  type QuarantineRow,
  quarantineOnlyWorkers,
} from '../../../runs/quarantine-list.ts';
import { dismissItem, retryItems } from '../../../runs/quarantine-release.ts';
import { workerNames } from '../../../runs/worker-names.ts';
import { createWholeParser, createWorkerParser, omitUndefined } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatAge, formatMinute } from '../../output/time-text.ts';

/** `perennial quarantine list|retry|dismiss`: items that failed because of their data. */
export function buildQuarantineCommand(open: DatabaseOpener): Command {
  return new Command('quarantine')
    .addCommand(buildListCommand(open))
    .addCommand(buildRetryCommand(open))
    .addCommand(buildDismissCommand(open));
}

interface FilterOptions extends CommonOptions {
  readonly worker?: string;
  readonly reason?: string;
}

const parseWorker = createWorkerParser([...workerNames, ...quarantineOnlyWorkers]);

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list items in quarantine, with their customers and reasons')
    .option('--worker <WORKER>', 'list only items of this worker [all]', parseWorker)
    .option('--reason <REASON>', 'list only this reason, like no_price [all]')
    .option('--rows <N>', 'list at most N items', createWholeParser(1, 10_000), 100)
    .action((options: FilterOptions & { readonly rows: number }) =>
      withDatabase(open, options, async ({ db }) => {
        const filter = toFilter(options);
        const [items, counts] = [
          await listQuarantine(db, filter, { max: options.rows }),
          await countQuarantine(db, filter),
        ];
        const now = await readClock(db);
        const json = { items: items.map(toItemJson), counts: counts.map(toCountJson) };
        printResult(options, json, () => formatList(items, counts, filter, now));
      }),
    );
}

const toFilter = ({ worker, reason }: FilterOptions): QuarantineFilter =>
  omitUndefined({ worker, reason });

/** An item with the column names of the database. */
function toItemJson({ customer_id: _, ...row }: QuarantineRow) {
  return { ...row, retry_at: isoTime(row.retry_at), first_seen_at: isoTime(row.first_seen_at) };
}

const toCountJson = (row: QuarantineCount) => ({
  ...row,
  first_seen_at: isoTime(row.first_seen_at),
  next_retry_at: isoTime(row.next_retry_at),
});

function formatList(
  items: readonly QuarantineRow[],
  counts: readonly QuarantineCount[],
  { worker, reason }: QuarantineFilter,
  now: Instant,
): string {
  if (items.length === 0) {
    const ofWorker = worker === undefined ? '' : ` of ${worker}`;
    return `nothing${ofWorker} is in quarantine${reason === undefined ? '' : ` with the reason "${reason}"`}`;
  }
  const table = formatTable([
    [
      'WORKER',
      'ITEM',
      'CUSTOMER',
      'SUBSCRIPTION',
      'REASON',
      'ATTEMPTS',
      'FIRST FAILURE',
      'NEXT RETRY',
    ],
    ...items.map((row) => [
      row.worker,
      row.item,
      row.telegram_id?.toString() ?? '-',
      row.subscription_id?.toString() ?? '-',
      row.reason,
      String(row.attempts),
      formatAge(row.first_seen_at, now),
      row.retry_at <= now ? 'due' : formatAge(row.retry_at, now),
    ]),
  ]);
  return [table, '', ...formatSentences(items), '', formatCounts(items, counts, now)].join('\n');
}

/** The first sentence of each reason. It states what a person has to correct. */
function formatSentences(items: readonly QuarantineRow[]): string[] {
  const byReason = Object.groupBy(items, ({ worker, reason }) => `${worker} ${reason}`);
  return Object.values(byReason).flatMap((rows = []) => {
    const [first] = rows;
    if (first === undefined) return [];
    const others = rows.length === 1 ? '' : `; ${(rows.length - 1).toLocaleString('en')} more`;
    return `${first.item}: ${first.reason}: ${first.sentence}${others}`;
  });
}

function formatCounts(
  items: readonly QuarantineRow[],
  counts: readonly QuarantineCount[],
  now: Instant,
): string {
  const total = counts.reduce((sum, row) => sum + row.items, 0n);
  const parts = counts.map(
    (row) => `${row.items.toLocaleString('en')} ${row.worker} ${row.reason}`,
  );
  const shown =
    total > BigInt(items.length) ? ` (shown: ${items.length.toLocaleString('en')})` : '';
  return `${formatCount(total, 'item')}${shown} at ${formatMinute(isoTime(now))}: ${parts.join(', ')}`;
}

interface RetryOptions extends FilterOptions {
  readonly dryRun?: boolean;
}

function buildRetryCommand(open: DatabaseOpener): Command {
  return buildCommand('retry', 'make items due at once, and start a run of their workers')
    .argument('[ITEM]', 'retry this item, as "quarantine list" prints it')
    .option('--worker <WORKER>', 'retry only items of this worker [all]', parseWorker)
    .option('--reason <REASON>', 'retry only items with this reason, like no_price [all]')
    .option('--dry-run', 'print the items; change nothing [retry]')
    .action((item: string | undefined, options: RetryOptions) => {
      const filter = { ...toFilter(options), ...omitUndefined({ item }) };
      if (Object.keys(filter).length === 0) {
        throw new UsageFault('no_items_named', 'ITEM: expected an item, --worker or --reason');
      }
      const isPreview = options.dryRun ?? false;
      return withDatabase(open, options, async ({ db }) => {
        const items = await retryItems(db, filter, { actor: 'cli', isPreview });
        const json = { dry_run: isPreview, items: items.map(toItemJson) };
        printResult(options, json, () => formatRetry(items, isPreview));
      });
    });
}

function formatRetry(items: readonly QuarantineRow[], isPreview: boolean): string {
  const lines = items.map((row) => `  ${formatItem(row)}: ${row.reason}`);
  const names = [...new Set(items.map(({ worker }) => worker))].join(', ');
  const next = isPreview ? 'would be retried' : `due now; ${names} starts if a service runs`;
  return [`${formatCount(items.length, 'item')} ${next}`, ...lines].join('\n');
}

function formatItem({ worker, item, telegram_id: telegramId }: QuarantineRow): string {
  return `${worker} ${item}${telegramId === null ? '' : `, customer ${telegramId}`}`;
}

interface DismissOptions extends CommonOptions {
  readonly worker?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
}

function buildDismissCommand(open: DatabaseOpener): Command {
  return buildCommand('dismiss', 'remove one item from quarantine; it returns if it fails again')
    .argument('<ITEM>', 'remove this item, as "quarantine list" prints it')
    .requiredOption('--reason <TEXT>', 'record this reason in the timeline')
    .option('--worker <WORKER>', 'choose the item of this worker [the only one]', parseWorker)
    .option('--dry-run', 'print the item; change nothing [dismiss]')
    .action((item: string, options: DismissOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const isPreview = options.dryRun ?? false;
        const filter = { item, ...omitUndefined({ worker: options.worker }) };
        const release = { actor: 'cli', isPreview, reason: options.reason };
        const row = await dismissItem(db, filter, release);
        printResult(options, { dry_run: isPreview, ...toItemJson(row) }, () =>
          isPreview
            ? `${formatItem(row)} would be dismissed`
            : `${formatItem(row)} dismissed; ${row.worker} finds it again if it is still due`,
        );
      }),
    );
}
