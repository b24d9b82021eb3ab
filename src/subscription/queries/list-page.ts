import { type RawBuilder, sql } from 'kysely';
import { type Db, inSnapshot, type Tx } from '../../db/connect.ts';
import { UsageFault } from '../../kernel/faults.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type CursorScope, formatCursor, type ListPosition, parseCursor } from './list-cursor.ts';
import type { SubscriptionFilter } from './subscription-filter.ts';

// A page of a list with a bounded cost.
//
// 1. A page examines at most 3,000 rows in the order of the list. So its time depends neither on
//    the size of the table nor on the filter. No index per filter is necessary.
// 2. A page of a rare filter may have fewer rows than its limit, also none. Its cursor continues
//    after the last examined row. Only a page without a cursor is the last one.
// 3. With the filter `short` a page examines at most 150 candidates, because each one needs a
//    forecast.
// 4. Each row reads its customer or its subscriptions by a lateral subquery with a limit. So
//    PostgreSQL never joins whole tables, also without statistics.

const examinedMax = 3_000;
const forecastsMax = 150;

export interface ListRequest {
  readonly filter: SubscriptionFilter;
  readonly max: number;
  /** Default: by id; by end with a filter on ends. */
  readonly sort?: string | undefined;
  readonly cursor?: string | undefined;
}

export interface ListPage<Row> {
  readonly items: readonly Row[];
  /** Null: this is the last page. */
  readonly next_cursor: string | null;
}

/** The order of a list: a name, and `-` before it for the reverse order. */
export interface ListOrder {
  readonly column: string;
  readonly isReversed: boolean;
}

/** @throws UsageFault `bad_sort` */
export function parseSort(sort: string, columns: readonly string[]): ListOrder {
  const isReversed = sort.startsWith('-');
  const column = isReversed ? sort.slice(1) : sort;
  if (columns.includes(column)) return { column, isReversed };
  const available = columns.flatMap((name) => [name, `-${name}`]).join(', ');
  throw new UsageFault('bad_sort', `sort: "${sort}" is not an order; available: ${available}`);
}

export const toDirection = ({ isReversed }: ListOrder): RawBuilder<unknown> =>
  isReversed ? sql`DESC` : sql`ASC`;

/** True for rows after the position, by the columns of the order. */
export const isAfterPosition = (
  { isReversed }: ListOrder,
  columns: RawBuilder<unknown>,
  position: RawBuilder<unknown> | undefined,
): RawBuilder<unknown> => {
  if (position === undefined) return sql`true`;
  return isReversed ? sql`${columns} < ${position}` : sql`${columns} > ${position}`;
};

/** A candidate row with its position. */
export interface ListedRow<Item> {
  readonly customerId: CustomerId;
  readonly position: ListPosition;
  readonly item: Item;
}

/** The statements of a list. */
export interface ListSource<Item> {
  readonly list: CursorScope['list'];
  /** Rows after the position that meet the conditions in SQL, among the examined ones. */
  readCandidates(
    tx: Tx,
    after: ListPosition | undefined,
    limits: { readonly examined: number; readonly rows: number },
  ): Promise<ListedRow<Item>[]>;
  /** The last of the examined rows, and their number. */
  readLastExamined(
    tx: Tx,
    after: ListPosition | undefined,
    examined: number,
  ): Promise<{ readonly position: ListPosition; readonly count: number } | undefined>;
  /** Keeps the rows that match, with the forecast of `short`. */
  keepMatches(tx: Tx, rows: readonly ListedRow<Item>[]): Promise<readonly ListedRow<Item>[]>;
}

/** @throws UsageFault `bad_cursor`, `other_list` */
export function readListPage<Item>(
  db: Db,
  source: ListSource<Item>,
  sort: string,
  { filter, max, cursor }: ListRequest,
): Promise<ListPage<Item>> {
  const scope = { list: source.list, sort, filter };
  const after = cursor === undefined ? undefined : parseCursor(scope, cursor);
  return inSnapshot(db, async (tx) => {
    const { rows, next } = await readRows(tx, source, { after, filter, max });
    return {
      items: rows.map(({ item }) => item),
      next_cursor: next === undefined ? null : formatCursor(scope, next),
    };
  });
}

interface WalkRequest {
  readonly after: ListPosition | undefined;
  readonly filter: SubscriptionFilter;
  readonly max: number;
}

async function readRows<Item>(
  tx: Tx,
  source: ListSource<Item>,
  { after, filter, max }: WalkRequest,
): Promise<{ rows: readonly ListedRow<Item>[]; next: ListPosition | undefined }> {
  const candidatesMax = filter.values.short === undefined ? max + 1 : forecastsMax;
  const limits = { examined: examinedMax, rows: candidatesMax };
  const candidates = await source.readCandidates(tx, after, limits);
  const matches = await source.keepMatches(tx, candidates);
  if (matches.length > max) {
    const rows = matches.slice(0, max);
    return { rows, next: rows.at(-1)?.position };
  }
  if (candidates.length === candidatesMax)
    return { rows: matches, next: candidates.at(-1)?.position };
  const last = await source.readLastExamined(tx, after, examinedMax);
  return { rows: matches, next: last?.count === examinedMax ? last.position : undefined };
}

/** All pages, until there are `max` rows or no further page. */
export async function* walkPages<Item>(
  readPage: (request: ListRequest) => Promise<ListPage<Item>>,
  request: ListRequest,
): AsyncGenerator<ListPage<Item>> {
  let left = request.max;
  let { cursor } = request;
  while (left > 0) {
    const page = await readPage({ ...request, max: Math.min(left, pageMax), cursor });
    left -= page.items.length;
    yield page;
    if (page.next_cursor === null) return;
    cursor = page.next_cursor;
  }
}

/** Rows of one page. */
export const pageMax = 500;
