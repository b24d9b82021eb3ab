import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import { defineCheck, selectRetainedSince } from './check.ts';
import { toIsoTimeSql } from './receipts.ts';
import { stepBackMax } from './times.ts';

// Promises 6 and 7 in the database: no notification is missing, stuck or outdated.
//
// Each cause has its notification. No notification waits while its courier sends others. No
// reminder warned of a past end.

interface Row {
  readonly customer_id: bigint | null;
  readonly id: bigint;
  readonly kind: string;
}

const toRows = ({ id }: Row) => ({ notification: [id] });

/**
 * A chargeback takes the refund of the unused part at once, so the customer gets no message of it.
 */
const wasChargedBack = sql`EXISTS (SELECT FROM event v
  CROSS JOIN LATERAL jsonb_array_elements_text(v.detail->'period_ids') AS ended (id)
  WHERE v.customer_id = p.customer_id AND v.action = 'charged_back' AND ended.id = p.id::text)`;

const causeHasItsNotification = defineCheck<{
  customer_id: bigint;
  cause: string;
  place: string;
  id: bigint;
}>({
  id: 'cause-has-its-notification',
  promise: 6,
  title: 'each refund, end and revocation has its notification',
  find: () => sql`
    SELECT cause.customer_id, cause.id, cause.cause, cause.place FROM (
      SELECT p.customer_id, p.id, p.refunded_at AS at, 'refund' AS cause, 'period' AS place
      FROM period p
      WHERE p.refund_entry_id IS NOT NULL AND p.refunded_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM notification n
          WHERE n.dedupe_key = 'refund:' || p.id AND n.customer_id = p.customer_id)
        AND NOT ${wasChargedBack}
      UNION ALL
      SELECT v.customer_id, v.id, v.at, 'end', 'event' FROM event v
      WHERE v.action = 'expired' AND NOT EXISTS (SELECT FROM notification n
        WHERE n.kind IN ('expired', 'trial_ended') AND n.customer_id = v.customer_id
          AND 'subscription:' || n.subscription_id = v.subject
          AND n.params->>'expires_at' = v.detail->>'expires_at')
      UNION ALL
      SELECT v.customer_id, v.id, v.at, 'revocation', 'event' FROM event v
      WHERE v.action = 'revoked' AND NOT EXISTS (SELECT FROM notification n
        WHERE n.dedupe_key = 'revoke:' || split_part(v.subject, ':', 2)
          AND n.customer_id = v.customer_id)) cause
    WHERE cause.at >= ${selectRetainedSince('notices')}`,
  rows: ({ place, id }) => ({ [place]: [id] }),
  describe: ({ cause, place, id }) =>
    `no notification was stored for the ${cause} of ${place} ${id}`,
});

export const isDueBeforeItWasStored = sql`(n.state = 'pending'
  AND n.next_attempt_at < n.created_at - ${stepBackMax})`;

const pendingIsTried = defineCheck<Row & { at: Instant }>({
  id: 'pending-is-tried',
  promise: 6,
  title: 'the next attempt of a pending notification is after its storage',
  find: () => sql`
    SELECT n.customer_id, n.id, n.kind, n.next_attempt_at AS at FROM notification n
    WHERE ${isDueBeforeItWasStored}`,
  rows: toRows,
  describe: ({ id, kind, at }) =>
    `the ${kind} of notification ${id} was stored after its next attempt, ${isoTime(at)}`,
});

/** Longer than any night, pause or usual backlog. */
const waitMax = sql`interval '24 hours'`;

export const isLongDue = (now: RawBuilder<Instant>) => sql`(
  n.state IN ('pending', 'uncertain') AND n.next_attempt_at < ${now} - ${waitMax})`;

/** The last time at which each courier sent, by channel and by bulk. */
const lastSent = sql`
  SELECT CASE channel WHEN 'log' THEN 'telegram' ELSE channel END AS channel, bulk,
    max(sent_at) AS at
  FROM perennial.notification WHERE state = 'sent' GROUP BY 1, 2`;

const pendingIsSent = defineCheck<Row & { due_at: Instant; sent_at: Instant }>({
  id: 'pending-is-sent',
  promise: 6,
  title: 'no notification is due for a day while its courier sends others',
  find: (now) => sql`
    SELECT n.customer_id, n.id, n.kind, n.next_attempt_at AS due_at, last.at AS sent_at
    FROM perennial.notification n JOIN (${lastSent}) last
      ON last.channel = n.channel AND last.bulk = n.bulk
    WHERE ${isLongDue(now)} AND last.at > greatest(n.next_attempt_at, n.created_at) + ${waitMax}
      AND NOT EXISTS (SELECT FROM perennial.quarantine q
        WHERE q.worker = 'deliver-notifications' AND q.item = 'notice:' || n.id)`,
  rows: toRows,
  describe: ({ id, kind, due_at, sent_at }) =>
    `the ${kind} of notification ${id} has been due since ${isoTime(due_at)}; its courier sent another one at ${isoTime(sent_at)}`,
});

