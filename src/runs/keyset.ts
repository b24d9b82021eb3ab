import { type RawBuilder, sql } from 'kysely';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { Cursor, DueItem } from './worker.ts';

// Parts of the finding statements: pages by keyset, over an index that ends in the id.

/** Rows after the cursor, in the order of an index that ends in the id. */
export function isAfterCursor(column: string, cursor: Cursor | undefined): RawBuilder<unknown> {
  if (cursor === undefined) return sql`true`;
  return sql`(${sql.ref(column)}, s.id) > (${isoTime(cursor.at)}::timestamptz, ${cursor.id}::bigint)`;
}

/** A row of a finding statement. `at` is the time of the index that the statement walks. */
export interface DueItemRow {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly at: Instant;
}

export const toDueItem = (row: DueItemRow): DueItem => ({
  subscriptionId: row.subscriptionId,
  customerId: row.customerId,
  key: { at: row.at, id: row.subscriptionId },
});

/** Excludes the items in quarantine. */
export function isNotQuarantined(skip: readonly string[]): RawBuilder<unknown> {
  if (skip.length === 0) return sql`true`;
  return sql`NOT (s.id = ${anyOf('bigint', skip.map(BigInt))})`;
}
