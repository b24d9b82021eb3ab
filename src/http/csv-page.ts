import type { FastifyRequest } from 'fastify';
import { formatCsvHeader, formatCsvRows } from '../import-export/csv.ts';

// A page of a list as CSV. The header `Next-Cursor` has the cursor of the next page.

export interface CsvPage {
  readonly items: readonly object[];
  readonly next_cursor: string | null;
}

/** `format` decides; without it `Accept` does. */
export function isCsvRequest({ query, headers }: FastifyRequest): boolean {
  const { format } = query as { format?: string };
  if (format !== undefined) return format === 'csv';
  return /^\s*text\/csv\b/i.test(headers.accept ?? '');
}

export function formatCsvPage(
  columns: readonly string[],
  { items, next_cursor: next }: CsvPage,
): { readonly text: string; readonly headers: Record<string, string> } {
  const type = { 'content-type': 'text/csv; charset=utf-8' };
  return {
    text: formatCsvHeader(columns) + formatCsvRows(columns, items),
    headers: next === null ? type : { ...type, 'next-cursor': next },
  };
}
