import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { type ReadPath, useRead } from '../api/client.ts';
import type { ApiProblem } from '../api/problem.ts';
import { useText } from '../shell/language.tsx';
import type { ListState } from './list-state.ts';
import { Pager } from './pager.tsx';
import { Loaded } from './states.tsx';
import { type Column, Table } from './table.tsx';

// A page of a list: its rows, the number of rows of all pages, and the next page.
//
// A page examines at most 3,000 rows, so it may have no row although later pages have some. Such a
// page is passed over.

interface PageOfRows<Row> {
  readonly items: readonly Row[];
  readonly next_cursor: string | null;
}

interface PagedTableProps<Row> {
  readonly list: ListState;
  readonly read: {
    readonly data: PageOfRows<Row> | undefined;
    readonly error: ApiProblem | null;
    readonly isPlaceholderData: boolean;
    refetch(): Promise<unknown>;
  };
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  keyOf(row: Row): string | number;
  readonly empty: string;
  readonly count?: ListCount | undefined;
  /** The order without a choice of the person. */
  readonly defaultSort?: string;
  /** Beside the pager. */
  readonly children?: ComponentChildren;
}

export function PagedTable<Row>(props: PagedTableProps<Row>) {
  const { list, read, caption, columns, keyOf, empty, count, defaultSort = '' } = props;
  const lastWithRows = useRef('');
  const hasRows = !read.isPlaceholderData && (read.data?.items.length ?? 0) > 0;
  if (hasRows) lastWithRows.current = list.identity;
  return (
    <Loaded read={read}>
      {({ items, next_cursor: next }) =>
        // Rows that an update took away are no reason to turn the page.
        items.length === 0 && next !== null && lastWithRows.current !== list.identity ? (
          <SkippedPage list={list} next={next} isLoading={read.isPlaceholderData} />
        ) : (
          <>
            <Table
              caption={caption}
              columns={columns}
              rows={items}
              keyOf={keyOf}
              empty={empty}
              identity={list.identity}
              sort={list.get('sort') || defaultSort}
              onSort={(sort) => list.set({ sort })}
            />
            <div class="list-end">
              <Pager
                list={list}
                next={next}
                count={count?.count ?? null}
                isEstimated={count?.count_is_estimated ?? null}
              />
              {props.children}
            </div>
          </>
        )
      }
    </Loaded>
  );
}

function SkippedPage(props: {
  readonly list: ListState;
  readonly next: string;
  readonly isLoading: boolean;
}) {
  const t = useText();
  const { list, next, isLoading } = props;
  useEffect(() => {
    if (!isLoading) list.skipTo(next);
  }, [next, isLoading]);
  return (
    <div class="state" role="status">
      <span class="spinner" />
      {t('searching')}
    </div>
  );
}

export interface ListCount {
  readonly count: number | null;
  readonly count_is_estimated: boolean | null;
}

/** The number of rows of all pages. It is a separate read, so that the rows do not wait for it. */
export function useListCount(
  path: Extract<ReadPath, '/v1/customers' | '/v1/subscriptions'>,
  { query: { cursor: _, sort: __, ...filters } }: ListState,
): ListCount | undefined {
  const read = useRead(path, { query: { ...filters, count: 'yes', limit: 1 } }, { isSteady: true });
  return read.data;
}

/** The link to the rows from this page on as CSV. */
export function CsvLink({ path, list }: { readonly path: string; readonly list: ListState }) {
  const t = useText();
  const query = new URLSearchParams({ ...list.query, format: 'csv', limit: String(csvMax) });
  return (
    <a class="csv" href={`${path}?${query}`} download>
      {t('csv', { count: csvMax })}
    </a>
  );
}

/** The rows of one answer. */
const csvMax = 500;
