import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';

// Promise 2: one charge per period, checked on the rows and independent of constraints.

const onePeriodAStart = defineCheck<{
  customer_id: bigint;
  subscription_id: bigint;
  starts_at: Instant;
  first_id: bigint;
  last_id: bigint;
  count: bigint;
}>({
  id: 'one-period-a-start',
  promise: 2,
  title: 'a subscription has one live period for each start',
  find: () => sql`
    SELECT min(customer_id) AS customer_id, subscription_id, starts_at, min(id) AS first_id,
      max(id) AS last_id, count(*)
    FROM period WHERE refunded_at IS NULL
    GROUP BY subscription_id, starts_at HAVING count(*) > 1`,
  rows: (row) => ({ subscription: [row.subscription_id], period: [row.first_id, row.last_id] }),
  describe: (row) => `${row.count} live periods start at ${isoTime(row.starts_at)}`,
});

/** Periods with the same start belong to the check above. GROUPS excludes them from the frame. */
const noOverlap = defineCheck<{
  customer_id: bigint;
  id: bigint;
  subscription_id: bigint;
  starts_at: Instant;
  before_until: Instant;
  other_id: bigint;
}>({
  id: 'no-overlap',
  promise: 2,
  title: 'no live period begins before an earlier one of its subscription has ended',
  find: () => sql`
    SELECT customer_id, id, subscription_id, starts_at, before_until
    FROM (
      SELECT customer_id, id, subscription_id, starts_at, max(ends_at) OVER (
        PARTITION BY subscription_id ORDER BY starts_at
        GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_until
      FROM period WHERE refunded_at IS NULL) period
    WHERE before_until > starts_at`,
  extraColumns: sql`(
    SELECT p.id FROM period p
    WHERE p.subscription_id = bad.subscription_id AND p.refunded_at IS NULL
      AND p.starts_at < bad.starts_at
    ORDER BY p.ends_at DESC, p.id LIMIT 1) AS other_id`,
  rows: (row) => ({ subscription: [row.subscription_id], period: [row.other_id, row.id] }),
  describe: (row) =>
    `period ${row.id} starts at ${isoTime(row.starts_at)}, period ${row.other_id} ends at ${isoTime(row.before_until)}`,
});

export const oneChargeChecks = [onePeriodAStart, noOverlap];
