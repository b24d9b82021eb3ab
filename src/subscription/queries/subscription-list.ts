import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { ListPosition } from './list-cursor.ts';
import {
  isAfterPosition,
  type ListedRow,
  type ListOrder,
  type ListPage,
  type ListRequest,
  type ListSource,
  parseSort,
  readListPage,
  toDirection,
} from './list-page.ts';
import { isExpectedForecast, readShortForecasts } from './matches.ts';
import {
  matchCustomer,
  matchSubscription,
  type SubscriptionFilter,
} from './subscription-filter.ts';

// The list of subscriptions of all customers, by id or by end.

export type ListedSubscription = Readonly<ReturnType<typeof toListedSubscription>>;

/** The columns of the list as CSV. */
export const subscriptionColumns: readonly (keyof ListedSubscription)[] = [
  'id',
  'telegram_id',
  'kind',
  'plan',
  'period_days',
  'state',
  'started_at',
  'expires_at',
  'auto_renew',
  'balance',
  'currency',
  'missing',
];

export const subscriptionSorts = ['id', 'expires_at'] as const;

/** @throws UsageFault `bad_sort`, `bad_cursor`, `other_list` */
export function listSubscriptions(
  db: Db,
  request: ListRequest,
): Promise<ListPage<ListedSubscription>> {
  const { filter } = request;
  const { ends_before: before, ends_after: after } = filter.values;
  const byEnd = before !== undefined || after !== undefined;
  const sort = request.sort ?? (byEnd ? 'expires_at' : 'id');
  const order = parseSort(sort, subscriptionSorts);
  return readListPage(db, createSource(filter, order), sort, request);
}

interface SubscriptionRow {
  readonly id: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly periodDays: number;
  readonly state: SubscriptionState;
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly autoRenew: boolean;
  readonly balanceMinor: bigint;
  readonly currency: string;
}

function createSource(
  filter: SubscriptionFilter,
  order: ListOrder,
): ListSource<ListedSubscription> {
  const isByEnd = order.column === 'expires_at';
  const direction = toDirection(order);
  const sortKey = isByEnd
    ? sql`s.expires_at ${direction}, s.id ${direction}`
    : sql`s.id ${direction}`;
  const toPosition = (row: { id: bigint; expiresAt: Instant }): ListPosition => ({
    at: isByEnd ? isoTime(row.expiresAt) : null,
    id: row.id.toString(),
  });
  const walk = (after: ListPosition | undefined, max: number) =>
    isByEnd ? walkByEnd(filter, order, after, max) : walkById(order, after, max);
  return {
    list: 'subscriptions',
    async readCandidates(tx, after, { examined, rows: max }) {
      const { rows } = await sql<SubscriptionRow>`
        SELECT s.id, s.customer_id AS "customerId", c.telegram_id AS "telegramId", s.kind, s.plan,
          s.period_days AS "periodDays", s.state, s.started_at AS "startedAt",
          s.expires_at AS "expiresAt", s.auto_renew AS "autoRenew",
          c.balance_minor AS "balanceMinor", c.currency
        FROM (${walk(after, examined)}) s
        CROSS JOIN LATERAL (SELECT one.* FROM perennial.customer one
          WHERE one.id = s.customer_id LIMIT 1) c
        WHERE ${matchSubscription(filter)} AND ${matchCustomer(filter)}
        ORDER BY ${sortKey} LIMIT ${max}`.execute(tx);
      return rows.map((row) => ({
        customerId: row.customerId,
        position: toPosition(row),
        item: toListedSubscription(row),
      }));
    },
    async readLastExamined(tx, after, examined) {
      const reversed = toDirection({ ...order, isReversed: !order.isReversed });
      const reversedKey = isByEnd
        ? sql`s.expires_at ${reversed}, s.id ${reversed}`
        : sql`s.id ${reversed}`;
      const { rows } = await sql<{ id: bigint; expiresAt: Instant; count: bigint }>`
        SELECT s.id, s.expires_at AS "expiresAt", count(*) OVER () AS count
        FROM (${walk(after, examined)}) s ORDER BY ${reversedKey} LIMIT 1`.execute(tx);
      const [last] = rows;
      if (last === undefined) return undefined;
      return { position: toPosition(last), count: Number(last.count) };
    },
    async keepMatches(tx, rows) {
      const forecasts = await readShortForecasts(tx, filter, rows);
      const toId = ({ item }: ListedRow<ListedSubscription>) => BigInt(item.id) as SubscriptionId;
      return rows
        .filter((row) => isExpectedForecast(filter, forecasts, toId(row)))
        .map((row) => {
          const forecast = forecasts.get(toId(row));
          if (forecast?.kind !== 'short') return row;
          const missing = majorUnits(forecast.missingMinor, row.item.currency);
          return { ...row, item: { ...row.item, missing } };
        });
    },
  };
}

function walkById(
  order: ListOrder,
  after: ListPosition | undefined,
  max: number,
): RawBuilder<unknown> {
  const position = after === undefined ? undefined : sql`${after.id}::bigint`;
  return sql`
    SELECT s.* FROM perennial.subscription s WHERE ${isAfterPosition(order, sql`s.id`, position)}
    ORDER BY s.id ${toDirection(order)} LIMIT ${max}`;
}

const states: readonly SubscriptionState[] = ['active', 'expired', 'revoked'];

/**
 * Merges the states. `subscription_ending` has the active subscriptions, and `subscription_ended`
 * the others. One index of all would cost each renewal an entry. The limit of each state makes its
 * index the cheapest plan, also without statistics.
 */
function walkByEnd(
  { values }: SubscriptionFilter,
  order: ListOrder,
  after: ListPosition | undefined,
  max: number,
): RawBuilder<unknown> {
  const { state, ends_before: before, ends_after: from } = values;
  const position =
    after === undefined ? undefined : sql`(${after.at}::timestamptz, ${after.id}::bigint)`;
  const range = sql`${isAfterPosition(order, sql`(s.expires_at, s.id)`, position)}
    AND ${before === undefined ? sql`true` : sql`s.expires_at < ${isoTime(before)}::timestamptz`}
    AND ${from === undefined ? sql`true` : sql`s.expires_at >= ${isoTime(from)}::timestamptz`}`;
  const direction = toDirection(order);
  const sortKey = sql`s.expires_at ${direction}, s.id ${direction}`;
  const walks = states
    .filter((one) => state === undefined || state === one)
    .map(
      (one) => sql`(SELECT s.* FROM perennial.subscription s
        WHERE s.state = ${sql.lit(one)} AND ${range} ORDER BY ${sortKey} LIMIT ${max})`,
    );
  return sql`
    SELECT s.* FROM (${sql.join(walks, sql` UNION ALL `)}) s ORDER BY ${sortKey} LIMIT ${max}`;
}

const toListedSubscription = (row: SubscriptionRow) => ({
  id: Number(row.id),
  telegram_id: Number(row.telegramId),
  kind: row.kind,
  plan: row.plan,
  period_days: row.periodDays,
  state: row.state,
  started_at: isoTime(row.startedAt),
  expires_at: isoTime(row.expiresAt),
  auto_renew: row.autoRenew,
  balance: majorUnits(row.balanceMinor, row.currency),
  currency: row.currency,
  /** The top-up that the next renewal needs. Only the filter `short` computes it. */
  missing: null as string | null,
});
