import { sql } from 'kysely';
import { chargeKinds, isFreeAndCharged } from './charge-and-extension.ts';
import { selectRetainedSince } from './check.ts';
import { isOtherDiscount, withDiscount } from './discounts.ts';
import { amountByKind } from './figures.ts';
import { endsBeforeItsStart } from './impossible-subscriptions.ts';
import {
  hasNoReminder,
  isAfterItsEnd,
  isDueBeforeItWasStored,
  isLongDue,
  isSentBeforeItWasStored,
} from './notifications.ts';
import { needsAnEvent } from './payments.ts';
import { isDropped, isOtherReceipt } from './receipts.ts';
import { isOtherSwitch, statedSwitches } from './rights.ts';
import { type AuditScan, anyRow } from './scan.ts';
import { isOtherInForce, isUnplanned } from './terms.ts';
import { datedPrices, isEarly, isOtherLength, isOtherPrice, replacedSince } from './terms-sold.ts';
import { selectWrongTables, stepBackMax } from './times.ts';

// The scans, each named by the rows that it reads.
//
// For each planted corruption, a test compares the scans with the queries of the checks
// (`test/integration/audit/scans.test.ts`).

/**
 * Customers with all their entries. An entry is broken if it does not build on the previous one.
 */
const ledgers: AuditScan = {
  from: () => sql`customer c FULL JOIN (
    SELECT customer_id, sum(amount_minor) AS amount, sum(${amountByKind}) AS lines,
      sum(claim_minor) AS claim,
      min(balance_after_minor) AS lowest, bool_or(broken) AS broken
    FROM (
      SELECT customer_id, kind, amount_minor, claim_minor, balance_after_minor,
        balance_after_minor <> amount_minor + coalesce(
          lag(balance_after_minor) OVER (PARTITION BY customer_id ORDER BY id), 0) AS broken
      FROM ledger_entry) entry
    GROUP BY customer_id) l ON l.customer_id = c.id`,
  suspects: () => ({
    'balance-is-its-ledger': anyRow(sql`c.balance_minor <> coalesce(l.amount, 0)`),
    'balance-adds-up': anyRow(sql`c.balance_minor <> coalesce(l.lines, 0)`),
    'balance-not-negative': anyRow(sql`c.balance_minor < 0 OR l.lowest < 0`),
    'ledger-runs-on': anyRow(sql`l.broken`),
    'ledger-id-once': sql`(SELECT count(*) <> count(DISTINCT id) FROM ledger_entry)`,
    'claim-not-negative': anyRow(sql`l.claim IS NOT NULL`),
    'claim-is-its-ledger': anyRow(sql`c.claim_minor <> coalesce(l.claim, 0)`),
  }),
};

/** Entries and the events that name them. */
const timeline: AuditScan = {
  from: () => sql`ledger_entry e FULL JOIN (
    SELECT customer_id, detail->>'ledger_entry_id' AS entry_id FROM event
    WHERE detail->>'ledger_entry_id' IS NOT NULL) v
    ON v.customer_id = e.customer_id AND v.entry_id = e.id::text`,
  suspects: () => ({
    'entry-is-in-the-timeline': anyRow(sql`v.entry_id IS NULL AND ${needsAnEvent}`),
    'event-has-its-entry': anyRow(sql`e.id IS NULL`),
  }),
};

/** Charges with their periods, receipts and discounts, and the times of the charged price. */
const charges: AuditScan = {
  from: () => sql`
    (SELECT * FROM ledger_entry WHERE kind IN ${chargeKinds}) e
    FULL JOIN (SELECT * FROM period
      WHERE source IN ${chargeKinds} OR ledger_entry_id IS NOT NULL) p ON p.ledger_entry_id = e.id
    LEFT JOIN notification n ON n.dedupe_key = 'receipt:' || e.id
    LEFT JOIN (
      SELECT plan, currency, period_days, amount_minor,
        range_agg(tstzrange(valid_from, until, '[]')) AS times
      FROM (${datedPrices}) dated GROUP BY 1, 2, 3, 4) price
      ON price.plan = p.plan AND price.currency = p.currency
        AND price.period_days = p.period_days AND price.amount_minor = p.list_minor
    ${withDiscount}`,
  suspects: () => {
    const noEntry = sql`e.id IS NULL AND p.ledger_entry_id IS NOT NULL`;
    // Fewer entries than rows: two periods name one of them.
    const entries = sql`(SELECT count(*) FROM ledger_entry WHERE kind IN ${chargeKinds})`;
    const noPeriod = anyRow(sql`p.id IS NULL OR ${noEntry}`);
    return {
      'charge-pays-one-period': sql`${noPeriod} OR count(e.id) <> ${entries}`,
      'period-has-its-charge': anyRow(sql`p.source IN ${chargeKinds} AND p.part_of IS NULL
        AND (e.id IS NULL OR e.customer_id <> p.customer_id OR e.kind <> p.source)`),
      'charge-is-the-amount': anyRow(sql`p.amount_minor <> -e.amount_minor OR ${noEntry}`),
      'charge-has-its-receipt': anyRow(sql`e.created_at >= ${selectRetainedSince('notices')}
        AND (n.id IS NULL OR n.customer_id IS DISTINCT FROM e.customer_id)`),
      'receipt-is-of-its-charge': anyRow(sql`${isOtherReceipt}`),
      'price-was-on-sale': anyRow(sql`e.kind = p.source
        AND (price.times && tstzrange(${replacedSince}, e.created_at + ${stepBackMax}, '[]'))
          IS NOT TRUE`),
      'discount-was-given': anyRow(isOtherDiscount),
      'renewal-is-not-early': anyRow(isEarly),
    };
  },
};

