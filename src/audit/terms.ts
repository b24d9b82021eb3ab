import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';

// The terms of a subscription are those of the period in force (`subscription/rules/terms.ts`).
//
// Rows from before the terms were stored are excluded.

interface OfPeriod {
  readonly customer_id: bigint;
  readonly id: bigint;
  readonly period_id: bigint;
  readonly sold: string;
}

const toRows = ({ id, period_id }: OfPeriod) => ({ subscription: [id], period: [period_id] });

/** A due change of terms waits for the next run, at most a minute, and for a run that failed. */
const changeDelayMax = sql`interval '5 minutes'`;

const isStored = sql`(p.period_days IS NOT NULL OR p.kind IS NOT NULL)`;
const differs = sql`(p.plan <> s.plan OR p.period_days <> s.period_days)`;
const sold = sql`p.plan || coalesce(' for ' || p.period_days || ' days', '') AS sold`;

/** True if the live period `p` is in force and the subscription `s` has other terms. */
export const isOtherInForce = (now: RawBuilder<Instant>) => sql`(s.state = 'active'
  AND p.refunded_at IS NULL AND p.part_of IS NULL
  AND p.starts_at <= ${now} - ${changeDelayMax} AND p.ends_at > ${now} AND ${isStored} AND ${differs})`;

/** True if the coming period `p` has other terms than `s`, and its start is no planned change. */
export const isUnplanned = (now: RawBuilder<Instant>) => sql`(s.state = 'active'
  AND p.refunded_at IS NULL AND p.starts_at > ${now} AND ${isStored} AND ${differs}
  AND (s.changes_at IS NULL OR s.changes_at > p.starts_at))`;

const termsOfThePeriod = defineCheck<OfPeriod & { has: string }>({
  id: 'terms-of-the-period',
  promise: null,
  title: 'an active subscription has the plan and the length of the period in force',
  find: (now) => sql`
    SELECT s.customer_id, s.id, p.id AS period_id, ${sold},
      s.plan || ' for ' || s.period_days || ' days' AS has
    FROM subscription s JOIN period p ON p.subscription_id = s.id
    WHERE ${isOtherInForce(now)}`,
  rows: toRows,
  describe: (row) =>
    `subscription ${row.id} has ${row.has}; period ${row.period_id}, which is in force, was sold as ${row.sold}`,
});

const changeIsPlanned = defineCheck<OfPeriod & { starts_at: Instant }>({
  id: 'change-is-planned',
  promise: null,
  title: 'a paid period with other terms comes into force at its start',
  find: (now) => sql`
    SELECT s.customer_id, s.id, p.id AS period_id, ${sold}, p.starts_at
    FROM subscription s JOIN period p ON p.subscription_id = s.id
    WHERE ${isUnplanned(now)}`,
  rows: toRows,
  describe: (row) =>
    `period ${row.period_id} of subscription ${row.id} is ${row.sold} from ${isoTime(row.starts_at)}, and no change of the terms is planned`,
});

const servedPart = defineCheck<{ customer_id: bigint; id: bigint; part_of: bigint }>({
  id: 'served-part-of-a-refund',
  promise: 3,
  title: 'a served part is the time of its refunded period until the refund',
  find: () => sql`
    SELECT p.customer_id, p.id, p.part_of
    FROM period p JOIN period whole ON whole.id = p.part_of
    WHERE whole.subscription_id <> p.subscription_id OR whole.refunded_at IS NULL
      OR p.starts_at <> whole.starts_at OR p.plan <> whole.plan
      OR p.ends_at <> least(whole.ends_at, whole.refunded_at)`,
  rows: ({ id, part_of }) => ({ period: [id, part_of] }),
  describe: ({ id, part_of }) =>
    `period ${id} is not the time of period ${part_of} from its start until its refund`,
});

export const termChecks = [termsOfThePeriod, changeIsPlanned];
export const servedPartChecks = [servedPart];
