import { useSearchParams } from 'wouter';

// The filters, the order and the page of a list are in the address. So a link shows the same list,
// and the back button works.

export interface ListState {
  /** The value of a parameter; empty if the address has none. */
  get(name: string): string;
  /** Sets parameters. The list begins with its first page again. */
  set(values: Readonly<Record<string, string>>): void;
  /** The parameters of the request for this page. */
  readonly query: Readonly<Record<string, string>>;
  /** Opens the next page. */
  openNext(cursor: string): void;
  /** Passes over a page without rows: the back button does not return to it. */
  skipTo(cursor: string): void;
  /** Opens the first page. */
  openFirst(): void;
  readonly isFirstPage: boolean;
  /** Names filters, order and page. */
  readonly identity: string;
}

const cursorName = 'cursor';

/** @param names the parameters that the list understands; other ones are not sent */
export function useListState(names: readonly string[]): ListState {
  const [params, setParams] = useSearchParams();
  const change = (values: Readonly<Record<string, string>>, options?: { replace: boolean }) =>
    setParams((present) => {
      const next = new URLSearchParams(present);
      next.delete(cursorName);
      for (const [name, value] of Object.entries(values)) {
        if (value === '') next.delete(name);
        else next.set(name, value);
      }
      return next;
    }, options);
  const known = [...params].filter(
    ([name, value]) => value !== '' && [...names, cursorName].includes(name),
  );
  return {
    get: (name) => params.get(name) ?? '',
    set: (values) => change(values),
    query: Object.fromEntries(known),
    openNext: (cursor) => change({ [cursorName]: cursor }),
    skipTo: (cursor) => change({ [cursorName]: cursor }, { replace: true }),
    openFirst: () => change({}),
    isFirstPage: !params.has(cursorName),
    identity: params.toString(),
  };
}
