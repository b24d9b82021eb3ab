import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { PeriodSource } from '../db/schema.ts';
import { unnest } from '../db/unnest.ts';
import { refused } from '../kernel/faults.ts';
import type { CustomerId, LedgerEntryId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, lastInstant, later } from '../kernel/instant.ts';

/** A stretch `[startsAt, endsAt)` that a subscription is given, and what was charged for it. */
export interface NewPeriod {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly source: PeriodSource;
  readonly plan: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** 0 for what costs nothing. */
  readonly amountMinor: bigint;
  readonly currency: string;
  /** The charge; none for trial, grant and import. */
  readonly ledgerEntryId: LedgerEntryId | null;
  /** The length that was sold; null for a grant that prolongs a subscription. */
  readonly periodDays: number | null;
  /** The list price and the discount that explain the amount; null without a price. */
  readonly listMinor: bigint | null;
  readonly discountPercent: number | null;
  /** The amount that limited the charge of a renewal below its price. */
  readonly capMinor?: bigint | null;
}

/**
 * The end of a period of whole days.
 * @throws Fault `end_too_late`: no column and no ISO 8601 time can hold it
 */
export function periodEnd(startsAt: Instant, days: number): Instant {
  const endsAt = later(startsAt, days * dayMs);
  if (endsAt <= lastInstant) return endsAt;
  throw refused(
    'end_too_late',
    `a period of ${days} days from ${isoTime(startsAt)} would end after the year 9999`,
  );
}

/** Adds periods; one that overlaps a live one of its subscription fails the transaction. */
export async function addPeriods(tx: Tx, periods: readonly NewPeriod[]): Promise<void> {
  if (periods.length === 0) return;
  await sql`
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent,
      cap_minor)
    SELECT * FROM ${unnest('added', periods, {
      subscription_id: ['bigint', (row) => row.subscriptionId],
      customer_id: ['bigint', (row) => row.customerId],
      source: ['text', (row) => row.source],
      plan: ['text', (row) => row.plan],
      starts_at: ['timestamptz', (row) => row.startsAt],
      ends_at: ['timestamptz', (row) => row.endsAt],
      amount_minor: ['bigint', (row) => row.amountMinor],
      currency: ['text', (row) => row.currency],
      ledger_entry_id: ['bigint', (row) => row.ledgerEntryId],
      period_days: ['int', (row) => row.periodDays],
      list_minor: ['bigint', (row) => row.listMinor],
      discount_percent: ['int', (row) => row.discountPercent],
      cap_minor: ['bigint', (row) => row.capMinor ?? null],
    })}`.execute(tx);
}
