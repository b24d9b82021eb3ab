import { type Command, Option } from 'commander';
import type { Db } from '../db/connect.ts';
import { formatCsvHeader, formatCsvRows } from '../import-export/csv.ts';
import type { ListCount } from '../subscription/queries/list-count.ts';
import { type ListPage, type ListRequest, walkPages } from '../subscription/queries/list-page.ts';
import {
  filterNames,
  parseWhere,
  requireKnownNames,
  type SubscriptionFilter,
} from '../subscription/queries/subscription-filter.ts';
import { createChecker, createWholeParser } from './arguments.ts';
import {
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from './command.ts';

// The common part of the commands that list customers and subscriptions.

const whereText = `conditions like state=active,ends_before=2026-12-08; available: ${filterNames.join(', ')}`;

/** `--where` of a list: all rows without it. */
const addWhereOption = (build: Command): Command =>
  build.option(
    '--where <FILTER>',
    `list only rows that meet ${whereText} [all]`,
    createChecker(parseWhere),
  );

/** `--where` of a bulk job, which never changes all customers by mistake. */
export const addRequiredWhereOption = (build: Command): Command =>
  build.requiredOption(
    '--where <FILTER>',
    `change customers that meet ${whereText}`,
    createChecker(parseWhere),
  );

/** @throws UsageFault, Fault `no_plan`, `no_group` */
async function readWhere(db: Db, text: string | undefined): Promise<SubscriptionFilter> {
  const filter = parseWhere(text ?? '');
  await requireKnownNames(db, filter);
  return filter;
}

interface ListOptions extends CommonOptions {
  readonly where?: string;
  readonly sort?: string;
  readonly rows: number;
  readonly page?: string;
  readonly csv?: boolean;
}

/** A list as a command: its pages, its count, and the columns of the text. */
export interface ListCommand<Item extends object> {
  readonly noun: string;
  readonly sorts: readonly string[];
  readonly csvColumns: readonly string[];
  readonly header: readonly string[];
  readPage(db: Db, request: ListRequest): Promise<ListPage<Item>>;
  count(db: Db, filter: SubscriptionFilter): Promise<ListCount>;
  toCells(item: Item): readonly string[];
}

export function addListAction<Item extends object>(
  open: DatabaseOpener,
  build: Command,
  list: ListCommand<Item>,
): Command {
  const sorts = list.sorts.flatMap((name) => [name, `-${name}`]);
  return addWhereOption(build)
    .addOption(
      new Option(
        '--sort <ORDER>',
        'list in this order [id, or expires_at with its filters]',
      ).choices(sorts),
    )
    .option('--rows <N>', 'list at most N rows', createWholeParser(1, 1_000_000), 50)
    .option('--page <CURSOR>', 'continue after the page that printed this cursor [first page]')
    .option('--csv', 'print CSV [text]')
    .action((options: ListOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const filter = await readWhere(db, options.where);
        const { sort, page: cursor, rows: max } = options;
        const pages = walkPages((request) => list.readPage(db, request), {
          filter,
          max,
          sort,
          cursor,
        });
        if (options.csv === true) return printCsv(list, pages);
        const items: Item[] = [];
        let next: string | null = null;
        for await (const page of pages) {
          items.push(...page.items);
          next = page.next_cursor;
        }
        const count = await list.count(db, filter);
        printResult(options, { items, next_cursor: next, ...count }, () =>
          formatList(list, items, next, count),
        );
      }),
    );
}

async function printCsv<Item extends object>(
  { csvColumns }: ListCommand<Item>,
  pages: AsyncIterable<ListPage<Item>>,
): Promise<void> {
  process.stdout.write(formatCsvHeader(csvColumns));
  for await (const { items } of pages) process.stdout.write(formatCsvRows(csvColumns, items));
}

export const formatListCount = ({ count, count_is_estimated }: ListCount): string =>
  count_is_estimated ? `about ${count.toLocaleString('en')} (estimated)` : String(count);

function formatList<Item extends object>(
  { noun, header, toCells }: ListCommand<Item>,
  items: readonly Item[],
  next: string | null,
  count: ListCount,
): string {
  if (items.length === 0) return `no ${noun}`;
  const lines = formatTable([header, ...items.map(toCells)]);
  const shown = `${items.length} of ${formatListCount(count)} ${noun}`;
  return [lines, shown, ...(next === null ? [] : [`next page: --page ${next}`])].join('\n');
}
