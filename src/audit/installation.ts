import { type RawBuilder, sql } from 'kysely';
import { formatCount } from '../kernel/count.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';
import { isExplained, stepBackMax } from './times.ts';

// Settings, clocks and jobs of the installation, which belong to no customer.

interface WithoutCustomer {
  readonly customer_id: null;
}

const windowFits = defineCheck<WithoutCustomer & { window_ms: bigint; days: number }>({
  id: 'window-fits-its-periods',
  promise: 2,
  title: 'the window of renewals is at most half of the shortest period on sale',
  find: (now) => sql`
    SELECT NULL::bigint AS customer_id, (r.value->>'window_ms')::bigint AS window_ms,
      min(price.period_days) AS days
    FROM perennial.setting r
    CROSS JOIN (SELECT DISTINCT ON (plan, period_days, currency) plan, period_days, amount_minor
      FROM perennial.plan_price WHERE valid_from <= ${now}
      ORDER BY plan, period_days, currency, valid_from DESC) price
    JOIN perennial.plan p ON p.key = price.plan AND p.retired_at IS NULL
    WHERE r.key = 'renewal' AND price.amount_minor IS NOT NULL
    GROUP BY r.value
    HAVING (r.value->>'window_ms')::bigint > min(price.period_days) * 43200000::bigint`,
  rows: () => ({ setting: ['renewal'] }),
  describe: ({ window_ms, days }) =>
    `renewal.window is ${window_ms / 3_600_000n} h, more than half of the period of ${formatCount(days, 'day')}`,
});

/** After a step back, the next reading of the sentinel or of a deletion lowers its time. */
const isAhead = (column: string, now: RawBuilder<Instant>) => sql`(
  c.${sql.ref(column)} > ${now} + ${stepBackMax}
  AND (${sql.raw(isExplained(`c.${column}`))}) IS NOT TRUE)`;

const clockIsWatched = defineCheck<WithoutCustomer & { wrong: string }>({
  id: 'clock-is-watched',
  promise: null,
  title: 'the time sentinel has its state, and none of its times lies in the future',
  find: (now) => sql`
    SELECT NULL::bigint AS customer_id, wrong.name AS wrong
    FROM (SELECT true AS one) always LEFT JOIN perennial.clock_state c ON true
    CROSS JOIN perennial.installation i
    CROSS JOIN LATERAL (VALUES ('only_row', c.only_row IS NULL),
      ('mark_at', ${isAhead('mark_at', now)}), ('deletions_at', ${isAhead('deletions_at', now)}),
      ('deletions_next_at', ${isAhead('deletions_next_at', now)}))
      AS wrong (name, is_wrong)
    WHERE wrong.is_wrong AND (wrong.name = 'only_row' OR c.suspect_cause IS NULL)
      AND NOT (wrong.name = 'mark_at' AND i.test AND i.clock_at IS NOT NULL)`,
  rows: ({ wrong }) => ({ clock_state: [wrong] }),
  describe: ({ wrong }) =>
    wrong === 'only_row'
      ? 'clock_state has no row, so no wrong time is detected'
      : `clock_state: ${wrong} lies in the future, and the clock is not suspicious`,
});

const reviewEnds = defineCheck<WithoutCustomer & { id: bigint; ordered_at: Instant }>({
  id: 'price-review-ends',
  promise: 6,
  title: 'the review of a changed price ends within a day of work',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, r.id, r.ordered_at FROM perennial.price_review r
    WHERE r.ordered_at < (SELECT max(passed_at) - interval '24 hours' FROM perennial.worker_state
      WHERE worker = 'expiry-reminders')`,
  rows: ({ id }) => ({ price_review: [id] }),
  describe: ({ id, ordered_at }) =>
    `price review ${id} was ordered at ${isoTime(ordered_at)}, but later runs did not complete it`,
});

/** Workers with subscriptions as their items. */
const ofSubscriptions = sql`('auto-renewal', 'fast-expiry-cleanup', 'trial-notifications',
  'expiry-reminders')`;

const quarantineHasItsItem = defineCheck<WithoutCustomer & { worker: string; item: string }>({
  id: 'quarantine-has-its-item',
  promise: 9,
  title: 'a subscription in quarantine exists',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, q.item, q.worker FROM perennial.quarantine q
    WHERE q.worker IN ${ofSubscriptions} AND q.item ~ '^[0-9]{1,18}$' AND NOT EXISTS (
      SELECT FROM perennial.subscription s
      WHERE s.id = CASE WHEN q.item ~ '^[0-9]{1,18}$' THEN q.item::bigint END)`,
  rows: ({ worker, item }) => ({ quarantine: [`${worker} ${item}`] }),
  describe: ({ worker, item }) =>
    `${worker} has subscription ${item} in quarantine, which does not exist`,
});

const bulkJobCountsItsItems = defineCheck<WithoutCustomer & { id: bigint; state: string }>({
  id: 'bulk-job-counts-its-items',
  promise: 9,
  title: 'a bulk job counts its customers by outcome, and is done with all of them',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, j.id, j.state FROM perennial.bulk_job j
    LEFT JOIN (SELECT job_id, count(*) AS total, count(outcome) AS over,
        count(*) FILTER (WHERE outcome = 'done') AS done,
        count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
        count(*) FILTER (WHERE outcome = 'failed') AS failed
      FROM perennial.bulk_item GROUP BY job_id) i ON i.job_id = j.id
    WHERE (j.total, j.done, j.skipped, j.failed) <> (coalesce(i.total, 0), coalesce(i.done, 0),
        coalesce(i.skipped, 0), coalesce(i.failed, 0))
      OR j.state = 'done' AND i.over < i.total`,
  rows: ({ id }) => ({ bulk_job: [id] }),
  describe: ({ id, state }) => `the counts of bulk job ${id} (${state}) differ from its items`,
});

export const installationChecks = [
  windowFits,
  clockIsWatched,
  reviewEnds,
  quarantineHasItsItem,
  bulkJobCountsItsItems,
];
