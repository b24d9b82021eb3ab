import type { ServerKind } from './databases.ts';

// The interface of a benchmark: options and rows.

export interface Options {
  readonly subscriptions: number;
  readonly due: number;
  /** The number of measurements per variant. The median counts. */
  readonly rounds: number;
  /** Cuts fixed sizes and durations too, to show only that the benchmark runs. */
  readonly small: boolean;
  /** The PostgreSQL of the benchmark. */
  readonly server: ServerKind;
  /** Progress, for a person. */
  readonly log: (line: string) => void;
}

/** One line of the result. Numbers are rounded to significant digits. */
export type Row = { readonly variant: string } & Readonly<
  Record<string, string | number | undefined>
>;

export interface Benchmark {
  readonly description: string;
  run(options: Options): Promise<Row[]>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The value below which this share of the values is. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

const formatCell = (value: string | number | undefined): string => {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  return Number.isInteger(value) || Math.abs(value) >= 100
    ? String(Math.round(value))
    : value.toFixed(2);
};

/** Columns that depend on the speed of the server. A ratio of the others means nothing. */
const comparedColumns = ['rate', 'seconds', 'tick_ms'] as const;

/** The rows of the stock server, each with the ratio of its time or rate to the tuned one's. */
export function withRatios(tuned: readonly Row[], stock: readonly Row[]): Row[] {
  return stock.flatMap((row) => {
    const other = tuned.find(({ variant }) => variant === row.variant);
    if (other === undefined) return [row];
    const column = comparedColumns.find((name) => typeof row[name] === 'number');
    const ratio = column === undefined ? undefined : Number(row[column]) / Number(other[column]);
    const named = (one: Row, server: string) => ({ ...one, variant: `${one.variant}, ${server}` });
    return [named(other, 'tuned'), { ...named(row, 'stock'), stock_to_tuned: ratio }];
  });
}

/** Rows as text, a column for each name that any of them has. */
export function formatTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [names, ...rows.map((row) => names.map((name) => formatCell(row[name])))];
  const widths = names.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const padded = (cell: string, at: number): string =>
    at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  return lines.map((line) => line.map(padded).join('  ').trimEnd()).join('\n');
}
