import { sql } from 'kysely';
import { isCharge, isFreeAndCharged } from './charge-and-extension.ts';
import { keptSince } from './check.ts';
import { isOtherDiscount, withDiscount } from './discounts.ts';
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
import { any, type Scan } from './scan.ts';
import { isOtherInForce, isUnplanned } from './terms.ts';
import { datedPrices, isEarly, isOtherLength, isOtherPrice, replacedSince } from './terms-sold.ts';
import { stepBackMost, wrongOfTable } from './times.ts';

// The scans, each named by the rows that it reads. For each planted corruption, the scans and the
// queries of the checks are compared (test/audit/scans.test.ts).

/** Customers with all their entries. An entry is broken if it does not build on the one before. */
const ledgers: Scan = {
  from: () => sql`perennial.customer c FULL JOIN (
    SELECT customer_id, sum(amount_minor) AS amount, sum(claim_minor) AS claim,
      min(balance_after_minor) AS lowest, bool_or(broken) AS broken
    FROM (
      SELECT customer_id, amount_minor, claim_minor, balance_after_minor,
        balance_after_minor <> amount_minor + coalesce(
          lag(balance_after_minor) OVER (PARTITION BY customer_id ORDER BY id), 0) AS broken
      FROM perennial.ledger_entry) entry
    GROUP BY customer_id) l ON l.customer_id = c.id`,
  suspects: () => ({
    'balance-is-its-ledger': any(sql`c.balance_minor <> coalesce(l.amount, 0)`),
    'balance-not-negative': any(sql`c.balance_minor < 0 OR l.lowest < 0`),
    'ledger-runs-on': any(sql`l.broken`),
    'ledger-id-once': sql`(SELECT count(*) <> count(DISTINCT id) FROM perennial.ledger_entry)`,
    'claim-not-negative': any(sql`l.claim IS NOT NULL`),
    'claim-is-its-ledger': any(sql`c.claim_minor <> coalesce(l.claim, 0)`),
  }),
};

/** Entries and the events that name them. */
const timeline: Scan = {
  from: () => sql`perennial.ledger_entry e FULL JOIN (
    SELECT customer_id, detail->>'ledger_entry_id' AS entry_id FROM perennial.event
    WHERE detail->>'ledger_entry_id' IS NOT NULL) v
    ON v.customer_id = e.customer_id AND v.entry_id = e.id::text`,
  suspects: () => ({
    'entry-is-in-the-timeline': any(sql`v.entry_id IS NULL AND ${needsAnEvent}`),
    'event-has-its-entry': any(sql`e.id IS NULL`),
  }),
};

