import { type RawBuilder, sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { isExpectedForecast, type Match, readShortForecasts } from './matches.ts';
import {
  matchCustomer,
  matchSubscription,
  needsSubscription,
  type SubscriptionFilter,
} from './subscription-filter.ts';

// The number of rows of a list.
//
// 1. Up to 10,000 the count is exact. Above, it is the estimate of the planner of PostgreSQL.
// 2. With `short`, up to 10,000 candidates are forecast. Above, a sample of 1,000 gives the share.

const exactMax = 10_000;
const sampleMax = 1_000;

export interface ListCount {
  readonly count: number;
  readonly count_is_estimated: boolean;
}

/** The rows of a list by the conditions in SQL. */
function selectRows(list: 'customers' | 'subscriptions', filter: SubscriptionFilter) {
  const [ofCustomer, ofSubscription] = [matchCustomer(filter), matchSubscription(filter)];
  if (list === 'subscriptions') {
    return sql`SELECT c.id AS "customerId", s.id AS "subscriptionId"
      FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
      WHERE ${ofSubscription} AND ${ofCustomer}`;
  }
  const hasMatch = needsSubscription(filter)
    ? sql`EXISTS (SELECT FROM perennial.subscription s
        WHERE s.customer_id = c.id AND ${ofSubscription})`
    : sql`true`;
  return sql`SELECT c.id AS "customerId" FROM perennial.customer c
    WHERE ${ofCustomer} AND ${hasMatch}`;
}

export function countList(
  db: Db,
  list: 'customers' | 'subscriptions',
  filter: SubscriptionFilter,
): Promise<ListCount> {
  return inTransaction(db, async (tx) => {
    if (filter.values.short !== undefined) return countForecasts(tx, list, filter);
    return countSelected(tx, selectRows(list, filter));
  });
}

/** The number of rows of a SELECT, by rule 1. */
export async function countSelected(tx: Tx, select: RawBuilder<unknown>): Promise<ListCount> {
  const { count, isExact } = await countRows(tx, select);
  return { count, count_is_estimated: !isExact };
}

async function countRows(
  tx: Tx,
  select: RawBuilder<unknown>,
): Promise<{ readonly count: number; readonly isExact: boolean }> {
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) AS count FROM (${select} LIMIT ${exactMax + 1}) listed`.execute(tx);
  const count = Number(rows[0]?.count);
  if (count <= exactMax) return { count, isExact: true };
  const { rows: plans } = await sql<{ 'QUERY PLAN': readonly [{ Plan: { 'Plan Rows': number } }] }>`
    EXPLAIN (FORMAT JSON) ${select}`.execute(tx);
  const estimate = plans[0]?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
  return { count: Math.max(estimate, exactMax + 1), isExact: false };
}

/** Counts the rows whose forecast the filter `short` expects. */
async function countForecasts(
  tx: Tx,
  list: 'customers' | 'subscriptions',
  filter: SubscriptionFilter,
): Promise<ListCount> {
  const select = selectRows('subscriptions', filter);
  const candidates = await countRows(tx, select);
  const limit = candidates.isExact ? exactMax : sampleMax;
  const { rows } = await sql<Match>`${select} LIMIT ${limit}`.execute(tx);
  const forecasts = await readShortForecasts(tx, filter, rows);
  const matches = rows.filter((row) => isExpectedForecast(filter, forecasts, row.subscriptionId));
  const customers = new Set<CustomerId>(matches.map(({ customerId }) => customerId));
  const found = list === 'customers' ? customers.size : matches.length;
  if (candidates.isExact) return { count: found, count_is_estimated: false };
  const share = found / Math.max(rows.length, 1);
  return { count: Math.round(share * candidates.count), count_is_estimated: true };
}
