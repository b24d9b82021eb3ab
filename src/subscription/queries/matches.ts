import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Forecast } from '../rules/forecast.ts';
import { readForecasts } from '../store/forecast-facts.ts';
import { readSettings } from '../store/settings.ts';
import {
  matchCustomer,
  matchSubscription,
  needsSubscription,
  ownSubscriptions,
  type SubscriptionFilter,
} from './subscription-filter.ts';

// The subscriptions that match a filter, among those of a few customers.

export interface Match {
  readonly customerId: CustomerId;
  readonly subscriptionId: SubscriptionId;
}

/** The matching subscriptions of these customers, by customer and id. */
export async function readMatches(
  tx: Tx,
  filter: SubscriptionFilter,
  customers: readonly CustomerId[],
): Promise<Match[]> {
  if (customers.length === 0) return [];
  const { rows } = await sql<Match>`
    SELECT c.id AS "customerId", s.id AS "subscriptionId"
    FROM perennial.customer c
    CROSS JOIN LATERAL (SELECT s.id FROM ${ownSubscriptions}
      WHERE ${matchSubscription(filter)}) s
    WHERE c.id = ${anyOf('bigint', customers)} AND ${matchCustomer(filter)}
    ORDER BY c.id, s.id`.execute(tx);
  const forecasts = await readShortForecasts(tx, filter, rows);
  return rows.filter(({ subscriptionId }) => isExpectedForecast(filter, forecasts, subscriptionId));
}

/** Those of these customers that match. Without a condition on subscriptions none is necessary. */
export async function readMatchingCustomers(
  tx: Tx,
  filter: SubscriptionFilter,
  customers: readonly CustomerId[],
): Promise<ReadonlySet<CustomerId>> {
  if (needsSubscription(filter)) {
    const matches = await readMatches(tx, filter, customers);
    return new Set(matches.map(({ customerId }) => customerId));
  }
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT c.id FROM perennial.customer c
    WHERE c.id = ${anyOf('bigint', customers)} AND ${matchCustomer(filter)}`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

export type ShortForecasts = ReadonlyMap<SubscriptionId, Forecast>;

/** The forecasts that the filter `short` needs; none without it. */
export async function readShortForecasts(
  tx: Tx,
  filter: SubscriptionFilter,
  rows: readonly Pick<Match, 'customerId'>[],
): Promise<ShortForecasts> {
  if (filter.values.short === undefined || rows.length === 0) return new Map();
  const customers = [...new Set(rows.map(({ customerId }) => customerId))];
  return readForecasts(tx, customers, await readClock(tx), await readSettings(tx));
}

export function isExpectedForecast(
  { values }: SubscriptionFilter,
  forecasts: ShortForecasts,
  id: SubscriptionId,
): boolean {
  return values.short === undefined || (forecasts.get(id)?.kind === 'short') === values.short;
}
