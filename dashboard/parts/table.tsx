import type { ComponentChildren } from 'preact';
import { NewsButton } from './news-button.tsx';
import { EmptyState } from './states.tsx';
import { useSteadyRows } from './steady-rows.ts';

// A table of rows that stays steady during updates. On a narrow screen each row is a card.

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly isNumber?: boolean;
  /** The name of the order by this column, if the list can be ordered by it. */
  readonly sort?: string;
  cell(row: Row): ComponentChildren;
}

interface TableProps<Row> {
  /** The name of the table for screen readers. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  keyOf(row: Row): string | number;
  /** The text without rows. */
  readonly empty: string;
  /** Names the parameters of the list: another page shows its rows at once. */
  readonly identity?: string;
  /** The present order: a name, or `-name`. */
  readonly sort?: string;
  onSort?(sort: string): void;
}

export function Table<Row>(props: TableProps<Row>) {
  const { columns, keyOf } = props;
  const { rows, hasNews, show, watch } = useSteadyRows(props.rows, keyOf, props.identity ?? '');
  if (rows.length === 0) return <EmptyState text={props.empty} />;
  return (
    <div class="table" {...watch}>
      <NewsButton hasNews={hasNews} show={show} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls a wide table */}
      <section class="scroll" tabIndex={0} aria-label={props.caption}>
        <table>
          <caption>{props.caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Header key={column.id} column={column} sort={props.sort} onSort={props.onSort} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ row, isGone }) => (
              <tr key={keyOf(row)} class={isGone ? 'gone' : undefined}>
                {columns.map(({ id, title, isNumber, cell }) => (
                  <td key={id} class={isNumber === true ? 'number' : undefined} data-title={title}>
                    {/* One element, so that the title of a card has one neighbour. */}
                    <div>{cell(row)}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

function Header<Row>(props: {
  readonly column: Column<Row>;
  readonly sort: string | undefined;
  readonly onSort: ((sort: string) => void) | undefined;
}) {
  const { column, sort, onSort } = props;
  const className = column.isNumber === true ? 'number' : undefined;
  if (column.sort === undefined || onSort === undefined)
    return (
      <th scope="col" class={className}>
        {column.title}
      </th>
    );
  const isAscending = sort === column.sort;
  const isDescending = sort === `-${column.sort}`;
  const order = isAscending ? 'ascending' : isDescending ? 'descending' : 'none';
  const next = isAscending ? `-${column.sort}` : column.sort;
  return (
    <th scope="col" class={className} aria-sort={order}>
      <button type="button" class="sort" onClick={() => onSort(next)}>
        {column.title}
        <span aria-hidden="true">{isAscending ? ' ↑' : isDescending ? ' ↓' : ' ↕'}</span>
      </button>
    </th>
  );
}
