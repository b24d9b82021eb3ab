import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';

// The items in quarantine for a person: each with its customer, its subscription and its reason.
//
// `item` is the id of a subscription, `NODE/` and this id, or `notice:` and the id of a
// notification. An item without an existing subscription or notification has no customer.

/** Items by worker, by reason and by name. Undefined: all. */
export interface QuarantineFilter {
  readonly worker?: string | undefined;
  /** The stable code, such as `no_price`. */
  readonly reason?: string | undefined;
  readonly item?: string | undefined;
}

export interface QuarantineRow {
  readonly worker: string;
  readonly item: string;
  /** The stable code of the failure. */
  readonly reason: string;
  readonly sentence: string;
  readonly attempts: number;
  readonly retry_at: Instant;
  readonly first_seen_at: Instant;
  /** null: the item belongs to no customer, or to none that exists. */
  readonly customer_id: CustomerId | null;
  readonly telegram_id: bigint | null;
  readonly subscription_id: SubscriptionId | null;
}

/** The stored text is `reason: sentence`. */
const reasonCode = sql`split_part(q.reason, ': ', 1)`;

const matches = ({ worker, reason, item }: QuarantineFilter): RawBuilder<unknown> =>
  sql`(${worker === undefined ? sql`true` : sql`q.worker = ${worker}`}
    AND ${reason === undefined ? sql`true` : sql`${reasonCode} = ${reason}`}
    AND ${item === undefined ? sql`true` : sql`q.item = ${item}`})`;

/** The position of a page: the page starts after this item. */
export interface QuarantinePosition {
  readonly worker: string;
  readonly item: string;
}

/** A page of the quarantine in the order of worker and item. */
export async function listQuarantine(
  db: Db | Tx,
  filter: QuarantineFilter,
  { after, max }: { readonly after?: QuarantinePosition | undefined; readonly max: number },
): Promise<QuarantineRow[]> {
  const { worker, item } = after ?? { worker: '', item: '' };
  const { rows } = await sql<QuarantineRow>`
    SELECT q.worker, q.item, ${reasonCode} AS reason,
      coalesce(nullif(substr(q.reason, strpos(q.reason, ': ') + 2), ''), q.reason) AS sentence,
      q.attempts, q.retry_at, q.first_seen_at, c.id AS customer_id, c.telegram_id,
      s.id AS subscription_id
    FROM (SELECT * FROM perennial.quarantine q
      WHERE ${matches(filter)} AND (q.worker, q.item) > (${worker}, ${item})
      ORDER BY q.worker, q.item LIMIT ${max}) q
    LEFT JOIN perennial.notification n
      ON n.id = CASE WHEN q.item ~ '^notice:[0-9]{1,18}$' THEN substr(q.item, 8)::bigint END
    LEFT JOIN perennial.subscription s ON s.id = coalesce(n.subscription_id,
      CASE WHEN q.item ~ '^([^/]+/)?[0-9]{1,18}$'
        THEN (regexp_match(q.item, '[0-9]+$'))[1]::bigint END)
    LEFT JOIN perennial.customer c ON c.id = coalesce(n.customer_id, s.customer_id)
    ORDER BY q.worker, q.item`.execute(db);
  return rows;
}

export interface QuarantineCount {
  readonly worker: string;
  readonly reason: string;
  readonly items: bigint;
  readonly first_seen_at: Instant;
  readonly next_retry_at: Instant;
}

/** The number of items for each worker and reason. */
export async function countQuarantine(
  db: Db | Tx,
  filter: QuarantineFilter,
): Promise<QuarantineCount[]> {
  const { rows } = await sql<QuarantineCount>`
    SELECT q.worker, ${reasonCode} AS reason, count(*) AS items,
      min(q.first_seen_at) AS first_seen_at, min(q.retry_at) AS next_retry_at
    FROM perennial.quarantine q WHERE ${matches(filter)}
    GROUP BY 1, 2 ORDER BY 1, 2`.execute(db);
  return rows;
}

/** The workers that put items into quarantine, beside those that have runs. */
export const quarantineOnlyWorkers: readonly string[] = ['keep-node'];
