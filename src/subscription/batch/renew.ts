import { sql } from 'kysely';
import { markSubscriptions, openAccess } from '../../access/credentials.ts';
import type { Tx } from '../../db/connect.ts';
import { sendPipelined } from '../../db/pipeline.ts';
import { unnest } from '../../db/unnest.ts';
import { mustHold } from '../../kernel/faults.ts';
import type { CustomerId, LedgerEntryId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications, type NewNotice } from '../../outbox/outbox.ts';
import { computeReminderLeadMs } from '../../outbox/reminder-schedule.ts';
import type { RenewalDecision } from '../rules/renewal.ts';
import type { Settings } from '../rules/settings.ts';
import { type NewEvent, recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { deletePaidPrices } from '../store/known-prices.ts';
import { postEntries, reserveEntryIds } from '../store/ledger.ts';
import { addPeriods } from '../store/periods.ts';
import type { SubscriptionRenewalFacts } from '../store/renewal-facts.ts';

// Carries out the decisions of the renewal rule, set-based and in one transaction (promise 3).
//
// Debit, ledger entry, period, new end, receipt and event commit together. Each statement writes
// all rows, so the number of statements is constant.

/** A decided renewal. Several renewals of one customer are in the order of their ends. */
export interface Renewal extends Omit<Extract<RenewalDecision, { readonly do: 'renew' }>, 'do'> {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly plan: string;
  readonly periodDays: number;
  /** The customer knows amounts that this payment may replace. */
  readonly hasKnownPrices: boolean;
  readonly currency: string;
  /** The balance after this charge. */
  readonly balanceAfterMinor: bigint;
  /** The subscription had expired, so its access opens again. */
  readonly isRevived: boolean;
  readonly isPlanChanged: boolean;
  /** The period starts later: the terms in force stay until then (`terms.ts`, rule 2). */
  readonly startsLater: boolean;
}

/** Converts a decision for the statements. `balanceMinor` is the balance of the decision. */
export function toRenewal(
  facts: SubscriptionRenewalFacts,
  decision: Extract<RenewalDecision, { do: 'renew' }>,
  balanceMinor: bigint,
  now: Instant,
): Renewal {
  return {
    ...facts,
    ...decision,
    balanceAfterMinor: balanceMinor - decision.chargeMinor,
    isRevived: facts.state === 'expired',
    isPlanChanged: facts.plan !== facts.currentPlan,
    startsLater: decision.startsAt > now,
    hasKnownPrices: facts.prices.known.length > 0,
  };
}

type ChargedRenewal = Renewal & { readonly entryId: LedgerEntryId };

/** Writes renewals of customers whose rows the transaction holds. */
export async function renewSubscriptions(
  tx: Tx,
  renewals: readonly Renewal[],
  actor: string,
  now: Instant,
  settings: Pick<Settings, 'noticeMs' | 'renewalAhead'>,
): Promise<void> {
  if (renewals.length === 0) return;
  const ids = await reserveEntryIds(tx, renewals.length);
  const charged = renewals.map(
    (row, index): ChargedRenewal => ({ ...row, entryId: ids[index] as LedgerEntryId }),
  );
  const toEntries = () =>
    charged.map((row) => ({
      id: row.entryId,
      customerId: row.customerId,
      amountMinor: -row.chargeMinor,
      balanceAfterMinor: row.balanceAfterMinor,
      kind: 'renewal' as const,
      idempotencyKey: `renewal:${row.subscriptionId}:${row.entryId}`,
    }));
  const toPeriods = () =>
    charged.map((row) => ({
      ...row,
      source: 'renewal' as const,
      amountMinor: row.chargeMinor,
      ledgerEntryId: row.entryId,
      discountPercent: row.percentOff,
    }));
  // Rows that refer to the customer come before the change of the customer. The check of a foreign
  // key locks the newest version of a row, and the transaction already holds the unchanged one.
  await sendPipelined([
    () => enqueueNotifications(tx, charged.map(toReceipt), now),
    () => recordEvents(tx, charged.map(toEvent), actor, now),
    () => postEntries(tx, toEntries(), now),
    () => addPeriods(tx, toPeriods()),
    () => extendSubscriptions(tx, charged, computeReminderLeadMs(settings.renewalAhead)),
  ]);
  const known = charged.filter((row) => row.hasKnownPrices);
  await deletePaidPrices(tx, known, now, settings.noticeMs);
  const revived = charged.filter((row) => row.isRevived);
  const planChanged = charged.filter(
    (row) => row.isPlanChanged && !row.isRevived && !row.startsLater,
  );
  await openAccess(
    tx,
    revived.map((row) => row.subscriptionId),
    now,
  );
  await markSubscriptions(
    tx,
    planChanged.map((row) => row.subscriptionId),
    now,
  );
}

/**
 * Writes the new end, and the terms of a period that has begun. Terms of a later period are the
 * next terms until `changes_at`.
 *
 * A new end prevents a HOT update, so each index gets an entry, also that of `remind_at` (2 µs and
 * 100 bytes of WAL, docs/benchmarks.md). So a new `remind_at` costs nothing extra, and saves a
 * check of the old end by the reminders. For periods under three days it is too early; the
 * reminders correct it.
 */
async function extendSubscriptions(
  tx: Tx,
  charged: readonly ChargedRenewal[],
  leadMs: number,
): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.subscription s
    SET state = 'active', expires_at = paid.ends_at, next_try_at = NULL,
      plan = CASE WHEN paid.later THEN s.plan ELSE paid.plan END,
      period_days = CASE WHEN paid.later THEN s.period_days ELSE paid.period_days END,
      next_plan = CASE WHEN paid.later THEN s.next_plan END,
      next_period_days = CASE WHEN paid.later THEN s.next_period_days END,
      changes_at = CASE WHEN paid.later THEN coalesce(s.changes_at,
        CASE WHEN (s.plan, s.period_days) <> (paid.plan, paid.period_days)
          THEN paid.starts_at END) END,
      remind_at = paid.ends_at - ${`${leadMs} ms`}::interval
    FROM ${unnest('paid', charged, {
      id: ['bigint', (row) => row.subscriptionId],
      plan: ['text', (row) => row.plan],
      period_days: ['int', (row) => row.periodDays],
      starts_at: ['timestamptz', (row) => row.startsAt],
      ends_at: ['timestamptz', (row) => row.endsAt],
      later: ['boolean', (row) => row.startsLater],
    })}
    WHERE s.id = paid.id`.execute(tx);
  mustHold(
    numAffectedRows === BigInt(charged.length),
    `${charged.length} subscriptions had to be extended, ${numAffectedRows} were extended`,
  );
}

/** Names the amount and the dates of the charge, not those at the time of sending (R7). */
export function toReceipt(row: {
  readonly customerId: CustomerId;
  readonly subscriptionId: SubscriptionId;
  readonly entryId: LedgerEntryId;
  readonly plan: string;
  readonly periodDays: number;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  readonly chargeMinor: bigint;
  readonly balanceAfterMinor: bigint;
  readonly currency: string;
}): NewNotice {
  return {
    customerId: row.customerId,
    subscriptionId: row.subscriptionId,
    kind: 'receipt',
    dedupeKey: `receipt:${row.entryId}`,
    params: {
      amount: majorUnits(row.chargeMinor, row.currency),
      currency: row.currency,
      plan: row.plan,
      period_days: row.periodDays,
      starts_at: isoTime(row.startsAt),
      ends_at: isoTime(row.endsAt),
      balance_after: majorUnits(row.balanceAfterMinor, row.currency),
    },
  };
}

function toEvent(row: ChargedRenewal): NewEvent {
  return {
    customerId: row.customerId,
    subject: toSubscriptionSubject(row.subscriptionId),
    action: row.isRevived ? 'revived' : 'renewed',
    detail: {
      ledger_entry_id: row.entryId,
      amount_minor: row.chargeMinor,
      plan: row.plan,
      ends_at: isoTime(row.endsAt),
    },
  };
}
