import { useEffect, useRef, useState } from 'preact/hooks';

// Rows that do not move under the cursor.
//
// 1. While the pointer is over the rows, or the focus is in them, rows keep their places. Values of
//    shown rows are updated. New rows wait, and rows that are gone stay, marked as gone.
// 2. When pointer and focus leave, or the person asks, the rows are shown as they are now.

export interface SteadyRows<Row> {
  readonly rows: readonly { readonly row: Row; readonly isGone: boolean }[];
  /** True if other rows, or another order, wait. */
  readonly hasNews: boolean;
  show(): void;
  /** Handlers for the element around the rows. */
  readonly watch: {
    onPointerEnter(): void;
    onPointerLeave(): void;
    onFocusIn(): void;
    onFocusOut(event: FocusEvent): void;
  };
}

/** @param identity a change of it, like another page, shows the new rows at once */
export function useSteadyRows<Row>(
  latest: readonly Row[],
  keyOf: (row: Row) => string | number,
  identity: string,
): SteadyRows<Row> {
  const shown = useRef<{ identity: string; rows: readonly Row[] }>({ identity, rows: latest });
  const [isPointerInside, setPointerInside] = useState(false);
  const [isFocusInside, setFocusInside] = useState(false);
  const [, setVersion] = useState(0);
  const isHeld = (isPointerInside || isFocusInside) && shown.current.identity === identity;
  if (!isHeld || shown.current.rows.length === 0) shown.current = { identity, rows: latest };
  const rendered = shown.current;
  const latestByKey = new Map(latest.map((row) => [keyOf(row), row]));
  const rows = shown.current.rows.map((row) => {
    const present = latestByKey.get(keyOf(row));
    return { row: present ?? row, isGone: present === undefined };
  });
  const shownKeys = shown.current.rows.map(keyOf);
  const hasNews = isHeld && latest.map(keyOf).join() !== shownKeys.join();
  // Remembers the present values, so that a row that goes away keeps its last ones.
  useEffect(() => {
    // A click at once may have chosen other rows since this render.
    if (shown.current !== rendered) return;
    shown.current = { identity: rendered.identity, rows: rows.map(({ row }) => row) };
  });
  return {
    rows,
    hasNews,
    show() {
      shown.current = { identity, rows: latest };
      setVersion((version) => version + 1);
    },
    watch: {
      onPointerEnter: () => setPointerInside(true),
      onPointerLeave: () => setPointerInside(false),
      onFocusIn: () => setFocusInside(true),
      onFocusOut: ({ currentTarget, relatedTarget }) => {
        const isStill = (currentTarget as Element).contains(relatedTarget as Element | null);
        setFocusInside(isStill);
      },
    },
  };
}
