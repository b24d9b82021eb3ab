import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck, selectRetainedSince } from './check.ts';

// Promise 5: each right that an operator gives or takes has its event in the timeline.
//
// Customers who are older than the oldest kept event are excluded.

interface OfSubscription {
  readonly customer_id: bigint;
  readonly id: bigint;
  readonly subscription_id: bigint;
}

const hasAllEvents = sql`EXISTS (SELECT FROM customer c
  WHERE c.id = s.customer_id AND c.created_at >= ${selectRetainedSince('events')})`;

/** A refund takes a grant back, and leaves its served part. */
const grantIsItsEvent = defineCheck<OfSubscription & { starts_at: Instant; ends_at: Instant }>({
  id: 'grant-is-its-event',
  promise: 5,
  title: 'a granted period is as long as the days of its event',
  find: () => sql`
    SELECT s.customer_id, s.id, s.subscription_id, s.starts_at, s.ends_at
    FROM period s
    LEFT JOIN (SELECT DISTINCT customer_id, subject, (detail->>'days')::int AS days
      FROM event WHERE action = 'granted') v
      ON v.customer_id = s.customer_id AND v.subject = 'subscription:' || s.subscription_id
        AND v.days * interval '24 hours' = s.ends_at - s.starts_at
    WHERE s.source = 'grant' AND s.refunded_at IS NULL AND s.part_of IS NULL
      AND v.days IS NULL AND ${hasAllEvents}`,
  rows: ({ id, subscription_id }) => ({ subscription: [subscription_id], period: [id] }),
  describe: ({ id, starts_at, ends_at }) =>
    `period ${id} was granted from ${isoTime(starts_at)} to ${isoTime(ends_at)}, and no event grants as many days`,
});

const revokedHasItsEvent = defineCheck<Omit<OfSubscription, 'subscription_id'>>({
  id: 'revoked-has-its-event',
  promise: 4,
  title: 'a revoked subscription was revoked by a command',
  find: () => sql`
    SELECT s.customer_id, s.id FROM subscription s
    WHERE s.state = 'revoked' AND ${hasAllEvents} AND NOT EXISTS (
      SELECT FROM event v WHERE v.customer_id = s.customer_id
        AND v.subject = 'subscription:' || s.id AND v.action = 'revoked')`,
  rows: ({ id }) => ({ subscription: [id] }),
  describe: ({ id }) => `subscription ${id} is revoked, and no event revokes it`,
});

/** The last events that state that auto-renewal is on, and that it is off. */
export const statedSwitches = sql`
  SELECT customer_id, subject, max(id) FILTER (WHERE detail->>'auto_renew' = 'true') AS on_id,
    max(id) FILTER (WHERE detail->>'auto_renew' = 'false') AS off_id
  FROM event WHERE detail ? 'auto_renew' GROUP BY customer_id, subject`;

export const isOtherSwitch = sql`(s.kind = 'paid' AND v.subject IS NOT NULL
  AND s.auto_renew <> (coalesce(v.on_id, 0) > coalesce(v.off_id, 0)))`;

/** An import and older programs state nothing. */
const switchIsItsEvent = defineCheck<{ customer_id: bigint; id: bigint; is_on: boolean }>({
  id: 'switch-is-its-event',
  promise: 4,
  title: 'auto-renewal is as the last event states',
  find: () => sql`
    SELECT s.customer_id, s.id, s.auto_renew AS is_on
    FROM subscription s JOIN (${statedSwitches}) v
      ON v.customer_id = s.customer_id AND v.subject = 'subscription:' || s.id
    WHERE ${isOtherSwitch}`,
  rows: ({ id }) => ({ subscription: [id] }),
  describe: ({ id, is_on }) =>
    `auto-renewal of subscription ${id} is ${is_on ? 'on' : 'off'}, and its last event states the opposite`,
});

export const rightsChecks = [grantIsItsEvent, revokedHasItsEvent, switchIsItsEvent];