/** Periods with their subscriptions and customers. */
const periods: AuditScan = {
  from: () => sql`period p
    LEFT JOIN subscription s ON s.id = p.subscription_id
    LEFT JOIN customer c ON c.id = p.customer_id`,
  suspects: (now) => ({
    'free-costs-nothing': anyRow(isFreeAndCharged),
    'period-ends-after-its-start': anyRow(endsBeforeItsStart),
    'amount-is-its-price': anyRow(isOtherPrice),
    'period-has-its-length': anyRow(isOtherLength),
    'served-part-of-a-refund': anyRow(sql`p.part_of IS NOT NULL`),
    'terms-of-the-period': anyRow(isOtherInForce(now)),
    'change-is-planned': anyRow(isUnplanned(now)),
    'trial-is-free': anyRow(
      sql`s.kind = 'trial' AND p.ledger_entry_id IS NOT NULL AND p.refunded_at IS NULL`,
    ),
    'trial-is-noted': anyRow(sql`p.source = 'trial' AND c.trial_used_at IS NULL`),
    'period-of-its-customer': anyRow(sql`p.customer_id <> s.customer_id`),
    'period-in-its-currency': anyRow(sql`p.currency <> c.currency`),
  }),
};

/**
 * Subscriptions with all their periods and credentials. If each live period begins at or after the
 * end of the previous one, no two of them overlap.
 */
const subscriptions: AuditScan = {
  from: () => sql`subscription s
    FULL JOIN (
      SELECT subscription_id, min(starts_at) AS first_start, max(ends_at) FILTER (WHERE live) AS
        last_end, bool_or(source <> 'trial') AS is_paid, bool_or(live AND (ends_at <= starts_at
          OR starts_at < end_before OR starts_at = start_before)) AS overlaps
      FROM (
        SELECT subscription_id, starts_at, ends_at, source, refunded_at IS NULL AS live,
          lag(ends_at) OVER line AS end_before, lag(starts_at) OVER line AS start_before
        FROM period
        WINDOW line AS (PARTITION BY subscription_id, refunded_at IS NULL ORDER BY starts_at)
      ) period GROUP BY subscription_id) p ON p.subscription_id = s.id
    FULL JOIN (
      SELECT subscription_id, count(*) FILTER (WHERE retired_at IS NULL) AS live,
        min(customer_id) AS first_customer, max(customer_id) AS last_customer
      FROM credential GROUP BY subscription_id) k ON k.subscription_id = s.id
    LEFT JOIN (${statedSwitches}) v
      ON v.customer_id = s.customer_id AND v.subject = 'subscription:' || s.id`,
  suspects: (now) => ({
    'one-period-a-start': anyRow(sql`p.overlaps`),
    'no-overlap': anyRow(sql`p.overlaps`),
    'end-is-the-last-end': anyRow(sql`s.expires_at <> coalesce(p.last_end, s.started_at)`),
    'running-has-a-credential': anyRow(
      sql`s.state = 'active' AND s.expires_at > ${now} AND coalesce(k.live, 0) = 0`,
    ),
    'ended-has-no-credential': anyRow(sql`s.state <> 'active' AND k.live > 0`),
    'active-has-a-period': anyRow(sql`s.state = 'active' AND p.last_end IS NULL`),
    'reminder-is-planned': anyRow(hasNoReminder(now)),
    'switch-is-its-event': anyRow(isOtherSwitch),
    'paid-was-got': anyRow(sql`s.kind = 'paid' AND p.is_paid IS NOT TRUE`),
    'one-live-credential': anyRow(sql`k.live > 1`),
    'credential-of-its-customer': anyRow(
      sql`k.first_customer <> s.customer_id OR k.last_customer <> s.customer_id`,
    ),
    'started-with-its-first-period': anyRow(sql`s.started_at > p.first_start + ${stepBackMax}`),
  }),
};

const notifications: AuditScan = {
  from: () => sql`notification n`,
  suspects: (now) => ({
    'receipt-is-not-dropped': anyRow(isDropped(now)),
    'pending-is-tried': anyRow(isDueBeforeItWasStored),
    'sent-after-it-was-stored': anyRow(isSentBeforeItWasStored),
    'reminder-is-before-its-end': anyRow(isAfterItsEnd),
  }),
};

/** All notifications that are not settled, by their indexes: they become wrong by waiting. */
const unsettledNotifications: AuditScan = {
  from: () => sql`(
    SELECT state, next_attempt_at FROM perennial.notification
    WHERE state IN ('pending', 'uncertain')
    UNION ALL SELECT state, next_attempt_at FROM perennial.notification
    WHERE state = 'sending') n`,
  suspects: (now) => ({
    'pending-is-sent': anyRow(isLongDue(now)),
    'sending-ends': anyRow(sql`n.state = 'sending'`),
  }),
};

/** One row for each table with impossible times. */
const times: AuditScan = {
  from: (now) => sql`(${sql.join(selectWrongTables(now), sql` UNION ALL `)}) t`,
  suspects: () => ({
    'past-is-past': anyRow(sql`t.past`),
    'wait-has-its-horizon': anyRow(sql`t.waits`),
  }),
};

export const auditScans: readonly AuditScan[] = [
  ledgers,
  timeline,
  charges,
  periods,
  subscriptions,
  notifications,
  unsettledNotifications,
  times,
];