/** Charges with their periods, receipts and discounts, and the times of the price that was charged. */
const charges: Scan = {
  from: () => sql`
    (SELECT * FROM perennial.ledger_entry WHERE kind IN ${isCharge}) e
    FULL JOIN (SELECT * FROM perennial.period
      WHERE source IN ${isCharge} OR ledger_entry_id IS NOT NULL) p ON p.ledger_entry_id = e.id
    LEFT JOIN perennial.notification n ON n.dedupe_key = 'receipt:' || e.id
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
    const entries = sql`(SELECT count(*) FROM perennial.ledger_entry WHERE kind IN ${isCharge})`;
    const noPeriod = any(sql`p.id IS NULL OR ${noEntry}`);
    return {
      'charge-pays-one-period': sql`${noPeriod} OR count(e.id) <> ${entries}`,
      'period-has-its-charge': any(sql`p.source IN ${isCharge} AND p.part_of IS NULL
        AND (e.id IS NULL OR e.customer_id <> p.customer_id OR e.kind <> p.source)`),
      'charge-is-the-amount': any(sql`p.amount_minor <> -e.amount_minor OR ${noEntry}`),
      'charge-has-its-receipt': any(sql`e.created_at >= ${keptSince('notices')}
        AND (n.id IS NULL OR n.customer_id IS DISTINCT FROM e.customer_id)`),
      'receipt-is-of-its-charge': any(sql`${isOtherReceipt}`),
      'price-was-on-sale': any(sql`e.kind = p.source
        AND (price.times && tstzrange(${replacedSince}, e.created_at + ${stepBackMost}, '[]'))
          IS NOT TRUE`),
      'discount-was-given': any(isOtherDiscount),
      'renewal-is-not-early': any(isEarly),
    };
  },
};

/** Periods with their subscriptions and customers. */
const periods: Scan = {
  from: () => sql`perennial.period p
    LEFT JOIN perennial.subscription s ON s.id = p.subscription_id
    LEFT JOIN perennial.customer c ON c.id = p.customer_id`,
  suspects: (now) => ({
    'free-costs-nothing': any(isFreeAndCharged),
    'period-ends-after-its-start': any(endsBeforeItsStart),
    'amount-is-its-price': any(isOtherPrice),
    'period-has-its-length': any(isOtherLength),
    'served-part-of-a-refund': any(sql`p.part_of IS NOT NULL`),
    'terms-of-the-period': any(isOtherInForce(now)),
    'change-is-planned': any(isUnplanned(now)),
    'trial-is-free': any(
      sql`s.kind = 'trial' AND p.ledger_entry_id IS NOT NULL AND p.refunded_at IS NULL`,
    ),
    'trial-is-noted': any(sql`p.source = 'trial' AND c.trial_used_at IS NULL`),
    'period-of-its-customer': any(sql`p.customer_id <> s.customer_id`),
    'period-in-its-currency': any(sql`p.currency <> c.currency`),
  }),
};

/**
 * Subscriptions with all their periods and credentials. If no live period begins before the end of
 * the one before it, then no two of them overlap.
 */
const subscriptions: Scan = {
  from: () => sql`perennial.subscription s
    FULL JOIN (
      SELECT subscription_id, min(starts_at) AS first_start, max(ends_at) FILTER (WHERE live) AS
        last_end, bool_or(source <> 'trial') AS is_paid, bool_or(live AND (ends_at <= starts_at
          OR starts_at < end_before OR starts_at = start_before)) AS overlaps
      FROM (
        SELECT subscription_id, starts_at, ends_at, source, refunded_at IS NULL AS live,
          lag(ends_at) OVER line AS end_before, lag(starts_at) OVER line AS start_before
        FROM perennial.period
        WINDOW line AS (PARTITION BY subscription_id, refunded_at IS NULL ORDER BY starts_at)
      ) period GROUP BY subscription_id) p ON p.subscription_id = s.id
    FULL JOIN (
      SELECT subscription_id, count(*) FILTER (WHERE retired_at IS NULL) AS live,
        min(customer_id) AS first_customer, max(customer_id) AS last_customer
      FROM perennial.credential GROUP BY subscription_id) k ON k.subscription_id = s.id
    LEFT JOIN (${statedSwitches}) v
      ON v.customer_id = s.customer_id AND v.subject = 'subscription:' || s.id`,
  suspects: (now) => ({
    'one-period-a-start': any(sql`p.overlaps`),
    'no-overlap': any(sql`p.overlaps`),
    'end-is-the-last-end': any(sql`s.expires_at <> coalesce(p.last_end, s.started_at)`),
    'running-has-a-credential': any(
      sql`s.state = 'active' AND s.expires_at > ${now} AND coalesce(k.live, 0) = 0`,
    ),
    'ended-has-no-credential': any(sql`s.state <> 'active' AND k.live > 0`),
    'active-has-a-period': any(sql`s.state = 'active' AND p.last_end IS NULL`),
    'reminder-is-planned': any(hasNoReminder(now)),
    'switch-is-its-event': any(isOtherSwitch),
    'paid-was-got': any(sql`s.kind = 'paid' AND p.is_paid IS NOT TRUE`),
    'one-live-credential': any(sql`k.live > 1`),
    'credential-of-its-customer': any(
      sql`k.first_customer <> s.customer_id OR k.last_customer <> s.customer_id`,
    ),
    'started-with-its-first-period': any(sql`s.started_at > p.first_start + ${stepBackMost}`),
  }),
};

const notifications: Scan = {
  from: () => sql`perennial.notification n`,
  suspects: (now) => ({
    'receipt-is-not-dropped': any(isDropped(now)),
    'pending-is-tried': any(isDueBeforeItWasStored),
    'pending-is-sent': any(isLongDue(now)),
    'sending-ends': any(sql`n.state = 'sending'`),
    'sent-after-it-was-stored': any(isSentBeforeItWasStored),
    'reminder-is-before-its-end': any(isAfterItsEnd),
  }),
};

/** One row for each table that has times which cannot be as they are. */
const times: Scan = {
  from: (now) => sql`(${sql.join(wrongOfTable(now), sql` UNION ALL `)}) t`,
  suspects: () => ({
    'past-is-past': any(sql`t.past`),
    'wait-has-its-horizon': any(sql`t.waits`),
  }),
};

export const scans: readonly Scan[] = [
  ledgers,
  timeline,
  charges,
  periods,
  subscriptions,
  notifications,
  times,
];