/** Each period is longer than the lead of its last reminder, which is 6 hours at most. */
export const hasNoReminder = (now: RawBuilder<Instant>) => sql`(s.state = 'active'
  AND s.remind_at IS NULL AND s.expires_at > ${now} + interval '6 hours' + ${stepBackMax})`;

const reminderIsPlanned = defineCheck<{ customer_id: bigint; id: bigint; expires_at: Instant }>({
  id: 'reminder-is-planned',
  promise: 6,
  title: 'a running subscription has a time for its next reminder until 6 hours before its end',
  find: (now) => sql`
    SELECT s.customer_id, s.id, s.expires_at FROM subscription s
    WHERE ${hasNoReminder(now)}`,
  rows: ({ id }) => ({ subscription: [id] }),
  describe: ({ id, expires_at }) =>
    `subscription ${id} ends at ${isoTime(expires_at)}, and no reminder of it is planned`,
});

/** The last time at which a worker or a courier was active. */
export const lastWork = sql`(SELECT max(at) FROM (
  SELECT max(started_at) AS at FROM perennial.worker_run
  UNION ALL SELECT max(passed_at) FROM perennial.worker_state
  UNION ALL SELECT max(sent_at) FROM perennial.notification) work)`;

/** A courier that took over settles such a row after 2 minutes. */
const sendingEnds = defineCheck<Row & { since: Instant }>({
  id: 'sending-ends',
  promise: 6,
  title: 'a send that began has ended, or was abandoned',
  find: (now) => sql`
    SELECT n.customer_id, n.id, n.kind, n.sending_since AS since FROM perennial.notification n
    WHERE n.state = 'sending' AND (n.sending_since < ${now} - ${waitMax}
      OR n.sending_since < ${lastWork} - interval '1 hour')`,
  rows: toRows,
  describe: ({ id, kind, since }) =>
    `the ${kind} of notification ${id} has been in the state sending since ${isoTime(since)}`,
});

export const isAfterItsEnd = sql`(n.state = 'sent'
  AND n.kind IN ('trial_6h', 'trial_48h', 'trial_ending', 'ends_3d', 'ends_24h', 'ends_3h',
    'renewal_ahead')
  AND ${toIsoTimeSql(sql`(n.sending_since - ${stepBackMax})`)} > n.params->>'expires_at')`;

const reminderIsBeforeItsEnd = defineCheck<Row & { at: Instant; ends_at: string }>({
  id: 'reminder-is-before-its-end',
  promise: 7,
  title: 'no reminder was sent after the end that it warns of',
  find: () => sql`
    SELECT n.customer_id, n.id, n.kind, n.sending_since AS at, n.params->>'expires_at' AS ends_at
    FROM notification n
    WHERE ${isAfterItsEnd}`,
  rows: toRows,
  describe: ({ id, kind, at, ends_at }) =>
    `the ${kind} of notification ${id} was sent at ${isoTime(at)}, and the end was ${ends_at}`,
});

export const isSentBeforeItWasStored = sql`(n.sent_at < n.created_at - ${stepBackMax})`;

const sentAfterItWasStored = defineCheck<Row & { sent_at: Instant; created_at: Instant }>({
  id: 'sent-after-it-was-stored',
  promise: 6,
  title: 'a notification was stored before it was sent',
  find: () => sql`
    SELECT n.customer_id, n.id, n.kind, n.sent_at, n.created_at FROM notification n
    WHERE ${isSentBeforeItWasStored}`,
  rows: toRows,
  describe: ({ id, kind, sent_at, created_at }) =>
    `the ${kind} of notification ${id} was sent at ${isoTime(sent_at)} and stored at ${isoTime(created_at)}`,
});

/** As `writeNotifiedPrice` stores it (`subscription/store/known-prices.ts`). */
const knownPriceWasNotified = defineCheck<{ customer_id: bigint; id: bigint; amount: bigint }>({
  id: 'known-price-was-notified',
  promise: 6,
  title: 'an amount that counts as notified is in a notification of its customer',
  find: () => sql`
    SELECT k.customer_id, k.id, k.amount_minor AS amount FROM known_price k
    WHERE k.source = 'message' AND k.known_at >= ${selectRetainedSince('notices')}
      AND NOT EXISTS (SELECT FROM notification n
        WHERE n.subscription_id = k.subscription_id AND n.customer_id = k.customer_id
          AND n.kind IN ('price_change', 'renewal_ahead', 'low_balance')
          AND n.params->>'plan' = k.plan AND k.amount_minor::text = ltrim(replace(
            CASE n.kind WHEN 'price_change' THEN n.params->>'new_price'
              ELSE n.params->>'price' END, '.', ''), '0'))`,
  rows: ({ id }) => ({ known_price: [id] }),
  describe: ({ id, amount, currency }) =>
    `known price ${id} is ${moneyText(amount, currency)}, and no notification named this amount`,
});

export const notificationChecks = [
  causeHasItsNotification,
  pendingIsTried,
  pendingIsSent,
  sendingEnds,
  sentAfterItWasStored,
  reminderIsBeforeItsEnd,
  reminderIsPlanned,
  knownPriceWasNotified,
];
