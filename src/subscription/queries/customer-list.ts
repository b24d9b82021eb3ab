import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { ListPosition } from './list-cursor.ts';
import {
  isAfterPosition,
  type ListOrder,
  type ListPage,
  type ListRequest,
  type ListSource,
  parseSort,
  readListPage,
  toDirection,
} from './list-page.ts';
import { readMatchingCustomers } from './matches.ts';
import {
  matchCustomer,
  matchSubscription,
  needsSubscription,
  ownSubscriptions,
  type SubscriptionFilter,
} from './subscription-filter.ts';

// The list of customers, by id or by Telegram id.
//
// There is no order by balance. Its index would be written by each change of a balance, and a
// debit would no longer be a HOT update.

export type ListedCustomer = Readonly<ReturnType<typeof toListedCustomer>>;

/** The columns of the list as CSV. */
export const customerColumns: readonly (keyof ListedCustomer)[] = [
  'id',
  'telegram_id',
  'locale',
  'currency',
  'balance',
  'claim',
  'vip',
  'discount_percent',
  'reachable',
  'blocked_at',
  'blocked_reason',
  'created_at',
  'active',
  'expires_at',
];

export const customerSorts = ['id', 'telegram_id'] as const;

/** @throws UsageFault `bad_sort`, `bad_cursor`, `other_list` */
export function listCustomers(db: Db, request: ListRequest): Promise<ListPage<ListedCustomer>> {
  const sort = request.sort ?? 'id';
  const order = parseSort(sort, customerSorts);
  return readListPage(db, createSource(request.filter, order), sort, request);
}

interface CustomerRow {
  readonly id: CustomerId;
  readonly telegramId: bigint;
  readonly locale: string;
  readonly currency: string;
  readonly balanceMinor: bigint;
  readonly claimMinor: bigint;
  readonly vip: boolean;
  readonly discountPercent: number;
  readonly reachable: boolean;
  readonly blockedAt: Instant | null;
  readonly blockedReason: string | null;
  readonly createdAt: Instant;
  /** The active subscriptions, and the latest end of them. */
  readonly active: bigint;
  readonly expiresAt: Instant | null;
}

/** The columns of a customer `c`, with a summary of the active subscriptions. */
const selectCustomer = (from: RawBuilder<unknown>) => sql<CustomerRow>`
  SELECT c.id, c.telegram_id AS "telegramId", c.locale, c.currency,
    c.balance_minor AS "balanceMinor", c.claim_minor AS "claimMinor", c.vip,
    c.discount_percent AS "discountPercent", c.reachable, c.blocked_at AS "blockedAt",
    c.blocked_reason AS "blockedReason", c.created_at AS "createdAt", summary.*
  FROM ${from}
  CROSS JOIN LATERAL (SELECT count(*) AS active, max(s.expires_at) AS "expiresAt"
    FROM ${ownSubscriptions} WHERE s.state = 'active') summary`;

function createSource(filter: SubscriptionFilter, order: ListOrder): ListSource<ListedCustomer> {
  const column = order.column === 'id' ? sql`c.id` : sql`c.telegram_id`;
  const direction = toDirection(order);
  const walk = (after: ListPosition | undefined, max: number) => {
    const position = after === undefined ? undefined : sql`${after.id}::bigint`;
    // By id these conditions have their own indexes, so all examined rows match them.
    const indexed = order.column === 'id' ? matchCustomer(filter) : sql`true`;
    return sql`
      SELECT c.* FROM perennial.customer c
      WHERE ${isAfterPosition(order, column, position)} AND ${indexed}
      ORDER BY ${column} ${direction} LIMIT ${max}`;
  };
  const hasMatch = needsSubscription(filter)
    ? sql`CROSS JOIN LATERAL (SELECT s.id FROM ${ownSubscriptions}
        WHERE ${matchSubscription(filter)} LIMIT 1) found`
    : sql``;
  const toPosition = (row: { id: bigint; telegramId: bigint }): ListPosition => ({
    at: null,
    id: (order.column === 'id' ? row.id : row.telegramId).toString(),
  });
  return {
    list: 'customers',
    async readCandidates(tx, after, { examined, rows: max }) {
      const page = sql`(SELECT c.* FROM (${walk(after, examined)}) c ${hasMatch}
        WHERE ${matchCustomer(filter)} ORDER BY ${column} ${direction} LIMIT ${max}) c`;
      const { rows } = await sql<CustomerRow>`${selectCustomer(page)}
        ORDER BY ${column} ${direction}`.execute(tx);
      return rows.map((row) => ({
        customerId: row.id,
        position: toPosition(row),
        item: toListedCustomer(row),
      }));
    },
    async readLastExamined(tx, after, examined) {
      const reversed = toDirection({ ...order, isReversed: !order.isReversed });
      const { rows } = await sql<{ id: bigint; telegramId: bigint; count: bigint }>`
        SELECT c.id, c.telegram_id AS "telegramId", count(*) OVER () AS count
        FROM (${walk(after, examined)}) c ORDER BY ${column} ${reversed} LIMIT 1`.execute(tx);
      const [last] = rows;
      if (last === undefined) return undefined;
      return { position: toPosition(last), count: Number(last.count) };
    },
    async keepMatches(tx, rows) {
      if (filter.values.short === undefined) return rows;
      const ids = rows.map(({ customerId }) => customerId);
      const matching = await readMatchingCustomers(tx, filter, ids);
      return rows.filter(({ customerId }) => matching.has(customerId));
    },
  };
}

/** These customers as the list shows them, by id. */
export async function readListedCustomers(
  db: Db | Tx,
  ids: readonly CustomerId[],
): Promise<ListedCustomer[]> {
  const { rows } = await sql<CustomerRow>`
    ${selectCustomer(sql`perennial.customer c`)}
    WHERE c.id = ${anyOf('bigint', ids)} ORDER BY c.id`.execute(db);
  return rows.map(toListedCustomer);
}

const toListedCustomer = (row: CustomerRow) => ({
  id: Number(row.id),
  telegram_id: Number(row.telegramId),
  locale: row.locale,
  currency: row.currency,
  balance: majorUnits(row.balanceMinor, row.currency),
  claim: majorUnits(row.claimMinor, row.currency),
  vip: row.vip,
  discount_percent: row.discountPercent,
  reachable: row.reachable,
  blocked_at: row.blockedAt === null ? null : isoTime(row.blockedAt),
  blocked_reason: row.blockedReason,
  created_at: isoTime(row.createdAt),
  active: Number(row.active),
  expires_at: row.expiresAt === null ? null : isoTime(row.expiresAt),
});
