import { createHash } from 'node:crypto';
import { UsageFault } from '../../kernel/faults.ts';
import { tryParseInstant } from '../../kernel/instant.ts';
import type { SubscriptionFilter } from './subscription-filter.ts';

// Cursors of lists: the position after the last row of a page.
//
// A cursor also names its list, its order and its filter. So a cursor of another list is refused,
// instead of a page that starts at a wrong row.

/** The key of a row: its id, after its end in a list by ends. */
export interface ListPosition {
  /** Null in a list by ids. */
  readonly at: string | null;
  readonly id: string;
}

export interface CursorScope {
  readonly list: 'customers' | 'subscriptions';
  readonly sort: string;
  readonly filter: SubscriptionFilter;
}

const computeFilterHash = ({ texts }: SubscriptionFilter): string =>
  createHash('sha256').update(JSON.stringify(texts)).digest('base64url').slice(0, 12);

const toScopeKey = ({ list, sort, filter }: CursorScope): string =>
  [list, sort, computeFilterHash(filter)].join(' ');

export const formatCursor = (scope: CursorScope, { at, id }: ListPosition): string =>
  Buffer.from(JSON.stringify([toScopeKey(scope), at, id])).toString('base64url');

/** @throws UsageFault `bad_cursor`, `other_list` */
export function parseCursor(scope: CursorScope, text: string): ListPosition {
  const decoded = Buffer.from(text, 'base64url').toString();
  const [, key, , at, id] =
    /^\["([^"\\]*)",(null|"(\d{4}-[0-9T:.Z-]{1,24})"),"(\d{1,19})"\]$/.exec(decoded) ?? [];
  const isPosition = id !== undefined && BigInt(id) < 2n ** 63n;
  const isTime = at === undefined || tryParseInstant(at) !== undefined;
  if (key === undefined || !isPosition || !isTime) {
    throw new UsageFault(
      'bad_cursor',
      `cursor: "${text.slice(0, 80)}" is not a cursor; expected next_cursor of the page before`,
    );
  }
  if (key !== toScopeKey(scope)) {
    throw new UsageFault(
      'other_list',
      'cursor: the cursor belongs to another list, order or filter; list the first page again',
    );
  }
  return { at: at ?? null, id };
}
